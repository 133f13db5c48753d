/* SPDX-License-Identifier: MIT */
#include "report/verify_private.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "report/checkpoint.h"
#include "report/heads_private.h"
#include "report/reserve.h"
#include "report/store_private.h"

#define WHOLE "the directory"

/* Their names are anybody's; who prints the text escapes it. */
void verify_say_names(struct verify *v, const char *kind, enum report_level level,
		      const struct report_names *names, const char *where, const char *what)
{
	struct buf list = { 0 };

	for (size_t i = 0; i < names->n && i < REPORT_NAMED; i++)
		buf_addf(&list, "%s'%.100s'", i ? ", " : "", names->first[i]);
	if (names->n > REPORT_NAMED)
		buf_addf(&list, " and %zu more", names->n - REPORT_NAMED);
	if (names->n)
		verify_say(v, kind, level, "", "%zu entries of %s %s: %s", names->n, where, what,
			   buf_failed(&list) ? "" : list.data);
	buf_free(&list);
}

/* ---- what is none of ours ---- */

/* A filesystem of its own has a lost+found. */
static const struct {
	const char *name;
	mode_t type;
} known[] = {
	{ CHECKPOINT_DIR, S_IFDIR }, { REPORT_ANALYSIS_DIR, S_IFDIR }, { "lost+found", S_IFDIR },
	{ HEADS_FILE, S_IFREG },     { HEADS_REMOVED, S_IFREG },       { RESERVE_FILE, S_IFREG },
	{ REPORT_LOCK, S_IFREG },
};

static bool is_known(const char *name, mode_t type)
{
	if (type == S_IFREG && store_is_temp(name))
		return true;
	for (enum report_level i = 0; i < N_LEVELS; i++)
		if (strcmp(name, report_levels[i].dir) == 0)
			return type == S_IFDIR;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(name, known[i].name) == 0)
			return type == known[i].type;
	return false;
}

static int check_checkpoints(struct verify *v)
{
	struct checkpoint_name parsed;
	struct report_files f;
	char name[CHAIN_ID_MAX + 16];
	int err = report_files_names(v->store, CHECKPOINT_DIR, &f);

	if (err == -ELOOP || err == -ENOTDIR)
		return 0; /* said of the name itself */
	if (err)
		return err;
	for (size_t i = 0; i < f.n; i++) {
		snprintf(name, sizeof(name), "%s.json%s", f.file[i].id,
			 f.file[i].packed ? ".gz" : "");
		if (!checkpoint_parse(f.file[i].id, &parsed))
			report_names_add(&f.strange, name);
	}
	verify_say_names(v, "strange", N_LEVELS, &f.strange, CHECKPOINT_DIR "/",
			 "are no checkpoints");
	report_files_free(&f);
	return 0;
}

/* ---- who else may write ---- */

struct look {
	int dir;
	bool whole;  /* not a level's */
	uid_t owner; /* of the whole: as whom the agent runs */
	struct report_names strange, open;
};

/* What root has can be written by root anyway. */
static bool is_open(const struct look *l, const struct stat *st)
{
	return (st->st_mode & (S_IWGRP | S_IWOTH)) || (st->st_uid != l->owner && st->st_uid != 0);
}

static void look_at(struct look *l, const char *name)
{
	const bool self = strcmp(name, ".") == 0;
	struct stat st;

	if (strcmp(name, "..") == 0 || (self && !l->whole) ||
	    fstatat(l->dir, name, &st, AT_SYMLINK_NOFOLLOW))
		return;
	if (l->whole && !self && !is_known(name, st.st_mode & S_IFMT))
		report_names_add(&l->strange, name);
	if (!S_ISLNK(st.st_mode) && is_open(l, &st))
		report_names_add(&l->open, name);
}

/* level: NULL for the whole. */
static int look_through(struct verify *v, const char *level, struct look *l)
{
	int dir = store_dir(v->store, level, false);
	struct dirent *entry;
	DIR *names;

	if (dir == -ENOENT || (level && (dir == -ELOOP || dir == -ENOTDIR)))
		return 0;
	if (dir < 0)
		return dir;
	l->dir = dir;
	names = fdopendir(openat(dir, ".", DIR_FLAGS));
	while (names && (entry = readdir(names)))
		look_at(l, entry->d_name);
	if (!names)
		dir = -errno;
	else
		closedir(names);
	close(l->dir);
	return dir < 0 ? dir : 0;
}

static int find_owner(struct verify *v, uid_t *out)
{
	int dir = store_dir(v->store, NULL, false);
	struct stat st;
	int err;

	if (dir < 0)
		return dir;
	err = fstat(dir, &st) ? -errno : 0;
	*out = st.st_uid;
	close(dir);
	return err;
}

static int check_dir(struct verify *v, enum report_level level, const char *dir, uid_t owner)
{
	struct look l = { .whole = !dir, .owner = owner };
	char where[64] = WHOLE;
	int err = look_through(v, dir, &l);

	if (err)
		return err;
	verify_say_names(v, "strange", N_LEVELS, &l.strange, WHOLE, "are none of the agent's");
	if (dir && level == N_LEVELS)
		snprintf(where, sizeof(where), "%s/", dir);
	verify_say_names(v, "open", level, &l.open, where,
			 "belong to others, or others may write to them");
	return 0;
}

int verify_dirs(struct verify *v)
{
	uid_t owner = 0;
	int err = find_owner(v, &owner);

	if (!err)
		err = check_dir(v, N_LEVELS, NULL, owner);
	for (enum report_level i = 0; !err && i < N_LEVELS; i++)
		err = check_dir(v, i, report_levels[i].dir, owner);
	if (!err)
		err = check_dir(v, N_LEVELS, CHECKPOINT_DIR, owner);
	if (!err)
		err = check_dir(v, N_LEVELS, REPORT_ANALYSIS_DIR, owner);
	return err ? err : check_checkpoints(v);
}
