/* SPDX-License-Identifier: MIT */
/* What a deciding function sees and says. */
#ifndef EDR_DETECT_DECIDE_H
#define EDR_DETECT_DECIDE_H

#include "detect/burst.h"
#include "detect/inject.h"
#include "detect/signal.h"

#define DETECT_SHELLS 64   /* processes that server-shell was found for, remembered */
#define DETECT_REPLACED 64 /* those of servers that run another program now */

struct detect {
	struct detect_config cfg;
	struct bursts bursts;
	struct subjects subjects;
	struct inject inject;
	struct buf text; /* what inject_find() looks at */
	char path[EDR_PATH_MAX];
	struct {
		edr_u32 tgid;
		edr_u64 start_ns;
		edr_s64 window;
	} shell[DETECT_SHELLS];
	size_t next_shell;
	struct {
		edr_u32 tgid;
		unsigned level;
		edr_u64 start_ns;
	} replaced[DETECT_REPLACED];
	size_t next_replaced;
	edr_s64 grave_ns, lost_ns; /* Unix: the last finding of 3 or more, the last loss; 0: none */
	struct detect_finding finding[DETECT_SIGNALS];
	struct buf details[DETECT_SIGNALS];
	struct detect_stats stats;
};

struct look {
	struct detect *d;
	const struct edr_hdr *rec;
	const struct proc_entry *who; /* may be NULL */
	const struct proc_table *table;
	const struct proc_entry *parent;    /* may be NULL */
	const struct baseline_found *known; /* may be NULL */
	edr_s64 t;			    /* Unix */
	edr_s64 window;			    /* its number */
	struct wire_span exe;
	/* What the function adds: */
	struct wire_span subject; /* what is usual with that parent; the path, unless changed */
	edr_u64 once;		  /* a hash that tells subjects apart beyond that */
	const char *note;	  /* behind the details, lives as long */
	char made[64];		  /* room for it */
	bool usual;		  /* harmless by what is known: the usual level */
};

/* A severity, 0: not found. Each looks at records of the types that the table names only. */
unsigned decide_memfd(struct look *l);
unsigned decide_deleted(struct look *l);
unsigned decide_writable_dir(struct look *l);
unsigned decide_kernel_name(struct look *l);
unsigned decide_kernel_comm(struct look *l);
unsigned decide_server_shell(struct look *l);
unsigned decide_setuid_new(struct look *l);
unsigned decide_failed_execs(struct look *l);
unsigned decide_discovery(struct look *l);
unsigned decide_new_connects(struct look *l);
unsigned decide_injection(struct look *l);

static inline struct wire_span decide_span(const char *s)
{
	return (struct wire_span){ s, strlen(s) };
}

edr_u64 decide_hash(const struct detect *d, struct wire_span s);

#endif
