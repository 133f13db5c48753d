// SPDX-License-Identifier: MIT
#include "source/host.h"

#include <ctype.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "source/clock.h"
#include "wire/build.h"

#define PROC_PID_INIT_INO 0xEFFFFFFCu /* include/linux/proc_ns.h: fixed for the initial namespace */

bool source_in_initial_pid_ns(void)
{
	struct stat st;

	return stat("/proc/self/ns/pid", &st) || st.st_ino == PROC_PID_INIT_INO;
}

edr_u32 source_self_tgid(void)
{
	return source_in_initial_pid_ns() ? (edr_u32)getpid() : 0;
}

size_t source_machine_id(char out[33])
{
	static const char *const paths[] = { "/etc/machine-id", "/var/lib/dbus/machine-id" };
	size_t i, n;

	for (i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		int fd = open(paths[i], O_RDONLY | O_CLOEXEC);
		ssize_t got;

		if (fd < 0)
			continue;
		got = read(fd, out, 32);
		close(fd);
		out[32] = '\0';
		for (n = 0; got == 32 && n < 32 && isxdigit((unsigned char)out[n]); n++)
			;
		if (got == 32 && n == 32)
			return 32;
	}
	out[0] = '\0';
	return 0;
}

#define STR(build, event, field, data, len) \
	wire_build_str(build, offsetof(struct event, field), data, len)

void source_emit_host(struct buf *scratch, const char *source, const char *hooks,
		      const struct buf *degraded, const char *agent, source_record_fn fn, void *ctx)
{
	struct edr_host host = { .hdr = { .time_ns = source_boot_ns() } };
	const struct edr_hdr *rec;
	struct wire_build b;
	struct utsname uts;
	char id[33];

	if (uname(&uts))
		memset(&uts, 0, sizeof(uts));
	buf_clear(scratch);
	wire_build_begin(&b, scratch, EDR_HOST, &host);
	STR(&b, edr_host, hostname, uts.nodename, strlen(uts.nodename));
	STR(&b, edr_host, machine_id, id, source_machine_id(id));
	STR(&b, edr_host, kernel, uts.release, strlen(uts.release));
	STR(&b, edr_host, arch, uts.machine, strlen(uts.machine));
	STR(&b, edr_host, source, source, strlen(source));
	STR(&b, edr_host, hooks, hooks, strlen(hooks));
	STR(&b, edr_host, degraded, degraded->data, degraded->len);
	STR(&b, edr_host, agent, agent, strlen(agent));
	rec = wire_build_end(&b);
	if (rec)
		fn(ctx, rec);
}

static void emit_fixed(struct buf *scratch, unsigned type, const void *fixed, source_record_fn fn,
		       void *ctx)
{
	const struct edr_hdr *rec;
	struct wire_build b;

	buf_clear(scratch);
	wire_build_begin(&b, scratch, type, fixed);
	rec = wire_build_end(&b);
	if (rec)
		fn(ctx, rec);
}

void source_emit_clock(struct buf *scratch, edr_u64 now_ns, edr_s64 wall_offset_ns,
		       enum edr_clock_why why, source_record_fn fn, void *ctx)
{
	struct edr_clock clock = { .hdr = { .time_ns = now_ns },
				   .wall_offset_ns = wall_offset_ns,
				   .why = why };

	emit_fixed(scratch, EDR_CLOCK, &clock, fn, ctx);
}

void source_emit_loss(struct buf *scratch, edr_u64 now_ns, unsigned type,
		      const struct edr_counters *delta, source_record_fn fn, void *ctx)
{
	struct edr_loss loss = { .hdr = { .time_ns = now_ns },
				 .produced = delta->produced,
				 .filtered = delta->filtered,
				 .dropped = delta->dropped,
				 .truncated = delta->truncated,
				 .of_type = type };

	if (delta->produced || delta->filtered || delta->dropped || delta->truncated)
		emit_fixed(scratch, EDR_LOSS, &loss, fn, ctx);
}

void source_emit_blind(struct buf *scratch, edr_u64 now_ns, edr_u64 from_ns, edr_u64 to_ns,
		       const char *reason, source_record_fn fn, void *ctx)
{
	const struct edr_blind blind = { .hdr = { .time_ns = now_ns },
					 .from_ns = from_ns,
					 .to_ns = to_ns };
	const struct edr_hdr *rec;
	struct wire_build b;

	buf_clear(scratch);
	wire_build_begin(&b, scratch, EDR_BLIND, &blind);
	STR(&b, edr_blind, reason, reason, strlen(reason));
	rec = wire_build_end(&b);
	if (rec)
		fn(ctx, rec);
}
