/* SPDX-License-Identifier: MIT */
#include "cli/redaction.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "report/report.h"
#include "util/log.h"

#define KEY_NAME "redact.key"
#define DIR_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
#define DAY_NS (86400 * 1000000000ll)

/* The directory `analysis` of the reports; made when it is not there. -errno. */
static int open_dir(const char *reports_dir, bool make)
{
	int reports = open(reports_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), dir;

	if (reports < 0)
		return -errno;
	if (make && mkdirat(reports, REPORT_ANALYSIS_DIR, 0700) && errno != EEXIST)
		dir = -errno;
	else
		dir = openat(reports, REPORT_ANALYSIS_DIR, DIR_FLAGS);
	if (dir == -1)
		dir = -errno;
	close(reports);
	return dir;
}

/* Of this host, in the reports directory; false: there is none. */
static bool own_key(const struct conf *conf, bool replay, unsigned char key[REDACT_KEY_BYTES])
{
	char err[256] = "";
	int dir = open_dir(conf->reports_dir, !replay), status = dir;

	if (dir >= 0) {
		status = redact_key_load(dir, KEY_NAME, !replay, key, err, sizeof(err));
		close(dir);
	}
	if (status && !(replay && status == -ENOENT))
		log_warn("run", "secrets will have no digits in their tags: %s",
			 *err ? err : strerror(-status));
	return !status;
}

int redaction_open(struct redact **out, const struct conf *conf, bool replay, char *err,
		   size_t err_size)
{
	unsigned char key[REDACT_KEY_BYTES];
	struct redact_config cfg = { .off = strcmp(conf->redact, "off") == 0,
				     .patterns_file = conf->redact_patterns };
	int status = 0;

	if (cfg.off)
		status = 0;
	else if (*conf->redact_key_file)
		status =
			redact_key_load(AT_FDCWD, conf->redact_key_file, false, key, err, err_size);
	if (status)
		return EX_CONFIG;
	if (!cfg.off && (*conf->redact_key_file || own_key(conf, replay, key)))
		cfg.key = key;
	status = redact_new(out, &cfg, err, err_size);
	explicit_bzero(key, sizeof(key));
	return status == -ENOMEM ? EX_OSERR : status ? EX_CONFIG : 0;
}

void redaction_tell_off(struct redaction_off *o, long long now_ns)
{
	const long long day = now_ns / DAY_NS;

	if (o->said_day && (!now_ns || o->said_day == day))
		return;
	/* Before the first clock record the day is not known: the next time is said again. */
	o->said_day = day ? day : 1;
	log_warn("run", "redact = off: passwords and tokens in arguments are kept, written and "
			"sent as they are");
}
