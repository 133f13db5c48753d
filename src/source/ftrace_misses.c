// SPDX-License-Identifier: MIT
#include "source/ftrace_misses.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "source/ftrace_format.h"

/*
 * What a record of its own depends on. The connect itself is told without its return, the result as
 * not known; an exec that failed is told by its return alone. Before 5.14 a probe at `entry`, which reads
 * what the caller may not have mapped, counts each fault of that as a miss, and so does the return's at the
 * same function: what both have is none of the return's.
 */
static const struct {
	const char *probe, *entry;
	unsigned lost_as;
} rows[] = {
	{ "connect_ret", "connect", EDR_CONNECT_RESULT },
	{ "connect_file", NULL, EDR_CONNECT },
	{ "execve_ret", "execve", EDR_EXEC_FAILED },
	{ "execveat_ret", "execveat", EDR_EXEC_FAILED },
	{ "execve32_ret", NULL, EDR_EXEC_FAILED },
	{ "execveat32_ret", NULL, EDR_EXEC_FAILED },
};
#define N_ROWS (sizeof(rows) / sizeof(rows[0]))
_Static_assert(N_ROWS <= FT_MISSES, "more rows than struct ft_misses has room for");

struct found {
	edr_u64 missed[N_ROWS], at_entry[N_ROWS];
};

static void find(struct found *f, const char *probe, edr_u64 missed)
{
	size_t i;

	for (i = 0; i < N_ROWS; i++) {
		if (!strcmp(rows[i].probe, probe))
			f->missed[i] = missed;
		else if (rows[i].entry && !strcmp(rows[i].entry, probe))
			f->at_entry[i] = missed;
	}
}

static void add(struct ft_misses *m, const struct found *f, struct edr_counters *count)
{
	edr_u64 missed;
	size_t i;

	for (i = 0; i < N_ROWS; i++) {
		missed = f->missed[i] > f->at_entry[i] ? f->missed[i] - f->at_entry[i] : 0;
		if (missed <= m->told[i])
			continue;
		count[rows[i].lost_as].produced += missed - m->told[i];
		count[rows[i].lost_as].dropped += missed - m->told[i];
		m->told[i] = missed;
	}
}

/* "  connect_ret      12     3": its name, hits, misses. NULL: none. */
static const char *take_profile(char *line, edr_u64 *missed)
{
	char *rest, *name = strtok_r(line, " ", &rest);
	const char *hits = name ? strtok_r(NULL, " ", &rest) : NULL;
	const char *misses = hits ? strtok_r(NULL, " ", &rest) : NULL;

	*missed = misses ? strtoull(misses, NULL, 10) : 0;
	return misses ? name : NULL;
}

/* "r512:linux_edr/connect_ret __sys_connect ret=$retval:s32": is it ours, of that name? */
static bool is_ours(const struct ft_misses *m, const char *definition, const char *name)
{
	const char *at = definition ? strchr(definition, ':') : NULL;
	char ours[64];

	snprintf(ours, sizeof(ours), ":%s/%s ", m->group ? m->group : FTRACE_GROUP, name);
	return at && !strncmp(at, ours, strlen(ours));
}

/* The profile has no groups: its lines are those of the definitions, in the same order. */
void ft_misses_parse(struct ft_misses *m, char *events, char *profile, struct edr_counters *count)
{
	char *events_rest, *profile_rest;
	char *definition = strtok_r(events, "\n", &events_rest);
	char *line = strtok_r(profile, "\n", &profile_rest);
	struct found f = { 0 };
	const char *name;
	edr_u64 missed;

	while (definition && line) {
		name = take_profile(line, &missed);
		if (name && missed && is_ours(m, definition, name))
			find(&f, name, missed);
		definition = strtok_r(NULL, "\n", &events_rest);
		line = strtok_r(NULL, "\n", &profile_rest);
	}
	add(m, &f, count);
}

void ft_misses_read(struct ft_misses *m, const struct ft_fs *fs, struct edr_counters *count)
{
	struct buf events = { 0 }, profile = { 0 };

	m->group = fs->group;
	if (!ft_fs_read(fs->root_dir, "kprobe_profile", &profile) && profile.len &&
	    !ft_fs_read(fs->root_dir, "kprobe_events", &events) && events.len)
		ft_misses_parse(m, events.data, profile.data, count);
	buf_free(&events);
	buf_free(&profile);
}
