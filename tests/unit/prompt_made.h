/* SPDX-License-Identifier: MIT */
/* Reports as the prompt reads them, made by hand. */
#ifndef EDR_TEST_PROMPT_MADE_H
#define EDR_TEST_PROMPT_MADE_H

#include <json-c/json.h>

#include "analyze/prompt.h"

#define PROMPT_MADE_NONCE "00112233445566778899aabbccddeeff"

/* The defaults, and that nonce. */
struct prompt_config prompt_made_config(void);

struct prompt_made {
	struct buf findings, executables, connections;
	const char *level, *more;
};

void prompt_made_finding(struct prompt_made *r, const char *id, unsigned severity,
			 const char *details);
/* marks: "[ \"new\" ]"; "": none. */
void prompt_made_executable(struct prompt_made *r, const char *path, unsigned runs,
			    const char *marks, const char *line);
void prompt_made_connection(struct prompt_made *r, const char *address, const char *marks);
void prompt_made_text(const struct prompt_made *r, struct buf *out);
int prompt_made_make(const struct prompt_made *r, const struct prompt_config *cfg,
		     struct prompt *p);
void prompt_made_free(struct prompt_made *r);

/* A member that must be there. */
json_object *prompt_made_at(json_object *o, const char *key);

#endif
