/* SPDX-License-Identifier: MIT */
/* One line of `truth` against one event of the agent; compare.c asks it of all. */
#ifndef TRUTH_JUDGE_H
#define TRUTH_JUDGE_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

enum aspect { NAME, ARGS, ADDRESS, PATH, OTHER, N_ASPECTS };

struct mode {
	const char *name;
	bool marks_unknown; /* not one of the hooks of the BPF source */
	bool names_alone;
	bool has_probes; /* ftrace with argument probes */
};

struct verdict {
	bool has[N_ASPECTS], wrong[N_ASPECTS], marked[N_ASPECTS];
	char first_wrong[64];
	bool late; /* told by `late`, of the right name and address: it may lack its result */
};

/* NULL: there is none of that name. */
const struct mode *mode_find(const char *name);

struct verdict judge(struct json_object *line, struct json_object *event, const struct mode *mode);

/*
 * An exec whose name and arguments the probes of ftrace have room for must be right, and by the probe: that /proc was quick
 * enough is luck. Another is right, or says that it may not be.
 */
struct limits {
	bool fits, right, marked;
};
struct limits judge_limits(const struct verdict *v, struct json_object *line,
			   struct json_object *event);

/* Ends the program, with what errno says, when p is NULL. */
void *must(void *p);

/* Members of an object; NULL, "" or 0 when there is none of that kind. */
struct json_object *get(struct json_object *o, const char *key);
bool has(struct json_object *o, const char *key);
const char *text(struct json_object *o, const char *key);
int64_t number(struct json_object *o, const char *key);

#endif
