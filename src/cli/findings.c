/* SPDX-License-Identifier: MIT */
#include "cli/findings.h"

#include <errno.h>
#include <string.h>

#include "util/hash.h"
#include "util/log.h"
#include "util/text.h"

#define GRAVE 3
#define LINES_A_MINUTE \
	30 /* a flood of findings is in the reports, and must not be one of the log */
#define MINUTE_NS 60000000000ll

void findings_configure(struct findings *f, const struct conf *conf, struct baseline *baseline,
			bool replay)
{
	struct detect_config cfg = { .baseline = baseline,
				     .window_min = conf->report_interval,
				     .off = !conf->include_security_findings };

	f->quiet = replay;
	if (!replay) {
		cfg.key[0] = util_hash("findings", 8) << 32 | util_hash("subjects", 8);
		cfg.key[1] = util_hash("signals", 7) << 32 | util_hash("bursts", 6);
	}
	detect_configure(f->detect, &cfg);
}

int findings_open(struct findings *f, const struct conf *conf, struct baseline *baseline,
		  bool replay)
{
	static const struct detect_config none = { .off = true };

	memset(f, 0, sizeof(*f));
	f->detect = detect_new(&none);
	if (!f->detect)
		return -ENOMEM;
	findings_configure(f, conf, baseline, replay);
	return 0;
}

void findings_close(struct findings *f)
{
	detect_free(f->detect);
	f->detect = NULL;
}

static void say(struct findings *f, const struct detect_finding *d)
{
	struct buf text = { 0 };

	if (d->time_ns / MINUTE_NS != f->minute) {
		f->minute = d->time_ns / MINUTE_NS;
		f->said = 0;
	}
	if (++f->said > LINES_A_MINUTE) {
		f->unsaid++;
		return;
	}
	text_term(&text, d->details.data, d->details.len);
	log_warn("detect", "severity %u: %.*s: %.*s (%.*s): %s", d->severity, (int)d->id.len,
		 d->id.data, (int)d->title.len, d->title.data, (int)d->technique.len,
		 d->technique.data, text.len && !text.failed ? text.data : "");
	buf_free(&text);
}

static void put(struct cells *cells, const struct detect_finding *d)
{
	const struct cell_finding found = { .id = d->id,
					    .title = d->title,
					    .details = d->details,
					    .technique = d->technique,
					    .time_ns = d->time_ns,
					    .severity = d->severity };

	/* Without memory for its texts it is counted all the same. */
	if (d->listed)
		cells_add_finding(cells, &found);
	else
		cells_count_finding(cells, d->severity);
}

void findings_record(struct findings *f, const struct edr_hdr *rec, const struct proc_entry *who,
		     const struct proc_table *table, const struct baseline_found *known,
		     struct cells *cells, struct cells *deltas)
{
	struct detect_result result;

	detect_record(f->detect, rec, who, table, cells_wall_offset(cells), known, &result);
	for (size_t i = 0; i < result.n; i++) {
		put(cells, &result.finding[i]);
		if (deltas)
			put(deltas, &result.finding[i]);
		if (!f->quiet && result.finding[i].listed && result.finding[i].severity >= GRAVE)
			say(f, &result.finding[i]);
	}
}

void findings_tell(struct findings *f)
{
	if (f->unsaid)
		log_warn("detect", "%llu more findings are in the reports only: see `report show`",
			 f->unsaid);
	f->unsaid = 0;
}
