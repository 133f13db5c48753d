/* SPDX-License-Identifier: MIT */
/* heads.c is what happens, heads_file.c the text. */
#ifndef EDR_REPORT_HEADS_PRIVATE_H
#define EDR_REPORT_HEADS_PRIVATE_H

#include "report/heads.h"

#define HEADS_FILE "chain.json"
#define HEADS_REMOVED "removed.jsonl"

int heads_text(const struct heads_file *f, const char *removed_next, const struct chain_key *key,
	       struct buf *out);
int heads_removed_text(const struct heads_file *f, struct buf *out);
/* next: the digest that removed.jsonl has if the last change of it got through. */
bool heads_parse(const struct buf *text, struct heads_file *f, char next[CHAIN_HEX]);
int heads_parse_removed(const struct buf *text, struct heads_file *f, bool *good);
int heads_add_removed(struct heads_file *f, const struct removed *r);

#endif
