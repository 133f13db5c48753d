/* SPDX-License-Identifier: MIT */
#include "cli/selftest.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "source/host.h"
#include "util/log.h"

#define NS_PER_S 1000000000ULL
#define PATIENCE_NS NS_PER_S
#define RETRY_NS (2 * NS_PER_S)

void selftest_init(struct selftest *t, selftest_record_fn fn, void *ctx)
{
	*t = (struct selftest){ .fn = fn, .ctx = ctx, .due = true };
}

/* Our own file by its name, so that the child is called as we are; by /proc when it was replaced meanwhile. */
static const char *own_path(char *path, size_t size)
{
	struct stat self, named;
	ssize_t len = readlink("/proc/self/exe", path, size - 1);

	if (len > 0 && stat("/proc/self/exe", &self) == 0) {
		path[len] = '\0';
		if (stat(path, &named) == 0 && named.st_dev == self.st_dev &&
		    named.st_ino == self.st_ino)
			return path;
	}
	return "/proc/self/exe";
}

static int spawn(pid_t *child)
{
	unsigned long long random = 0;
	char path[4096], nonce[20];
	char *argv[] = { (char *)(size_t) "linux-edr-bpf", (char *)(size_t)SELFTEST_COMMAND, nonce,
			 NULL };
	char *no_environment[] = { NULL };
	posix_spawnattr_t attr;
	sigset_t none, all;
	int err;

	/* For people who read the report: which of the tests this one was. */
	(void)!getrandom(&random, sizeof(random), GRND_NONBLOCK);
	snprintf(nonce, sizeof(nonce), "%016llx", random);
	err = posix_spawnattr_init(&attr);
	if (err)
		return -err;
	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &all);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	err = posix_spawn(child, own_path(path, sizeof(path)), NULL, &attr, argv, no_environment);
	posix_spawnattr_destroy(&attr);
	return -err;
}

void selftest_see(struct selftest *t, const struct edr_hdr *rec)
{
	if (rec->time_ns > t->stream_ns)
		t->stream_ns = rec->time_ns;
	/* A pid that was used before us cannot fool it: that record is older than the test. */
	if (t->waiting && rec->type == EDR_EXEC && rec->tgid == (edr_u32)t->child &&
	    rec->time_ns >= t->sent_ns)
		t->seen = true;
}

/* Up to then nothing can have been seen since the last time that this was told. */
static void tell_blind(struct selftest *t, edr_u64 until_ns)
{
	source_emit_blind(&t->scratch, t->stream_ns, t->blind_from_ns, until_ns,
			  "self-test: the exec of our own child was not seen", t->fn, t->ctx);
	t->blind_from_ns = until_ns;
}

static void start(struct selftest *t, edr_u64 now_ns)
{
	int err;

	t->due = false;
	if (t->unreaped)
		return; /* the last one hangs, stopped perhaps: no second one */
	err = spawn(&t->child);
	if (err) {
		if (!t->said_cannot_start)
			log_warn("selftest", "cannot start the self-test's child: %s",
				 strerror(-err));
		t->said_cannot_start = true;
		return;
	}
	t->said_cannot_start = false;
	t->unreaped = t->child;
	t->waiting = true;
	t->seen = false;
	t->sent_ns = now_ns;
}

static void pass(struct selftest *t)
{
	t->waiting = false;
	if (!t->blind)
		return;
	t->blind = false;
	tell_blind(t, t->sent_ns);
	log_info("selftest", "the source sees again, after %.1f s",
		 (double)(t->sent_ns - t->blind_since_ns) / 1e9);
}

static void miss(struct selftest *t, edr_u64 now_ns)
{
	t->waiting = false;
	if (!t->blind) {
		t->blind = true;
		t->blind_since_ns = t->blind_from_ns = t->sent_ns;
		log_error("selftest",
			  "blind: the exec of our own child was not seen within a second; the "
			  "report says so until one is seen");
	}
	tell_blind(t, now_ns);
	t->next_ns = now_ns + RETRY_NS;
}

void selftest_turn(struct selftest *t, edr_u64 now_ns)
{
	if (t->unreaped && waitpid(t->unreaped, NULL, WNOHANG) != 0)
		t->unreaped = 0;
	if (t->waiting && t->seen)
		pass(t);
	else if (t->waiting && now_ns >= t->sent_ns + PATIENCE_NS)
		miss(t, now_ns);
	if (t->blind && now_ns >= t->next_ns)
		t->due = true;
	if (t->due && !t->waiting)
		start(t, now_ns);
}

void selftest_close(struct selftest *t)
{
	if (t->blind)
		log_warn("selftest", "still blind at the end");
	buf_free(&t->scratch);
	t->due = t->waiting = t->blind = false;
}
