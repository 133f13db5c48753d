/* SPDX-License-Identifier: MIT */
/*
 * What the files that work in the directory of reports share; see report.h and files.h.
 *
 *	store.c         directories
 *	store_write.c   writing whole or not at all
 *	files.c         listing, reading, removing, packing
 *	heads.c         the ends of the chains, and what was removed
 */
#ifndef EDR_REPORT_STORE_PRIVATE_H
#define EDR_REPORT_STORE_PRIVATE_H

#include <fcntl.h>
#include <pthread.h>

#include "report/report.h"
#include "wire/wire.h"

#define STORE_LEVELS \
	9 /* interim, cells, blocks, daily, weekly, monthly, checkpoint and room for more */
#define STORE_NAME_MAX 200
#define STORE_TEMP_PREFIX ".tmp-"
#define DIR_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

struct level {
	char name[16];
	int fd;
};

struct report_store {
	char *path;
	char *shown;
	bool read_only;
	struct heads *heads;  /* not ours; NULL: no chain */
	pthread_mutex_t lock; /* for all below */
	int dir;
	struct level level[STORE_LEVELS];
	size_t n_levels;
	size_t swept;
	unsigned serial;
};

/* What a report or a level may be called: also the names that are written into other reports. */
bool store_good_name(const char *name, size_t max);
/* A temporary file's. */
bool store_is_temp(const char *name);

/*
 * A descriptor of the level's directory (NULL: of the whole) that is the caller's to close: another
 * thread may open all again, which `again` asks for. Or -errno.
 */
int store_dir(struct report_store *s, const char *level, bool again);

/* Makes the file of that name, in place of one that is there if `replace`. 0, -EEXIST, -errno. */
int store_put(struct report_store *s, int dir, const char *name, const struct wire_span *piece,
	      size_t n, bool replace);
/* In place of what is there, and not synced: what it is made from is. */
int store_put_derived(struct report_store *s, int dir, const char *name, struct wire_span data);
int store_sync(int dir);
int store_write_all(int fd, struct wire_span piece);

#endif
