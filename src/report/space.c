/* SPDX-License-Identifier: MIT */
#include "report/space.h"

#include <errno.h>
#include <string.h>

#include "report/reserve.h"
#include "util/log.h"
#include "util/mono.h"

#define HOUR_NS (3600 * 1000000000LL)
#define TRY_MS 60000   /* between looks for what could go from a full disk */
#define SAY_MS 3600000 /* between sentences about one where nothing can */

/* Has it been that long since *at_ms? From now on it counts anew. */
static bool is_time(unsigned long long *at_ms, unsigned long long ms)
{
	const unsigned long long now = mono_now_ms();

	if (*at_ms && now - *at_ms < ms)
		return false;
	*at_ms = now ? now : 1;
	return true;
}

static void reserve(struct space *s)
{
	const int err = report_reserve_make(s->store);

	if (err == -EEXIST && s->reserved)
		log_warn("report",
			 "%s/" RESERVE_FILE
			 " is not a file of this program: remove it, for without "
			 "its own no report can go from a disk that is full to the last byte",
			 s->shown);
	else if (err && s->reserved)
		log_warn("report",
			 "there is no reserve in %s (%s): when this disk is full to the last byte, "
			 "no report can go before somebody frees some room",
			 s->shown, strerror(-err));
	s->reserved = !err;
}

void space_open(struct space *s, struct report_store *store, struct heads *heads, const char *shown,
		const struct retain_config *retain)
{
	*s = (struct space){ .store = store, .heads = heads, .shown = shown };
	s->retains = retain != NULL;
	if (!retain)
		return;
	s->retain = *retain;
	s->reserved = true; /* so that it is said when it cannot be */
	reserve(s);
}

static int run(struct space *s, struct retain_totals *done)
{
	const int err = report_retain(s->store, s->heads, &s->retain, s->now_ns, done);

	if (done->removed)
		log_info("report", "%zu old reports are removed, %llu bytes", done->removed,
			 done->freed);
	if (done->packed)
		log_debug("report", "%zu cells are packed, %lld bytes less", done->packed,
			  done->saved_bytes);
	return err;
}

void space_hourly(struct space *s, edr_s64 now_ns)
{
	struct retain_totals done;
	int err;

	s->now_ns = now_ns;
	if (!s->retains || now_ns / HOUR_NS == s->hour)
		return;
	s->hour = now_ns / HOUR_NS;
	err = run(s, &done);
	if (err)
		log_warn("report", "old reports in %s cannot be removed or packed: %s", s->shown,
			 strerror(-err));
	reserve(s);
}

static void say_full(struct space *s, int err)
{
	if (!is_time(&s->said_at_ms, SAY_MS))
		return;
	if (!err)
		log_warn(
			"report",
			"the disk of %s is full, and none of its reports may go by keep_*_days and "
			"max_reports_mb: free some room there, or lower these",
			s->shown);
	else if (report_disk_full(err))
		log_warn("report",
			 "the disk of %s is full, and so it cannot be noted which old reports go: "
			 "free a megabyte there",
			 s->shown);
	else
		log_warn("report", "the disk of %s is full, and old reports cannot be removed: %s",
			 s->shown, strerror(-err));
}

bool space_make(struct space *s, int err)
{
	struct retain_totals done;

	if (!s->retains || !report_disk_full(err) || !is_time(&s->full_at_ms, TRY_MS))
		return false;
	err = run(s, &done);
	/* What was freed is for the reports first. */
	s->reserved = false;
	s->reserve_at_ms = 0;
	if (done.removed || done.packed)
		return true;
	say_full(s, err);
	return false;
}

void space_idle(struct space *s)
{
	if (s->retains && !s->reserved && is_time(&s->reserve_at_ms, TRY_MS))
		reserve(s);
}
