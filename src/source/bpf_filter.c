// SPDX-License-Identifier: MIT
#include "source/bpf_filter.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "edr/control.h"
#include "source/bpf_shared.h"

#define MAX_IDS 256 /* of skip_comms and skip_uids */

static int check_prefixes(const struct source_list *list, const char *key, char *err,
			  size_t err_size)
{
	size_t i;

	if (list->n > EDR_PREFIXES) {
		snprintf(err, err_size, "%s: %zu paths, %d are the most", key, list->n,
			 EDR_PREFIXES);
		return SOURCE_BAD_CONFIG;
	}
	for (i = 0; i < list->n; i++) {
		if (list->item[i][0] != '/' || strlen(list->item[i]) >= EDR_PREFIX_MAX) {
			snprintf(err, err_size,
				 "%s: entry %zu must begin with / and have less than %d bytes", key,
				 i + 1, EDR_PREFIX_MAX);
			return SOURCE_BAD_CONFIG;
		}
	}
	return 0;
}

static edr_u32 own_mount_namespace(void)
{
	struct stat st;

	return stat("/proc/self/ns/mnt", &st) ? 0 : (edr_u32)st.st_ino;
}

int bpf_filter_configure(struct bpf_skel *skel, const struct source_config *cfg, char *err,
			 size_t err_size)
{
	if (check_prefixes(&cfg->skip_paths, "exclude_paths", err, err_size) ||
	    check_prefixes(&cfg->skip_cgroups, "exclude_cgroups", err, err_size))
		return SOURCE_BAD_CONFIG;
	if (cfg->skip_comms.n > MAX_IDS || cfg->skip_uids.n > MAX_IDS) {
		snprintf(err, err_size, "exclude_commands and exclude_uids take %d entries at most",
			 MAX_IDS);
		return SOURCE_BAD_CONFIG;
	}
	*skel->filter_comms = cfg->skip_comms.n > 0;
	*skel->filter_uids = cfg->skip_uids.n > 0;
	*skel->filter_n_paths = (unsigned)cfg->skip_paths.n;
	*skel->filter_n_cgroups = (unsigned)cfg->skip_cgroups.n;
	*skel->filter_mnt_ns = own_mount_namespace();
	return 0;
}

static int fill_prefixes(struct bpf_map *map, const struct source_list *list, bool whole)
{
	struct edr_prefix p;
	unsigned i;

	for (i = 0; i < list->n; i++) {
		memset(&p, 0, sizeof(p));
		p.len = (edr_u32)strlen(list->item[i]);
		memcpy(p.text, list->item[i], p.len);
		while (whole && p.len > 1 && p.text[p.len - 1] == '/')
			p.text[--p.len] = '\0';
		if (bpf_map_update_elem(bpf_map__fd(map), &i, &p, BPF_ANY))
			return -errno;
	}
	return 0;
}

static bool begins(const char *text, const char *prefix, bool whole)
{
	size_t n = strlen(prefix);

	while (whole && n > 1 && prefix[n - 1] == '/')
		n--;
	return !strncmp(text, prefix, n) && (!whole || !text[n] || text[n] == '/');
}

static bool exe_excluded(const char *pid, const struct source_list *paths)
{
	char path[64], exe[4096];
	ssize_t n;
	size_t i;

	snprintf(path, sizeof(path), "/proc/%s/exe", pid);
	n = readlink(path, exe, sizeof(exe) - 1);
	if (n < 0)
		return false;
	exe[n] = '\0';
	for (i = 0; i < paths->n; i++) {
		if (begins(exe, paths->item[i], false))
			return true;
	}
	return false;
}

static bool cgroup_excluded(const char *pid, const struct source_list *cgroups)
{
	char path[64], line[4200];
	bool found = false;
	size_t i;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%s/cgroup", pid);
	f = cgroups->n ? fopen(path, "re") : NULL;
	while (f && !found && fgets(line, sizeof(line), f)) {
		char *at = strchr(line, ':'); /* 4:memory:/path */

		at = at ? strchr(at + 1, ':') : NULL;
		line[strcspn(line, "\n")] = '\0';
		for (i = 0; at && i < cgroups->n; i++)
			found = found || begins(at + 1, cgroups->item[i], true);
	}
	if (f)
		fclose(f);
	return found;
}

/* Processes that were there before us; a start of 0 stands for any, for /proc does not know it to the nanosecond. */
static void fill_running(struct bpf_skel *skel, const struct source_config *cfg)
{
	DIR *proc = cfg->skip_paths.n || cfg->skip_cgroups.n ? opendir("/proc") : NULL;
	edr_u64 any_start = 0;
	struct dirent *ent;

	while (proc && (ent = readdir(proc))) {
		edr_u32 tgid = (edr_u32)strtoul(ent->d_name, NULL, 10);

		if (tgid && (exe_excluded(ent->d_name, &cfg->skip_paths) ||
			     cgroup_excluded(ent->d_name, &cfg->skip_cgroups)))
			bpf_map_update_elem(bpf_map__fd(skel->skip_processes), &tgid, &any_start,
					    BPF_ANY);
	}
	if (proc)
		closedir(proc);
}

int bpf_filter_fill(struct bpf_skel *skel, const struct source_config *cfg)
{
	edr_u8 yes = 1;
	edr_u32 uid;
	size_t i;
	int e;

	for (i = 0; i < cfg->skip_comms.n; i++) {
		edr_comm comm = "";

		snprintf(comm, sizeof(comm), "%.15s", cfg->skip_comms.item[i]);
		if (bpf_map_update_elem(bpf_map__fd(skel->skip_comms), comm, &yes, BPF_ANY))
			return -errno;
	}
	for (i = 0; i < cfg->skip_uids.n; i++) {
		uid = (edr_u32)strtoul(cfg->skip_uids.item[i], NULL, 10);
		if (bpf_map_update_elem(bpf_map__fd(skel->skip_uids), &uid, &yes, BPF_ANY))
			return -errno;
	}
	e = fill_prefixes(skel->skip_paths, &cfg->skip_paths, false);
	e = e ? e : fill_prefixes(skel->skip_cgroups, &cfg->skip_cgroups, true);
	if (!e)
		fill_running(skel, cfg);
	return e;
}
