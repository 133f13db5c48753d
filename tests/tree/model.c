/* SPDX-License-Identifier: MIT */
#include "model.h"

#include <string.h>

#include "names.h"

#define NS 1000000000LL

static const char *const type_names[EDR_TYPE_MAX] = {
#define EDR_EVENT(number, NAME, name, ring, group, programs) [number] = #name,
#include "edr/events.def"
};

static bool is_event(unsigned type)
{
	return type < EDR_CGROUP;
}

/* ---- the line of a closed cell ---- */

static void put_string(FILE *out, const char *s, size_t len)
{
	size_t i;

	putc('"', out);
	for (i = 0; i < len; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c < ' ' || c > '~' || c == '"' || c == '\\')
			fprintf(out, "\\u%04x", c);
		else
			putc(c, out);
	}
	putc('"', out);
}

static void put_key(FILE *out, enum tally t, unsigned i)
{
	char text[960];
	size_t len;

	switch (t) {
	case TALLY_LINE:
		/* "exe NUL argv[0] NUL argv[1] NUL ..." */
		len = strlen(name_at(i / N_VARIANTS)->exe) + 1;
		memcpy(text, name_at(i / N_VARIANTS)->exe, len);
		put_string(out, text, len + name_argv(i / N_VARIANTS, i % N_VARIANTS, text + len));
		break;
	case TALLY_FAILED:
		put_string(out, name_at(i)->exe, strlen(name_at(i)->exe));
		break;
	case TALLY_USER:
		fprintf(out, "\"%u\"", users[i]);
		break;
	case TALLY_ADDRESS:
		fprintf(out, "\"10.0.%u.%u:%u\"", i / 8, i, 8000 + i);
		break;
	case TALLY_SYSCALL:
		fprintf(out, "\"%s\"", syscall_names[i]);
		break;
	case TALLY_CONTAINER:
		fprintf(out, "\"%s\"", container_ids[i]);
		break;
	default:
		fprintf(out, "\"%u\"", i);
		break;
	}
}

static void put_tally(struct model *m, enum tally t)
{
	static const char *const names[N_TALLIES] = { "line",	 "user",    "status",
						      "signal",	 "error",   "failed",
						      "address", "syscall", "container" };
	unsigned i, key;

	fprintf(m->out, ", \"%s\": {", names[t]);
	for (i = 0; i < m->n_touched[t]; i++) {
		key = m->touched[t][i];
		if (i)
			fputs(", ", m->out);
		put_key(m->out, t, key);
		fprintf(m->out, ": %u", m->tally[t][key]);
		m->tally[t][key] = 0;
	}
	m->n_touched[t] = 0;
	putc('}', m->out);
}

static void put_types(struct model *m)
{
	const char *comma = "";
	unsigned t;

	fputs(", \"types\": {", m->out);
	for (t = 1; t < EDR_TYPE_MAX && is_event(t); t++) {
		const struct edr_counters *c = &m->counted[t];

		if (!type_names[t])
			continue;
		fprintf(m->out, "%s\"%s\": [%llu, %llu, %llu, %llu, %llu]", comma, type_names[t],
			m->delivered[t], c->produced, c->filtered, c->dropped, c->truncated);
		comma = ", ";
	}
	putc('}', m->out);
}

static void close_cell(struct model *m, edr_s64 boot_ns)
{
	edr_s64 end_boot_ns = m->end_ns - m->offset_ns;
	unsigned t;

	m->open = false;
	m->had_window = true;
	m->last_end_ns = m->end_ns;
	m->last_boot_ns = end_boot_ns < boot_ns ? end_boot_ns : boot_ns;
	if (m->last_boot_ns < m->from_boot_ns)
		m->last_boot_ns = m->from_boot_ns;
	if (m->blind_to_ns > m->blind_from_ns)
		m->blind_ns += (edr_u64)(m->blind_to_ns - m->blind_from_ns);
	fprintf(m->out,
		"{\"run\": %u, \"start\": %lld, \"end\": %lld, \"watched_ns\": %lld, \"skipped\": "
		"%llu, "
		"\"late\": %llu, \"steps\": %llu, \"blind_ns\": %llu, \"blind_before_ns\": %llu, "
		"\"cpu_ns\": %llu, \"bpf_ns\": %llu",
		m->run, m->start_ns / NS, m->end_ns / NS, m->last_boot_ns - m->from_boot_ns,
		m->skipped, m->late, m->steps, m->blind_ns, m->blind_before_ns, m->cpu_ns,
		m->bpf_ns);
	put_types(m);
	for (t = 0; t < N_TALLIES; t++)
		put_tally(m, (enum tally)t);
	fputs("}\n", m->out);
	memset(m->delivered, 0, sizeof(m->delivered));
	memset(m->counted, 0, sizeof(m->counted));
	m->late = m->steps = m->skipped = m->blind_ns = m->blind_before_ns = 0;
	m->cpu_ns = m->bpf_ns = 0;
	m->blind_from_ns = m->blind_to_ns = 0;
}

/* ---- windows ---- */

/* Intervals come in the order of time and do not overlap, but for one that touches the one before. */
static void enter_blind(struct model *m, edr_s64 from_ns, edr_s64 to_ns)
{
	if (from_ns < m->start_ns)
		from_ns = m->start_ns;
	if (to_ns > m->end_ns)
		to_ns = m->end_ns;
	if (from_ns >= to_ns)
		return;
	if (m->blind_to_ns > m->blind_from_ns && from_ns <= m->blind_to_ns) {
		m->blind_to_ns = to_ns > m->blind_to_ns ? to_ns : m->blind_to_ns;
		return;
	}
	m->blind_ns += (edr_u64)(m->blind_to_ns - m->blind_from_ns);
	m->blind_from_ns = from_ns;
	m->blind_to_ns = to_ns;
}

static void open_cell(struct model *m, edr_s64 boot_ns)
{
	const edr_s64 interval = m->interval_s * NS, now = boot_ns + m->offset_ns;

	m->open = true;
	m->start_ns = now - now % interval;
	m->end_ns = m->start_ns + interval;
	m->begin_boot_ns = m->start_ns - m->offset_ns;
	if (m->had_window && m->begin_boot_ns < m->last_boot_ns)
		m->begin_boot_ns = m->last_boot_ns;
	m->from_boot_ns = m->had_window ? m->begin_boot_ns : boot_ns;
	if (m->had_window && m->start_ns > m->last_end_ns)
		m->skipped = (edr_u64)((m->start_ns - m->last_end_ns) / interval);
	enter_blind(m, m->ahead_from_ns, m->ahead_to_ns);
}

static void clock_record(struct model *m, const struct edr_clock *r)
{
	const edr_s64 boot_ns = (edr_s64)r->hdr.time_ns, by = r->wall_offset_ns - m->offset_ns;
	const edr_s64 now = boot_ns + r->wall_offset_ns;

	if (r->why == EDR_CLOCK_START) {
		model_end(m);
		m->run++;
	} else if (m->open && (by >= NS || by <= -NS)) {
		m->steps++;
		if (now >= m->end_ns || now < m->start_ns - (m->end_ns - m->start_ns))
			close_cell(m, boot_ns);
	}
	m->have_clock = true;
	m->offset_ns = r->wall_offset_ns;
}

static void blind_record(struct model *m, const struct edr_blind *r)
{
	const edr_s64 from = (edr_s64)r->from_ns + m->offset_ns,
		      to = (edr_s64)r->to_ns + m->offset_ns;

	if (to > m->ahead_to_ns) {
		m->ahead_from_ns = from;
		m->ahead_to_ns = to;
	}
	if (!m->open)
		return;
	enter_blind(m, from, to);
	if (from < m->start_ns)
		m->blind_before_ns += (edr_u64)((to < m->start_ns ? to : m->start_ns) - from);
}

void model_record(void *model, const struct edr_hdr *rec)
{
	struct model *m = model;
	const edr_s64 boot_ns = (edr_s64)rec->time_ns;

	if (rec->type == EDR_CLOCK)
		clock_record(m, (const struct edr_clock *)(const void *)rec);
	else if (rec->type == EDR_BLIND)
		blind_record(m, (const struct edr_blind *)(const void *)rec);
	if (!m->have_clock)
		return;
	if (m->open && boot_ns + m->offset_ns >= m->end_ns)
		close_cell(m, boot_ns);
	if (!m->open)
		open_cell(m, boot_ns);
	if (boot_ns > m->now_boot_ns)
		m->now_boot_ns = boot_ns;
	if (is_event(rec->type) && boot_ns < m->begin_boot_ns)
		m->late++;
	m->delivered[rec->type]++;
	if (rec->type == EDR_COST) {
		const struct edr_cost *r = (const struct edr_cost *)(const void *)rec;

		m->cpu_ns += r->user_ns + r->system_ns;
		m->bpf_ns += r->bpf_ns;
	}
	if (rec->type == EDR_LOSS) {
		const struct edr_loss *r = (const struct edr_loss *)(const void *)rec;
		struct edr_counters *c = &m->counted[r->of_type];

		c->produced += r->produced;
		c->filtered += r->filtered;
		c->dropped += r->dropped;
		c->truncated += r->truncated;
	}
}

void model_count(struct model *m, enum tally t, unsigned key)
{
	if (m->tally[t][key]++ == 0)
		m->touched[t][m->n_touched[t]++] = key;
}

void model_end(struct model *m)
{
	if (m->open)
		close_cell(m, m->now_boot_ns);
	m->have_clock = m->had_window = false;
	m->now_boot_ns = m->ahead_from_ns = m->ahead_to_ns = 0;
}
