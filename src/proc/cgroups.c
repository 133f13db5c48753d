/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "proc/private.h"

static void release(struct strings *s, struct cgroup_path *p)
{
	strings_drop(s, p->path);
	strings_drop(s, p->container);
	free(p);
}

static void forget(struct cgroups *c, struct strings *s, struct cgroup_path *p)
{
	HASH_DEL(c->index, p);
	c->bytes -= p->bytes;
	release(s, p);
}

const struct cgroup_path *cgroups_find(const struct cgroups *c, edr_u64 id)
{
	struct cgroup_path *p;

	HASH_FIND(hh, c->index, &id, sizeof(id), p);
	return p;
}

/*
 * A kernfs id is not used again as long as the kernel runs, except on 32-bit hosts: the newest path
 * counts.
 */
void cgroups_learn(struct cgroups *c, struct strings *s, edr_u64 id, struct wire_span path)
{
	struct cgroup_path *p = (struct cgroup_path *)cgroups_find(c, id);
	struct wire_span container = proc_container_id(path.data, path.len);

	if (path.len > EDR_PATH_MAX)
		path.len = EDR_PATH_MAX;
	if (p && strlen(p->path) == path.len && memcmp(p->path, path.data, path.len) == 0)
		return;
	if (p)
		forget(c, s, p);
	/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): what is freed is out of the index */
	while (c->index && (HASH_COUNT(c->index) >= c->max || c->bytes + path.len > c->max_bytes))
		forget(c, s, c->index); /* uthash keeps the order of arrival */
	p = calloc(1, sizeof(*p));
	if (!p)
		return;
	p->id = id;
	p->bytes = path.len;
	p->path = strings_intern(s, path.data, path.len);
	p->container = strings_intern(s, container.data, container.len);
	HASH_ADD(hh, c->index, id, sizeof(p->id), p);
	if (!p->hh.tbl) {
		release(s, p);
		return;
	}
	c->bytes += p->bytes;
	c->generation++;
}

void cgroups_free(struct cgroups *c, struct strings *s)
{
	struct cgroup_path *p = c->index, *next;

	HASH_CLEAR(hh, c->index); /* the items keep their order */
	for (; p; p = next) {
		next = p->hh.next;
		release(s, p);
	}
}
