// SPDX-License-Identifier: MIT
#include "source/bpf_again.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/utsname.h>

/* By the release alone: where that is wrong, copies do nothing, or what is skipped is only counted. */
bool bpf_again_is_wanted(void)
{
	struct utsname u;

	return !uname(&u) && strtoul(u.release, NULL, 10) >= 7;
}

struct bpf_program *bpf_again_of(const struct bpf_object *obj, const char *program)
{
	char name[80];

	snprintf(name, sizeof(name), "%s_again", program);
	return bpf_object__find_program_by_name(obj, name);
}

int bpf_again_without(struct bpf_object *obj)
{
	struct bpf_map *map = bpf_object__find_map_by_name(obj, "has_run");

	return map ? bpf_map__set_max_entries(map, 1) : -ENOENT;
}
