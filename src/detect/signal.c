/* SPDX-License-Identifier: MIT */
#include "detect/signal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "detect/decide.h"
#include "detect/inject_private.h"
#include "util/hash.h"

#define S 1000000000ll
#define MINUTE_NS (60 * S)
#define GRAVE 3
#define LOSS_NEAR_NS (60 * S)
#define BLIND_LEAST_NS (1 * (edr_u64)S)
#define PATH_BYTES 200 /* of each in details: together they fit into a finding */
#define LINE_BYTES 300
#define DETAILS_BYTES 2048
#define SUBJECT_BYTES 512 /* of each path in the key of a subject */

const struct detect_signal_desc detect_signals[DETECT_SIGNALS] = {
	{ "run-memfd", "a program ran from memory, without a file", "T1620",
	  "Find out which program made the memory file, and what it does.", 4, 2 },
	{ "run-deleted", "a program ran whose file is deleted", "T1070.004",
	  "Save the file from /proc/PID/exe before the process ends.", 4, 2 },
	{ "run-world-writable", "a program ran from a directory that all may write into", "T1036",
	  "Look at who wrote the file, and move what is legitimate elsewhere.", 3, 2 },
	{ "kernel-name", "a program poses as a thread of the kernel", "T1036.004",
	  "Look at the file behind the process; no program has need of such a name.", 4, 4 },
	{ "server-shell", "a shell or interpreter runs below a network server", "T1505.003",
	  "Look at what the server was asked at that time, and at the tree below the shell.", 4,
	  2 },
	{ "setuid-new", "a program ran with another's rights that never ran here before",
	  "T1548.001", "Look at where the file comes from, and who made it set-user-id.", 4, 2 },
	{ "failed-execs", "many programs were tried that are not there", "T1518",
	  "Look at what tries them: a program that looks for tools.", 2, 2 },
	{ "discovery", "many commands in a row that tell about the host", "T1082",
	  "Ask who was at work, and look at what came before.", 3, 2 },
	{ "new-connects", "a new program connects beyond this host", "T1071",
	  "Look at where the program comes from, and whom it talks to.", 4, 2 },
	{ "loss-during", "events were lost, or nothing was seen, near a grave finding", "T1562.006",
	  "Take the findings beside it for less than what happened.", 3, 0 },
	{ "prompt-injection", "a text speaks to a language model", "AML.T0051",
	  "Look at who ran it: nobody writes so by accident.", 4, 0 },
};

#define BIT(type) (1u << EDR_##type)

/* By rising cost: what a burst or text needs comes last. loss-during is not among them. */
static const struct signal {
	enum detect_signal is;
	unsigned types;
	unsigned (*decide)(struct look *l);
} signals[] = {
	{ DETECT_MEMFD, BIT(EXEC), decide_memfd },
	{ DETECT_DELETED, BIT(EXEC), decide_deleted },
	{ DETECT_WRITABLE_DIR, BIT(EXEC), decide_writable_dir },
	{ DETECT_KERNEL_NAME, BIT(EXEC), decide_kernel_name },
	{ DETECT_KERNEL_NAME, BIT(FORK) | BIT(CONNECT) | BIT(EXIT), decide_kernel_comm },
	{ DETECT_SERVER_SHELL, BIT(EXEC), decide_server_shell },
	{ DETECT_SETUID_NEW, BIT(EXEC), decide_setuid_new },
	{ DETECT_FAILED_EXECS, BIT(EXEC_FAILED), decide_failed_execs },
	{ DETECT_DISCOVERY, BIT(EXEC), decide_discovery },
	{ DETECT_NEW_CONNECTS, BIT(CONNECT), decide_new_connects },
	{ DETECT_INJECTION, BIT(EXEC) | BIT(EXEC_FAILED) | BIT(CONNECT), decide_injection },
};

/* ---- details ---- */

static void put_capped(struct buf *out, struct wire_span s, size_t most)
{
	const bool cut = s.len > most;

	buf_add(out, s.data, cut ? most : s.len);
	if (cut)
		buf_adds(out, "...");
}

/* The path that matters; of a connect, whom to. */
static void put_what(struct buf *out, const struct look *l)
{
	struct wire_addr to;

	if (l->rec->type == EDR_EXEC) {
		buf_adds(out, " started ");
		put_capped(out, l->exe, PATH_BYTES);
	} else if (l->rec->type == EDR_EXEC_FAILED) {
		const struct edr_exec_failed *r = (const void *)l->rec;

		buf_adds(out, " tried ");
		put_capped(out, wire_str(r, r->filename), PATH_BYTES);
	} else if (l->rec->type == EDR_CONNECT) {
		const struct edr_connect *r = (const void *)l->rec;

		buf_adds(out, " connects to ");
		wire_decode_sockaddr(wire_str(r, r->sockaddr), &to);
		wire_addr_text(&to, out);
	} else {
		buf_adds(out, " calls itself ");
		put_capped(out, decide_span(l->who ? l->who->comm : ""), sizeof(edr_comm));
	}
}

/* "/usr/sbin/nginx (uid 33) started /usr/bin/dash: sh -c id; kind: role; 2 times": raw bytes. */
static void put_details(struct buf *out, const struct look *l, edr_u64 times)
{
	const bool is_exec = l->rec->type == EDR_EXEC;
	const struct proc_entry *by = is_exec ? l->parent : l->who;

	buf_clear(out);
	put_capped(out, by && *by->exe ? decide_span(by->exe) : decide_span("?"), PATH_BYTES);
	if (l->who)
		buf_addf(out, " (uid %u)", l->who->uid);
	put_what(out, l);
	if (l->who && *l->who->cmdline) {
		buf_adds(out, is_exec ? ": " : ", of ");
		put_capped(out, decide_span(l->who->cmdline), LINE_BYTES);
	}
	if (l->note) {
		buf_adds(out, "; ");
		buf_adds(out, l->note);
	}
	if (times > 1)
		buf_addf(out, "; %llu times in this window", times);
}

/* ---- what comes of it ---- */

static struct wire_span parent_exe(const struct look *l)
{
	const struct proc_entry *e = l->rec->type == EDR_EXEC ? l->parent : NULL;

	return decide_span(e ? e->exe : "");
}

static edr_u64 subject_of(const struct look *l, enum detect_signal is)
{
	const struct wire_span parent = parent_exe(l);
	char key[(size_t)2 * SUBJECT_BYTES + 2 * sizeof(edr_u64)];
	const edr_u64 number[2] = { (edr_u64)is << 32 | parent.len, l->once };
	size_t at = sizeof(number), n;

	memcpy(key, number, sizeof(number));
	n = parent.len < SUBJECT_BYTES ? parent.len : SUBJECT_BYTES;
	memcpy(key + at, parent.data, n);
	at += n;
	n = l->subject.len < SUBJECT_BYTES ? l->subject.len : SUBJECT_BYTES;
	memcpy(key + at, l->subject.data, n);
	return decide_hash(l->d, (struct wire_span){ key, at + n });
}

/* On so many days before, from the same parent and path. */
static bool is_usual(const struct look *l, enum detect_signal is)
{
	const struct baseline_key key = { BASELINE_SIGNAL, parent_exe(l), l->subject, (edr_u64)is };
	const struct baseline_seen seen = baseline_note(l->d->cfg.baseline, &key, l->t);

	return seen.days - (seen.known && seen.last_day == l->t / (86400 * S)) >=
	       BASELINE_USUAL_DAYS;
}

static struct detect_finding *add(struct detect *d, struct detect_result *out,
				  enum detect_signal is, unsigned severity, edr_s64 t)
{
	const struct detect_signal_desc *s = &detect_signals[is];
	struct detect_finding *f = &d->finding[out->n++];

	*f = (struct detect_finding){ .id = decide_span(s->id),
				      .title = decide_span(s->title),
				      .technique = decide_span(s->technique),
				      .time_ns = t,
				      .severity = severity };
	d->stats.found[is]++;
	return f;
}

static void finish(struct detect *d, struct detect_finding *f, enum detect_signal is, edr_u64 times)
{
	const struct buf *text = &d->details[is];

	f->listed = times <= (is == DETECT_INJECTION ? 1 : DETECT_LISTED_EACH);
	d->stats.unlisted += !f->listed;
	f->details = (struct wire_span){ text->len ? text->data : "", text->len };
}

/* Grave things and loss near each other: the second of them finds it. */
static void find_loss(struct detect *d, edr_s64 t, edr_s64 window, struct detect_result *out)
{
	struct wire_span name = decide_span("loss-during");
	struct buf *text = &d->details[DETECT_LOSS];
	struct detect_finding *f;
	edr_s64 apart;

	if (!d->grave_ns || !d->lost_ns)
		return;
	apart = d->grave_ns > d->lost_ns ? d->grave_ns - d->lost_ns : d->lost_ns - d->grave_ns;
	if (apart > LOSS_NEAR_NS)
		return;
	buf_clear(text);
	buf_addf(text, "%lld s apart", apart / S);
	f = add(d, out, DETECT_LOSS, detect_signals[DETECT_LOSS].level, t);
	finish(d, f, DETECT_LOSS, subject_count(&d->subjects, decide_hash(d, name), window));
}

static void found(struct look *l, const struct signal *s, unsigned severity,
		  struct detect_result *out)
{
	const struct detect_signal_desc *desc = &detect_signals[s->is];
	struct detect *d = l->d;
	edr_u64 times;

	/* In any case, for it also notes. */
	if (desc->usual_level && is_usual(l, s->is))
		l->usual = true;
	if (l->usual && severity > desc->usual_level)
		severity = desc->usual_level;
	times = subject_count(&d->subjects, subject_of(l, s->is), l->window);
	put_details(&d->details[s->is], l, times);
	finish(d, add(d, out, s->is, severity, l->t), s->is, times);
	if (severity >= GRAVE)
		d->grave_ns = l->t;
}

/* The worst first; those of one severity keep their order. */
static void sort(struct detect_finding *f, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		const struct detect_finding x = f[i];
		size_t at = i;

		for (; at > 0 && f[at - 1].severity < x.severity; at--)
			f[at] = f[at - 1];
		f[at] = x;
	}
}

static bool is_loss(const struct edr_hdr *rec)
{
	if (rec->type == EDR_LOSS)
		return ((const struct edr_loss *)(const void *)rec)->dropped > 0;
	if (rec->type == EDR_BLIND) {
		const struct edr_blind *r = (const void *)rec;

		return r->to_ns > r->from_ns && r->to_ns - r->from_ns > BLIND_LEAST_NS;
	}
	return false;
}

static void look_at(struct look *l, struct detect_result *out)
{
	const edr_s64 grave = l->d->grave_ns;

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		unsigned severity;

		if (!(signals[i].types & 1u << l->rec->type))
			continue;
		l->subject = l->exe;
		l->once = 0;
		l->note = NULL;
		l->usual = false;
		severity = signals[i].decide(l);
		if (severity)
			found(l, &signals[i], severity, out);
	}
	if (l->d->grave_ns != grave)
		find_loss(l->d, l->t, l->window, out);
}

void detect_record(struct detect *d, const struct edr_hdr *rec, const struct proc_entry *who,
		   const struct proc_table *table, edr_s64 wall_offset_ns,
		   const struct baseline_found *known, struct detect_result *out)
{
	struct look l = { .d = d, .rec = rec, .who = who, .table = table, .known = known };

	*out = (struct detect_result){ .finding = d->finding };
	if (d->cfg.off || !wall_offset_ns)
		return;
	l.t = (edr_s64)(rec->time_ns + (edr_u64)wall_offset_ns);
	l.window = l.t / (MINUTE_NS * d->cfg.window_min);
	if (is_loss(rec)) {
		d->lost_ns = l.t;
		find_loss(d, l.t, l.window, out);
		return;
	}
	if (rec->type > EDR_CONNECT)
		return;
	l.exe = decide_span(who ? who->exe : "");
	if (who && table && (rec->type == EDR_EXEC || rec->type == EDR_EXEC_FAILED))
		l.parent = proc_parent(table, who);
	look_at(&l, out);
	sort(d->finding, out->n);
}

void detect_configure(struct detect *d, const struct detect_config *cfg)
{
	d->cfg = *cfg;
	if (!d->cfg.window_min)
		d->cfg.window_min = 1;
}

struct detect *detect_new(const struct detect_config *cfg)
{
	struct detect *d = calloc(1, sizeof(*d));

	if (d)
		detect_configure(d, cfg);
	return d;
}

void detect_free(struct detect *d)
{
	if (!d)
		return;
	inject_free(&d->inject);
	buf_free(&d->text);
	for (size_t i = 0; i < DETECT_SIGNALS; i++)
		buf_free(&d->details[i]);
	free(d);
}

size_t detect_most_bytes(void)
{
	/* The text, and its copies; a line of details for each signal. */
	return sizeof(struct detect) + (size_t)(INJECT_DEPTH + 3) * (EDR_ARGV_MAX + EDR_PATH_MAX) +
	       sizeof(struct inject_index) + inject_n_words * sizeof(uint16_t) +
	       (size_t)DETECT_SIGNALS * DETAILS_BYTES;
}

void detect_stats(const struct detect *d, struct detect_stats *out)
{
	*out = d->stats;
	out->subjects_full = d->subjects.full;
	out->bursts_evicted = d->bursts.evicted;
}
