/* SPDX-License-Identifier: MIT */
#include "analyze/verdicts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analyze/duty_private.h"
#include "report/files.h"

#define INTERVAL_MIN 240 /* only a cell's window depends on it, and a cell has nothing below */

struct verdict {
	char id[CHAIN_ID_MAX];
	enum report_level level;
	edr_s64 start_ns;
	unsigned severity;
};

int verdicts_load(struct verdicts *v, struct report_store *s, const struct chain_key *key)
{
	struct chain_key of_verdicts;
	struct report_files files;
	int err;

	memset(v, 0, sizeof(*v));
	err = report_files_names(s, REPORT_ANALYSIS_DIR, &files);
	if (err)
		return err;
	v->verdict = calloc(files.n + 1, sizeof(*v->verdict));
	duty_verdict_key(&of_verdicts, key);
	for (size_t i = 0; v->verdict && i < files.n; i++) {
		struct verdict *one = &v->verdict[v->n];

		snprintf(one->id, sizeof(one->id), "%s", files.file[i].id);
		one->level = report_level_of_id(one->id, &one->start_ns);
		one->severity = one->level == N_LEVELS
					? 0
					: duty_verdict_severity(s, one->id, NULL, &of_verdicts);
		v->n += one->severity > 0;
	}
	chain_key_wipe(&of_verdicts);
	report_files_free(&files);
	return v->verdict ? 0 : -ENOMEM;
}

void verdicts_free(struct verdicts *v)
{
	free(v->verdict);
	memset(v, 0, sizeof(*v));
}

unsigned verdicts_severity(const struct verdicts *v, enum report_level level, const char *id)
{
	struct report_window w = { 0 };
	unsigned worst = 0;
	edr_s64 start_ns;

	if (report_level_of_id(id, &start_ns) == level && level > LEVEL_CELL && level < N_LEVELS)
		w = report_level_window(level, start_ns, INTERVAL_MIN);
	for (size_t i = 0; i < v->n; i++) {
		const struct verdict *one = &v->verdict[i];
		const bool below = one->level < level && one->start_ns >= w.start_ns &&
				   one->start_ns < w.end_ns;

		if ((below || strcmp(one->id, id) == 0) && one->severity > worst)
			worst = one->severity;
	}
	return worst;
}

/* "": it has none. */
static void read_digest(struct report_store *s, enum report_level level, const char *id,
			char out[CHAIN_HEX])
{
	struct chain_link link = { .number = 0 };
	struct buf text = { 0 };

	if (report_read(s, report_levels[level].dir, id, &text) == 0)
		chain_read(text.data ? text.data : "", text.len, &link);
	memcpy(out, link.sha256, CHAIN_HEX);
	buf_free(&text);
}

int verdicts_check(struct report_store *s, const struct chain_key *key, verdicts_say_fn say,
		   void *ctx)
{
	struct chain_key of_verdicts;
	struct report_files files;
	char sha256[CHAIN_HEX];
	int err = report_files_names(s, REPORT_ANALYSIS_DIR, &files);

	if (err)
		return err;
	duty_verdict_key(&of_verdicts, key);
	for (size_t i = 0; i < files.n; i++) {
		const char *id = files.file[i].id;
		edr_s64 start_ns;
		const enum report_level level = report_level_of_id(id, &start_ns);

		/* One whose report is gone goes too, within a day. */
		if (level == N_LEVELS || !report_is_there(s, report_levels[level].dir, id))
			continue;
		read_digest(s, level, id, sha256);
		if (!duty_verdict_severity(s, id, NULL, &of_verdicts))
			say(ctx, level, id, true);
		else if (!duty_verdict_severity(s, id, sha256, &of_verdicts))
			say(ctx, level, id, false);
	}
	chain_key_wipe(&of_verdicts);
	report_files_free(&files);
	return 0;
}
