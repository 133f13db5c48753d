/* SPDX-License-Identifier: MIT */
/* What a record shows, and what of it is new here. */
#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>

#include "detect/baseline.h"
#include "proc/proc.h"

#define PORTS_OF_CHANCE 32768 /* from here on the kernel gives them out: ip_local_port_range */

static struct wire_span span(const char *s)
{
	return (struct wire_span){ s, strlen(s) };
}

/* Where learning was over when it came first, it was in this window. */
static bool is_new(const struct baseline_seen *s)
{
	return !s->learning && (!s->known || s->here);
}

/* ---- exec ---- */

static unsigned marks_of(const struct baseline_seen *s)
{
	unsigned marks = 0;

	if (s->learning)
		return 0;
	if (is_new(s))
		return BASELINE_NEW;
	if (s->days < BASELINE_RARE_DAYS)
		marks |= BASELINE_RARE;
	if (s->days >= BASELINE_HOUR_DAYS && !s->hour)
		marks |= BASELINE_ODD_HOUR;
	return marks;
}

static void note_exec(struct baseline *b, const struct edr_exec *r, const struct proc_entry *who,
		      const struct proc_table *table, edr_s64 t, struct baseline_found *out)
{
	const struct proc_entry *parent = who && table ? proc_parent(table, who) : NULL;
	const struct wire_span exe = wire_str(r, r->exe);
	const struct baseline_key of_exe = { BASELINE_EXE, exe, { "", 0 }, 0 };
	const struct baseline_key of_user = { BASELINE_USER, exe, { "", 0 }, r->uid };
	struct baseline_key of_pair = { BASELINE_PAIR, { "", 0 }, exe, 0 };
	struct baseline_seen pair = { .known = true }, user;

	baseline_count_execs(b, t, 1);
	if (!exe.len)
		return;
	out->exe = baseline_note(b, &of_exe, t);
	user = baseline_note(b, &of_user, t);
	if (parent && *parent->exe) {
		of_pair.a = span(parent->exe);
		pair = baseline_note(b, &of_pair, t);
	}
	out->marks = marks_of(&out->exe);
	if (out->marks & BASELINE_NEW)
		return;
	if (is_new(&pair))
		out->marks |= BASELINE_NEW_PARENT;
	if (is_new(&user))
		out->marks |= BASELINE_NEW_USER;
}

/* ---- connect ---- */

/* The address as bytes, IPv4 within IPv6 as IPv4: its length, or 0 when it is none. */
static size_t address_of(const struct wire_addr *to, unsigned char out[16])
{
	static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };
	struct in6_addr six;

	if (to->family != AF_INET && to->family != AF_INET6)
		return 0;
	if (inet_pton(AF_INET, to->text, out) == 1)
		return 4;
	if (inet_pton(AF_INET6, to->text, &six) != 1)
		return 0;
	if (memcmp(&six, mapped, sizeof(mapped)) == 0) {
		memcpy(out, six.s6_addr + sizeof(mapped), 4);
		return 4;
	}
	memcpy(out, &six, 16);
	return 16;
}

static bool is_this_host(const unsigned char *address, size_t len)
{
	static const unsigned char one[16] = { [15] = 1 }, any[16];

	if (len == 4)
		return address[0] == 127 || memcmp(address, any, 4) == 0;
	return memcmp(address, one, 16) == 0 || memcmp(address, any, 16) == 0;
}

bool baseline_beyond(const struct wire_addr *to)
{
	unsigned char address[16];
	const size_t len = address_of(to, address);

	return len && !is_this_host(address, len);
}

bool baseline_destination(struct baseline_key *key, const struct wire_addr *to,
			  char network[BASELINE_NETWORK])
{
	unsigned char address[16];
	const size_t len = address_of(to, address);
	const size_t prefix = len == 4 ? 3 : 6;
	unsigned port = to->port;

	*key = (struct baseline_key){ .kind = BASELINE_DESTINATION,
				      .a = { "", 0 },
				      .b = { "", 0 } };
	if (to->family == AF_UNIX && to->text_len) {
		key->a = (struct wire_span){ to->text, to->text_len };
		return true;
	}
	if (!len)
		return false;
	if (is_this_host(address, len) && port >= PORTS_OF_CHANCE)
		port = PORTS_OF_CHANCE;
	memcpy(network, address, prefix);
	key->b = (struct wire_span){ network, prefix };
	key->number = (edr_u64)len << 16 | port;
	return true;
}

static void note_connect(struct baseline *b, const struct edr_connect *r,
			 const struct proc_entry *who, edr_s64 t, struct baseline_found *out)
{
	struct baseline_key key;
	struct baseline_seen seen;
	char network[BASELINE_NETWORK];
	struct wire_addr to;

	if (r->hdr.flags & EDR_F_ADDR_UNKNOWN)
		return;
	wire_decode_sockaddr(wire_str(r, r->sockaddr), &to);
	if (!baseline_destination(&key, &to, network))
		return;
	seen = baseline_note(b, &key, t);
	out->marks = marks_of(&seen);
	out->beyond = baseline_beyond(&to);
	if (!out->beyond || !who || !*who->exe)
		return;
	key = (struct baseline_key){ BASELINE_CONNECTS, span(who->exe), { "", 0 }, 0 };
	out->connects = baseline_note(b, &key, t);
}

/* ---- the whole ---- */

void baseline_record(struct baseline *b, const struct edr_hdr *rec, const struct proc_entry *who,
		     const struct proc_table *table, edr_s64 wall_offset_ns,
		     struct baseline_found *out)
{
	const edr_s64 t = (edr_s64)(rec->time_ns + (edr_u64)wall_offset_ns);

	*out = (struct baseline_found){ .exe = { .learning = true },
					.connects = { .learning = true } };
	if (!b || !wall_offset_ns)
		return;
	baseline_watched(b, t);
	if (rec->type == EDR_EXEC)
		note_exec(b, (const void *)rec, who, table, t, out);
	else if (rec->type == EDR_CONNECT)
		note_connect(b, (const void *)rec, who, t, out);
}
