/* SPDX-License-Identifier: MIT */
/*
 * What the launcher and its workers give up: descriptors, ids, capabilities, limits, privileges to
 * come.
 */
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "client/client.h"
#include "client/filter.h"

#define LAST_CAP 63
#define NICE 10

static int drop_descriptors(void)
{
	struct rlimit files;

#ifdef SYS_close_range
	if (syscall(SYS_close_range, CLIENT_FD + 1, ~0u, 0) == 0)
		return 0;
#endif
	if (getrlimit(RLIMIT_NOFILE, &files) != 0)
		return -1;
	for (unsigned fd = CLIENT_FD + 1; fd < files.rlim_cur && fd < 1u << 20; fd++)
		close((int)fd);
	return 0;
}

/* While we still may: what is not in it never comes back, whatever is executed. */
static void drop_bounding_set(void)
{
	for (unsigned long cap = 0; cap <= LAST_CAP; cap++)
		if (prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 1)
			prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
}

/* Who may not, keeps what the agent has; so does who is in a user namespace that has no such id. */
static int change_ids(uid_t uid, gid_t gid, bool *kept)
{
	if (setgroups(0, NULL) == 0 && setresgid(gid, gid, gid) == 0 &&
	    setresuid(uid, uid, uid) == 0)
		return 0;
	*kept = true;
	return errno == EPERM || errno == EINVAL ? 0 : -1;
}

static int drop_capabilities(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { 0 };

	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	return (int)syscall(SYS_capset, &header, none);
}

static int set_limits(void)
{
	static const struct {
		int resource;
		rlim_t most;
	} limits[] = {
		{ RLIMIT_CORE, 0 },
		{ RLIMIT_NOFILE, 32 },
		{ RLIMIT_FSIZE, 0 },
		{ RLIMIT_MEMLOCK, 0 },
		{ RLIMIT_MSGQUEUE, 0 },
#ifndef __SANITIZE_ADDRESS__ /* which reserves terabytes */
		{ RLIMIT_AS, (rlim_t)256 << 20 },
#endif
	};

	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		const struct rlimit limit = { limits[i].most, limits[i].most };

		if (setrlimit((__rlimit_resource_t)limits[i].resource, &limit) != 0)
			return -1;
	}
	setpriority(PRIO_PROCESS, 0, NICE); /* as good as it goes */
	return 0;
}

/* A change of ids clears both: behind all that. */
static int give_up_the_rest(void)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
		return -1;
	return prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
}

enum client_step lock_down(uid_t uid, gid_t gid, struct client_wire_hello *hello)
{
	bool kept = false;
	int err;

	if (drop_descriptors() != 0)
		return CLIENT_STEP_DESCRIPTORS;
	drop_bounding_set();
	if (change_ids(uid, gid, &kept) != 0)
		return CLIENT_STEP_IDS;
	hello->kept_ids = kept;
	if (drop_capabilities() != 0)
		return CLIENT_STEP_CAPABILITIES;
	err = http_prepare();
	if (!err) {
		if (set_limits() != 0)
			return CLIENT_STEP_LIMITS;
		if (give_up_the_rest() != 0)
			return CLIENT_STEP_NEW_PRIVILEGES;
		err = filter_launcher();
	} else {
		errno = -err;
		return CLIENT_STEP_LIBRARIES;
	}
	errno = -err;
	return err ? CLIENT_STEP_FILTER : CLIENT_STEP_NONE;
}

int lock_worker(void)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0)
		return -errno;
	return filter_worker();
}
