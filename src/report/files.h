/* SPDX-License-Identifier: MIT */
/* The reports as files: what there is, reading, removing, packing. No link is followed. */
#ifndef EDR_REPORT_FILES_H
#define EDR_REPORT_FILES_H

#include "edr/wire.h"
#include "report/chain.h"
#include "report/report.h"
#include "wire/wire.h"

#define REPORT_NAMED 3

/* How many there are, and the first of them in the order of their bytes, for directories have none. */
struct report_names {
	size_t n;
	char first[REPORT_NAMED][256];
};
void report_names_add(struct report_names *l, const char *name);

struct report_file {
	char id[CHAIN_ID_MAX];
	bool packed;
	bool both;     /* plain and packed: the plain one counts */
	edr_u64 bytes; /* on disk; 0 where only names were asked for */
};

struct report_files {
	struct report_file *file; /* by id */
	size_t n;
	struct report_names strange; /* names that no report has; links */
};

/* 0 with none when there is no such directory; -errno. */
int report_files_list(struct report_store *s, const char *level, struct report_files *out);
/* The same without sizes: a third of the price. */
int report_files_names(struct report_store *s, const char *level, struct report_files *out);
void report_files_free(struct report_files *f);
bool report_files_has(const struct report_files *f, const char *id);
/* At its place, unless it is there. 0 or -ENOMEM. */
int report_files_add(struct report_files *f, const char *id);

/*
 * Those of the level below whose windows lie in w: what a parent is made of. The array is the
 * caller's, the ids are of children. NULL without memory.
 */
const char **report_children(const struct report_files *children, enum report_level parent,
			     struct report_window w, size_t *n);

/* As report_read(), but what is behind the first `begin` bytes or so need not be there, nor right. */
int report_read_begin(struct report_store *s, const char *level, const char *id, size_t begin,
		      struct buf *out);

/*
 * A file of the directory itself, or of a level's: as it is. 0; -ENOENT; -ELOOP: a link; -EBADMSG: no
 * plain file; -EFBIG: it has more than max bytes; -errno.
 */
int report_file_read(struct report_store *s, const char *level, const char *name, size_t max,
		     struct buf *out);
/* As report_read(), without its place in the chain. Whether it is as it was written, is not asked. */
int report_read_unsealed(struct report_store *s, enum report_level level, const char *id,
			 struct buf *out);
/* Written whole or not at all, in place of what is there. */
int report_file_replace(struct report_store *s, const char *level, const char *name,
			struct wire_span data);
/*
 * A line at its end; the file is made. What is not whole after a crash is the end of the last line.
 */
int report_file_append(struct report_store *s, const char *level, const char *name,
		       struct wire_span line);
/*
 * An exclusive lock of the directory, for who reads and replaces more than one file. A descriptor, with
 * whose closing it ends; -EBUSY: another has it; -EACCES: the store is for reading only; -errno. Never
 * waits.
 */
int report_dir_lock(struct report_store *s, const char *level);
/* 0 also when it is not there. */
int report_file_remove(struct report_store *s, const char *level, const char *name);

/* The packed form, whether or not there is a plain one. As report_read(). */
int report_read_packed(struct report_store *s, const char *level, const char *id, struct buf *out);

/* Is that name taken, packed or not? */
bool report_is_there(struct report_store *s, const char *level, const char *id);

/* Both forms of it, and its analysis. */
int report_remove(struct report_store *s, const char *level, const char *id);
/* Turns id.json into id.json.gz, and checks that it can be read back. *saved: bytes. */
int report_pack(struct report_store *s, const char *level, const char *id, edr_s64 *saved);

#endif
