/* SPDX-License-Identifier: MIT */
#include "cli/learn.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "cell/view.h"
#include "cli/signals.h"
#include "detect/baseline.h"
#include "report/files.h"
#include "report/level.h"
#include "report/parent.h"
#include "util/log.h"
#include "util/mono.h"
#include "util/text.h"

#define MAX_DAYS 60		    /* of daily reports */
#define MAX_CELLS 400		    /* of days that have none: four of them */
#define MAX_FILE ((size_t)16 << 20) /* another configuration may have made it */

struct learn {
	struct baseline *b;
	struct report_store *store;
	edr_s64 known_ns; /* what happened up to then is known */
	edr_s64 daily_ns; /* end of the last day that has a report */
	edr_u64 until_ms;
	/* The newest first: read while there is time, learned in their order. */
	struct {
		struct cell *cell;
		enum report_level level;
	} read[MAX_DAYS + MAX_CELLS];
	size_t n_read, reports, left;
};

void learn_key(uint64_t key[2])
{
	/* Early at boot it waits; nothing is watched yet. */
	if (getrandom(key, 2 * sizeof(*key), 0) != (ssize_t)(2 * sizeof(*key)))
		key[0] = key[1] = 0;
}

/* ---- one report ---- */

static void learn_exe(struct learn *l, const struct cell_exe *e)
{
	struct baseline_key key = { BASELINE_EXE, e->name, { "", 0 }, 0 };

	if (!e->counts.runs || !e->name.len)
		return;
	baseline_learn(l->b, &key, e->first_ns, e->last_ns, e->counts.runs);
	key.kind = BASELINE_USER;
	for (size_t i = 0; i < e->users.n; i++) {
		key.number = (edr_u64)e->users.row[i].number;
		baseline_learn(l->b, &key, e->first_ns, e->last_ns, e->users.row[i].count);
	}
	key = (struct baseline_key){ BASELINE_PAIR, { "", 0 }, e->name, 0 };
	for (size_t i = 0; i < e->parents.n; i++) {
		key.a = e->parents.row[i].name;
		if (key.a.len)
			baseline_learn(l->b, &key, e->first_ns, e->last_ns,
				       e->parents.row[i].count);
	}
}

static void learn_connection(struct learn *l, const struct cell_connection *c)
{
	struct wire_addr to = { .family = c->family, .port = c->port };
	char network[BASELINE_NETWORK];
	struct baseline_key key;

	if (!c->connects || c->address.len >= sizeof(to.text))
		return;
	memcpy(to.text, c->address.data, c->address.len);
	to.text[c->address.len] = '\0';
	to.text_len = c->address.len;
	if (!baseline_destination(&key, &to, network))
		return;
	baseline_learn(l->b, &key, c->first_ns, c->last_ns, c->connects);
	key = (struct baseline_key){ BASELINE_CONNECTS, c->exe, { "", 0 }, 0 };
	if (c->exe.len && baseline_beyond(&to))
		baseline_learn(l->b, &key, c->first_ns, c->last_ns, c->connects);
}

static void learn_view(struct learn *l, const struct cell_view *v, enum report_level level)
{
	if (v->totals->last_ns <= l->known_ns)
		return;
	for (size_t i = 0; i < v->n_exes; i++)
		learn_exe(l, &v->exes[i]);
	for (size_t i = 0; i < v->n_connections; i++)
		learn_connection(l, &v->connections[i]);
	if (level == LEVEL_CELL)
		baseline_count_execs(l->b, v->totals->window_start_ns,
				     v->totals->type[EDR_EXEC].delivered);
	l->reports++;
}

/* One that is damaged teaches nothing: `report verify` names it. */
static void read_report(struct learn *l, enum report_level level, const char *id)
{
	struct buf text = { 0 };
	struct cell *cell = NULL;
	struct report_info info;
	int err = report_read(l->store, report_levels[level].dir, id, &text);

	if (!err)
		err = report_load(text.data, text.len, &cell, &info);
	buf_free(&text);
	if (err) {
		log_warn("run", "%s teaches the baseline nothing: %s", id, strerror(-err));
		cell_free(cell);
		return;
	}
	l->read[l->n_read].cell = cell;
	l->read[l->n_read++].level = level;
}

static void learn_cell(struct learn *l, struct cell *cell, enum report_level level)
{
	struct cell_view v;
	int err = cell_view_open(&v, cell);

	if (err) {
		log_warn("run", "a report teaches the baseline nothing: %s", strerror(-err));
	} else {
		learn_view(l, &v, level);
		cell_view_close(&v);
	}
	cell_free(cell);
}

/* ---- which reports ---- */

/* A cell's length is not in its name: no longer than a block. */
static edr_s64 end_of(enum report_level level, edr_s64 start_ns)
{
	return report_level_window(level == LEVEL_CELL ? LEVEL_BLOCK : level, start_ns, 0).end_ns;
}

/* Nothing is watched meanwhile, and whoever can make reports large could make it long. */
static bool is_over(const struct learn *l)
{
	return signals_stop() || (l->n_read && mono_now_ms() >= l->until_ms);
}

/* Those of the level that end after known_ns and begin from from_ns on, the last `most` of them. */
static void read_level(struct learn *l, enum report_level level, edr_s64 from_ns, size_t most)
{
	struct report_files files;
	edr_s64 start_ns;

	if (report_files_names(l->store, report_levels[level].dir, &files))
		return;
	for (size_t i = files.n; i > 0 && files.n - i < most; i--) {
		const char *id = files.file[i - 1].id;

		if (report_level_of_id(id, &start_ns) != level || start_ns < from_ns ||
		    end_of(level, start_ns) <= l->known_ns)
			continue;
		if (is_over(l))
			l->left++;
		else
			read_report(l, level, id);
	}
	report_files_free(&files);
}

static edr_s64 end_of_dailies(struct learn *l)
{
	struct report_files files;
	edr_s64 start_ns, end_ns = 0;

	if (report_files_names(l->store, report_levels[LEVEL_DAILY].dir, &files))
		return 0;
	for (size_t i = files.n; i > 0 && !end_ns; i--)
		if (report_level_of_id(files.file[i - 1].id, &start_ns) == LEVEL_DAILY)
			end_ns = end_of(LEVEL_DAILY, start_ns);
	report_files_free(&files);
	return end_ns;
}

static void learn_reports(struct learn *l)
{
	struct baseline_state state;

	/* A file is at most a run old: what is behind it are cells. */
	if (!l->known_ns)
		l->daily_ns = end_of_dailies(l);
	read_level(l, LEVEL_CELL, l->daily_ns, MAX_CELLS);
	if (!l->known_ns)
		read_level(l, LEVEL_DAILY, 0, MAX_DAYS);
	while (l->n_read > 0) {
		l->n_read--;
		learn_cell(l, l->read[l->n_read].cell, l->read[l->n_read].level);
	}
	baseline_state(l->b, 0, 0, &state);
	if (l->reports)
		log_info("run", "the baseline has learned from %zu reports: %zu things, %u days",
			 l->reports, state.entries, state.days);
	if (l->left)
		log_warn("run",
			 "there was no time for the baseline to learn from %zu older reports",
			 l->left);
}

/* ---- the file ---- */

static void read_file(struct learn *l, const char *dir, size_t max)
{
	struct baseline_state state;
	struct buf file = { 0 };
	int err = report_file_read(l->store, REPORT_ANALYSIS_DIR, LEARN_FILE,
				   max > MAX_FILE ? max : MAX_FILE, &file);

	if (!err)
		err = baseline_load(l->b, file.data, file.len);
	buf_free(&file);
	if (err && err != -ENOENT)
		log_warn("run", "%s/%s/%s is not used (%s): the baseline is learned again", dir,
			 REPORT_ANALYSIS_DIR, LEARN_FILE,
			 err == -EBADMSG ? "damaged" : strerror(-err));
	baseline_state(l->b, 0, 0, &state);
	l->known_ns = state.noted_ns;
}

void learn_baseline(struct baseline *b, const char *dir, size_t max, unsigned most_ms)
{
	struct learn l = { .b = b, .until_ms = mono_now_ms() + most_ms };
	struct buf shown = { 0 };
	char err[512];

	if (report_store_open_read(&l.store, dir, err, sizeof(err)) != 0) {
		log_warn("run", "the baseline begins empty: %s", err);
		return;
	}
	text_term(&shown, dir, strlen(dir));
	read_file(&l, shown.data ? shown.data : "", max);
	learn_reports(&l);
	buf_free(&shown);
	report_store_close(l.store);
}
