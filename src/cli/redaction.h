/* SPDX-License-Identifier: MIT */
/* Redaction as the configuration wants it: its key, its patterns, and that its absence is told. */
#ifndef EDR_CLI_REDACTION_H
#define EDR_CLI_REDACTION_H

#include <stdbool.h>
#include <stddef.h>

#include "conf/conf.h"
#include "redact/redact.h"

/*
 * The reports directory is there already. A replay makes no key. 0; EX_CONFIG, EX_OSERR with one
 * sentence in err. Where the reports directory can hold no key that is only said: tags are then
 * without digits, and secrets go all the same.
 */
int redaction_open(struct redact **out, const struct conf *conf, bool replay, char *err,
		   size_t err_size);

/* Says that it is off: once at the start, then once a day of now_ns (Unix; 0: not known). */
struct redaction_off {
	long long said_day;
};
void redaction_tell_off(struct redaction_off *o, long long now_ns);

#endif
