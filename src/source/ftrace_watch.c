// SPDX-License-Identifier: MIT
#include "source/ftrace_watch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "util/log.h"

static const struct watched {
	const char *file, *wrong;
	const char *must; /* NULL: as it was found */
} files[] = {
	{ "tracing_on", "has been switched off", "1\n" },
	{ "set_event_pid", "has been limited to some processes", "" },
	{ "set_event_notrace_pid", "has been limited to some processes", "" },
	{ "tracing_cpumask", "has been limited to some CPUs", NULL },
	{ "trace_clock", "has been given another clock", NULL },
	{ "buffer_size_kb", "has got buffers of another size", NULL },
	{ "buffer_subbuf_size_kb", "has got pages of another size", NULL },
	{ "options/overwrite", "has been told to overwrite what nobody has read yet", NULL },
	{ "current_tracer", "has got a tracer", NULL },
};
_Static_assert(sizeof(files) / sizeof(files[0]) == FT_WATCHED, "struct ft_watch has other rows");

/* Nothing when this kernel does not have it: all of them are optional but the first. */
static void read_start(int dir, const char *file, char out[FT_WATCHED_BYTES])
{
	int fd = openat(dir, file, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, out, FT_WATCHED_BYTES - 1);

	out[n > 0 ? n : 0] = '\0';
	if (fd >= 0)
		close(fd);
}

static void watch_path(const struct ft_watch *w, const char *path, edr_u32 kind)
{
	if (w->inotify >= 0 && inotify_add_watch(w->inotify, path, IN_MODIFY | kind) < 0)
		log_debug("source", "ftrace: %s is not watched: %s", path, strerror(errno));
}

static void watch_dir(const struct ft_watch *w, const struct ft_fs *fs, int i, const char *below)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/instances/%s/%s", fs->root, ft_fs_name(i), below);
	watch_path(w, path, IN_ONLYDIR);
}

static void hold_dir(struct ft_watch *w, const struct ft_fs *fs, int i, const char *below)
{
	const int fd = openat(fs->dir[i], below, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0 && w->n_dirs < sizeof(w->dirs) / sizeof(w->dirs[0]))
		w->dirs[w->n_dirs++] = fd;
	else if (fd >= 0)
		close(fd);
	watch_dir(w, fs, i, below);
}

static void watch_events(struct ft_watch *w, const struct ft_fs *fs, const struct ft_granted *g)
{
	enum ft_instance in = FT_INSTANCE_EXEC;
	char path[128];
	size_t at = 0;

	while ((at = ft_probe_dirs(fs, g, at, &in, path, sizeof(path)))) {
		hold_dir(w, fs, in, path);
		*strrchr(path, '/') = '\0'; /* that of the system */
		watch_dir(w, fs, in, path);
	}
}

/* The files of the CPUs are open while we read them. */
static void watch_cpus(const struct ft_watch *w, const struct ft_fs *fs, int i)
{
	const long n = sysconf(_SC_NPROCESSORS_CONF);
	char path[32];
	long cpu;

	for (cpu = 0; cpu < n; cpu++) {
		snprintf(path, sizeof(path), "per_cpu/cpu%ld", cpu);
		watch_dir(w, fs, i, path);
	}
}

static void watch_writes(struct ft_watch *w, const struct ft_fs *fs, const struct ft_granted *g,
			 const struct ft_switches *sw)
{
	char path[32];
	int i;

	w->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (w->inotify < 0) {
		log_warn("source",
			 "no inotify (%s): what somebody switches off and on again within a second "
			 "is not seen",
			 strerror(errno));
		return;
	}
	for (i = 0; i < FT_INSTANCES; i++) {
		watch_dir(w, fs, i, "");
		watch_dir(w, fs, i, "events");
		hold_dir(w, fs, i, "options");
		watch_cpus(w, fs, i);
	}
	watch_events(w, fs, g);
	for (i = 0; i < FT_SWITCHES; i++) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", sw->fd[i]);
		if (sw->fd[i] >= 0)
			watch_path(w, path, 0);
	}
}

/* Changes nothing of what we see. Without a name: one of the host's switches. */
static bool is_harmless(const char *name)
{
	return !strcmp(name, "trace_marker") || !strcmp(name, "trace_marker_raw") ||
	       !strcmp(name, "error_log");
}

static const char *first_write(const struct ft_watch *w, char *buf, size_t size)
{
	const struct inotify_event *ev;
	ssize_t n, at;

	while (w->inotify >= 0 && (n = read(w->inotify, buf, size)) > 0) {
		for (at = 0; at < n; at += (ssize_t)(sizeof(*ev) + ev->len)) {
			ev = (const void *)(buf + at);
			if (ev->mask & IN_Q_OVERFLOW)
				return "many files";
			if (ev->mask & IN_MODIFY && !(ev->len && is_harmless(ev->name)))
				return ev->len ? ev->name : "a switch for kprobes";
		}
	}
	return NULL;
}

int ft_watch_writes(const struct ft_watch *w, const struct ft_fs *fs, char *err, size_t err_size)
{
	_Alignas(struct inotify_event) char buf[4096];
	const char *name = first_write(w, buf, sizeof(buf));

	if (!name)
		return 0;
	snprintf(err, err_size, "somebody has written to %s, of %s/instances/%s* or of the host",
		 name, fs->root, FTRACE_INSTANCE);
	return -EIO;
}

void ft_watch_init(struct ft_watch *w)
{
	w->inotify = -1;
	w->n_dirs = 0;
}

void ft_watch_close(struct ft_watch *w)
{
	while (w->n_dirs)
		close(w->dirs[--w->n_dirs]);
	if (w->inotify >= 0)
		close(w->inotify);
	w->inotify = -1;
}

void ft_watch_begin(struct ft_watch *w, const struct ft_fs *fs, const struct ft_granted *g,
		    const struct ft_switches *sw)
{
	int i;
	size_t k;

	watch_writes(w, fs, g, sw);
	for (i = 0; i < FT_INSTANCES; i++) {
		for (k = 0; k < FT_WATCHED; k++) {
			if (files[k].must)
				snprintf(w->was[i][k], FT_WATCHED_BYTES, "%s", files[k].must);
			else
				read_start(fs->dir[i], files[k].file, w->was[i][k]);
		}
	}
}

int ft_watch_check(const struct ft_watch *w, const struct ft_fs *fs, char *err, size_t err_size)
{
	char is[FT_WATCHED_BYTES];
	int i;
	size_t k;

	for (i = 0; i < FT_INSTANCES; i++) {
		for (k = 0; k < FT_WATCHED; k++) {
			read_start(fs->dir[i], files[k].file, is);
			if (!strcmp(is, w->was[i][k]))
				continue;
			snprintf(err, err_size, "%s/instances/%s %s", fs->root, ft_fs_name(i),
				 files[k].wrong);
			return -EIO;
		}
	}
	return 0;
}
