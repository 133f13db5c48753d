/* SPDX-License-Identifier: MIT */
#include "report/files.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "report/analysis.h"
#include "report/store_private.h"

#define BLOCK 65536
#define GZIP_BITS (15 + 16) /* zlib's largest window, with gzip's head */
#define GZIP_LEVEL 6

/* ---- what there is ---- */

static int compare_files(const void *a, const void *b)
{
	return strcmp(((const struct report_file *)a)->id, ((const struct report_file *)b)->id);
}

/* The length of the id in a file's name; 0 when it is no report's. */
static size_t id_len(const char *name, bool *packed)
{
	const size_t len = strlen(name);

	*packed = len > 8 && strcmp(name + len - 8, ".json.gz") == 0;
	if (*packed)
		return len - 8;
	return len > 5 && strcmp(name + len - 5, ".json") == 0 ? len - 5 : 0;
}

/* Some filesystems do not tell the type. */
static bool is_file(int dir, const struct dirent *entry, edr_u64 *bytes)
{
	struct stat st;

	if (!bytes && entry->d_type != DT_UNKNOWN)
		return entry->d_type == DT_REG;
	if (fstatat(dir, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) || !S_ISREG(st.st_mode))
		return false;
	if (bytes)
		*bytes = (edr_u64)st.st_size;
	return true;
}

void report_names_add(struct report_names *l, const char *name)
{
	size_t n = l->n < REPORT_NAMED ? l->n : REPORT_NAMED, at = n;

	l->n++;
	while (at > 0 && strcmp(name, l->first[at - 1]) < 0)
		at--;
	if (at == REPORT_NAMED)
		return;
	if (n == REPORT_NAMED)
		n--;
	memmove(l->first[at + 1], l->first[at], (n - at) * sizeof(l->first[0]));
	snprintf(l->first[at], sizeof(l->first[0]), "%s", name);
}

/* ID.analysis is no report, and belongs there. */
static bool is_analysis(const char *name)
{
	const size_t len = strlen(name), end = sizeof(REPORT_ANALYSIS) - 1;
	char id[STORE_NAME_MAX + 1] = "";

	if (len <= end || len - end > STORE_NAME_MAX ||
	    strcmp(name + len - end, REPORT_ANALYSIS) != 0)
		return false;
	memcpy(id, name, len - end);
	return store_good_name(id, STORE_NAME_MAX);
}

static bool is_passed_over(int dir, const struct dirent *entry)
{
	const char *name = entry->d_name;

	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
	       ((store_is_temp(name) || is_analysis(name)) && is_file(dir, entry, NULL));
}

/* Room for one more; the array is as long as the power of two that holds it. */
static int grow(struct report_files *f)
{
	struct report_file *grown;

	if (f->n & (f->n - 1))
		return 0;
	grown = realloc(f->file, (f->n ? 2 * f->n : 1) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	f->file = grown;
	return 0;
}

static int take_name(int dir, const struct dirent *entry, bool sizes, struct report_files *out)
{
	struct report_file f = { .packed = false };
	size_t len = id_len(entry->d_name, &f.packed);
	int err;

	if (len > STORE_NAME_MAX || !is_file(dir, entry, sizes ? &f.bytes : NULL))
		len = 0;
	memcpy(f.id, entry->d_name, len);
	if (!len || !store_good_name(f.id, STORE_NAME_MAX)) {
		report_names_add(&out->strange, entry->d_name);
		return 0;
	}
	err = grow(out);
	if (!err)
		out->file[out->n++] = f;
	return err;
}

/* Each id once: packing that was cut short leaves both forms. The plain one counts. */
static void sort_files(struct report_files *f)
{
	size_t kept = 0;

	if (f->n)
		qsort(f->file, f->n, sizeof(f->file[0]), compare_files);
	for (size_t i = 0; i < f->n; i++) {
		if (kept && strcmp(f->file[kept - 1].id, f->file[i].id) == 0) {
			f->file[kept - 1].packed = false;
			f->file[kept - 1].both = true;
		} else {
			f->file[kept++] = f->file[i];
		}
	}
	f->n = kept;
}

static int list(struct report_store *s, const char *level, bool sizes, struct report_files *out)
{
	int dir = store_dir(s, level, false), err = 0;
	struct dirent *entry;
	DIR *names;

	memset(out, 0, sizeof(*out));
	if (dir < 0)
		return dir == -ENOENT ? 0 : dir;
	/* A descriptor of its own: where readdir() stands is shared by copies of one. */
	names = fdopendir(openat(dir, ".", DIR_FLAGS));
	err = names ? 0 : -errno;
	while (names && !err && (entry = readdir(names)))
		if (!is_passed_over(dir, entry))
			err = take_name(dir, entry, sizes, out);
	if (names)
		closedir(names);
	close(dir);
	if (err)
		report_files_free(out);
	else
		sort_files(out);
	return err;
}

int report_files_list(struct report_store *s, const char *level, struct report_files *out)
{
	return list(s, level, true, out);
}

int report_files_names(struct report_store *s, const char *level, struct report_files *out)
{
	return list(s, level, false, out);
}

void report_files_free(struct report_files *f)
{
	free(f->file);
	memset(f, 0, sizeof(*f));
}

/* Where it is, or where it would be. */
static size_t place_of(const struct report_files *f, const char *id)
{
	size_t from = 0, to = f->n;

	while (from < to) {
		const size_t at = (from + to) / 2;

		if (strcmp(f->file[at].id, id) < 0)
			from = at + 1;
		else
			to = at;
	}
	return from;
}

bool report_files_has(const struct report_files *f, const char *id)
{
	const size_t at = place_of(f, id);

	return at < f->n && strcmp(f->file[at].id, id) == 0;
}

int report_files_add(struct report_files *f, const char *id)
{
	const size_t at = place_of(f, id);
	struct report_file *place;

	if (report_files_has(f, id))
		return 0;
	if (grow(f))
		return -ENOMEM;
	place = &f->file[at];
	memmove(place + 1, place, (f->n++ - at) * sizeof(*place));
	memset(place, 0, sizeof(*place));
	snprintf(place->id, sizeof(place->id), "%s", id);
	return 0;
}

const char **report_children(const struct report_files *children, enum report_level parent,
			     struct report_window w, size_t *n)
{
	const char **ids = calloc(children->n + 1, sizeof(*ids));
	edr_s64 start_ns;

	*n = 0;
	for (size_t i = 0; ids && i < children->n; i++) {
		const char *id = children->file[i].id;

		if (report_level_of_id(id, &start_ns) + 1 == parent && start_ns >= w.start_ns &&
		    start_ns < w.end_ns)
			ids[(*n)++] = id;
	}
	return ids;
}

/* ---- reading ---- */

/* begin: what is behind max bytes or so is left; else it is too much. */
static int read_fd(int fd, size_t max, bool begin, struct buf *out)
{
	const size_t before = out->len;
	ssize_t n;

	do {
		if (out->len - before > max && !begin)
			return -EFBIG;
		if (out->len - before >= max && begin)
			break;
		if (!buf_reserve(out, BLOCK))
			return -ENOMEM;
		n = read(fd, out->data + out->len, BLOCK);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0)
			out->len += (size_t)n;
	} while (n != 0);
	out->data[out->len] = '\0';
	return 0;
}

static int read_at(int dir, const char *name, size_t max, bool begin, struct buf *out)
{
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	int err;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st))
		err = -errno;
	else if (!S_ISREG(st.st_mode))
		err = -EBADMSG;
	else
		err = !begin && st.st_size > (off_t)max ? -EFBIG : read_fd(fd, max, begin, out);
	close(fd);
	return err;
}

static int read_some(struct report_store *s, const char *level, const char *name, size_t max,
		     bool begin, struct buf *out)
{
	int dir = store_dir(s, level, false), err;

	if (dir < 0)
		return dir;
	err = read_at(dir, name, max, begin, out);
	close(dir);
	return err;
}

int report_file_read(struct report_store *s, const char *level, const char *name, size_t max,
		     struct buf *out)
{
	return read_some(s, level, name, max, false, out);
}

bool report_is_there(struct report_store *s, const char *level, const char *id)
{
	char name[STORE_NAME_MAX + 16];
	int dir = store_dir(s, level, false);
	bool found = false;

	if (dir < 0)
		return false;
	for (int i = 0; i < 2 && !found; i++) {
		snprintf(name, sizeof(name), "%s.json%s", id, i ? ".gz" : "");
		found = !faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW);
	}
	close(dir);
	return found;
}

/* As read_fd(). */
static int inflate_all(z_stream *z, size_t max, bool begin, struct buf *out)
{
	const size_t before = out->len;
	int status = Z_OK;

	while (status == Z_OK && !(begin && out->len - before >= max)) {
		if (out->len - before > max)
			return -EFBIG;
		if (!buf_reserve(out, BLOCK))
			return -ENOMEM;
		z->next_out = (unsigned char *)out->data + out->len;
		z->avail_out = BLOCK;
		status = inflate(z, Z_NO_FLUSH);
		out->len += BLOCK - z->avail_out;
	}
	out->data[out->len] = '\0';
	if (status == Z_OK)
		return 0;
	/* Bytes behind the end are bytes that nobody vouches for. */
	return status == Z_STREAM_END && z->avail_in == 0 ? 0 : -EBADMSG;
}

static int unpack(const struct buf *packed, size_t max, bool begin, struct buf *out)
{
	z_stream z = { .next_in = (unsigned char *)packed->data,
		       .avail_in = (unsigned)packed->len };
	int err;

	if (inflateInit2(&z, GZIP_BITS) != Z_OK)
		return -ENOMEM;
	err = inflate_all(&z, max, begin, out);
	inflateEnd(&z);
	return err;
}

/* By its directory; what is in none of a level may be as large as a cell. */
static size_t max_bytes(const char *dir)
{
	const enum report_level level = report_level_by_name(dir);

	return report_levels[level < N_LEVELS ? level : LEVEL_CELL].max_bytes;
}

static int read_packed(struct report_store *s, const char *level, const char *id, size_t max,
		       bool begin, struct buf *out)
{
	char name[STORE_NAME_MAX + 16];
	struct buf packed = { 0 };
	int err;

	snprintf(name, sizeof(name), "%s.json.gz", id);
	err = report_file_read(s, level, name, max_bytes(level), &packed);
	if (!err)
		err = unpack(&packed, max, begin, out);
	buf_free(&packed);
	return err;
}

int report_read_packed(struct report_store *s, const char *level, const char *id, struct buf *out)
{
	return read_packed(s, level, id, max_bytes(level), false, out);
}

static int read_either(struct report_store *s, const char *level, const char *id, size_t max,
		       bool begin, struct buf *out)
{
	char name[STORE_NAME_MAX + 16];
	int err;

	if (!store_good_name(id, STORE_NAME_MAX))
		return -EINVAL;
	snprintf(name, sizeof(name), "%s.json", id);
	err = read_some(s, level, name, max, begin, out);
	return err == -ENOENT ? read_packed(s, level, id, max, begin, out) : err;
}

int report_read_begin(struct report_store *s, const char *level, const char *id, size_t begin,
		      struct buf *out)
{
	return read_either(s, level, id, begin, true, out);
}

int report_read(struct report_store *s, const char *level, const char *id, struct buf *out)
{
	return read_either(s, level, id, max_bytes(level), false, out);
}

int report_read_unsealed(struct report_store *s, enum report_level level, const char *id,
			 struct buf *out)
{
	int err = report_read(s, report_levels[level].dir, id, out);

	if (!err)
		chain_unseal(out);
	return err;
}

/* ---- writing ---- */

int report_file_replace(struct report_store *s, const char *level, const char *name,
			struct wire_span data)
{
	int dir, err = -ENOENT;

	for (int i = 0; i < 2 && (err == -ENOENT || err == -ESTALE); i++) {
		dir = store_dir(s, level, i > 0);
		if (dir < 0)
			return dir;
		err = store_put(s, dir, name, &data, 1, true);
		close(dir);
	}
	return err;
}

int report_file_append(struct report_store *s, const char *level, const char *name,
		       struct wire_span line)
{
	int dir = store_dir(s, level, false), fd, err;
	struct stat st;

	if (dir < 0)
		return dir;
	fd = openat(dir, name, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC,
		    0600);
	err = fd < 0 || fstat(fd, &st) ? -errno : S_ISREG(st.st_mode) ? 0 : -EBADMSG;
	if (!err)
		err = store_write_all(fd, line);
	if (fd >= 0)
		close(fd);
	close(dir);
	return err;
}

int report_dir_lock(struct report_store *s, const char *level)
{
	int dir, lock;

	if (s->read_only)
		return -EACCES;
	dir = store_dir(s, level, false);
	if (dir < 0)
		return dir;
	/* A description of its own: copies of one share the lock. */
	lock = openat(dir, ".", DIR_FLAGS);
	close(dir);
	if (lock < 0)
		return -errno;
	if (!flock(lock, LOCK_EX | LOCK_NB))
		return lock;
	dir = errno == EWOULDBLOCK ? -EBUSY : -errno;
	close(lock);
	return dir;
}

int report_file_remove(struct report_store *s, const char *level, const char *name)
{
	int dir = store_dir(s, level, false), err;

	if (dir < 0)
		return dir == -ENOENT ? 0 : dir;
	err = unlinkat(dir, name, 0) && errno != ENOENT ? -errno : 0;
	close(dir);
	return err;
}

int report_remove(struct report_store *s, const char *level, const char *id)
{
	char name[STORE_NAME_MAX + 16];
	int err, again;

	if (!store_good_name(id, STORE_NAME_MAX))
		return -EINVAL;
	snprintf(name, sizeof(name), "%s.json", id);
	err = report_file_remove(s, level, name);
	snprintf(name, sizeof(name), "%s.json.gz", id);
	again = report_file_remove(s, level, name);
	err = err ? err : again;
	snprintf(name, sizeof(name), "%s%s", id, REPORT_ANALYSIS);
	again = report_file_remove(s, level, name);
	return err ? err : again;
}

/* ---- packing ---- */

static int pack(const struct buf *text, struct buf *out)
{
	z_stream z = { .next_in = (unsigned char *)text->data, .avail_in = (unsigned)text->len };
	size_t bound;
	int status;

	/* No name and no time in the head: the same report, the same bytes. */
	if (deflateInit2(&z, GZIP_LEVEL, Z_DEFLATED, GZIP_BITS, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		return -ENOMEM;
	bound = deflateBound(&z, (unsigned long)text->len);
	if (!buf_reserve(out, bound)) {
		deflateEnd(&z);
		return -ENOMEM;
	}
	z.next_out = (unsigned char *)out->data;
	z.avail_out = (unsigned)bound;
	status = deflate(&z, Z_FINISH);
	out->len = bound - z.avail_out;
	deflateEnd(&z);
	return status == Z_STREAM_END ? 0 : -EIO;
}

/* The packed one is there and safe before the other goes; readers prefer the latter. */
static int pack_text(struct report_store *s, const char *level, const char *id,
		     const struct buf *text, edr_s64 *saved)
{
	char name[STORE_NAME_MAX + 16];
	struct buf packed = { 0 }, back = { 0 };
	int err = pack(text, &packed);

	if (!err)
		err = unpack(&packed, text->len, false, &back);
	if (!err && (!text->data || !back.data || back.len != text->len ||
		     memcmp(back.data, text->data, text->len) != 0))
		err = -EIO;
	snprintf(name, sizeof(name), "%s.json.gz", id);
	if (!err)
		err = report_file_replace(s, level, name,
					  (struct wire_span){ packed.data, packed.len });
	name[strlen(name) - 3] = '\0';
	if (!err)
		err = report_file_remove(s, level, name);
	*saved = (edr_s64)text->len - (edr_s64)packed.len;
	buf_free(&packed);
	buf_free(&back);
	return err;
}

int report_pack(struct report_store *s, const char *level, const char *id, edr_s64 *saved)
{
	char name[STORE_NAME_MAX + 16];
	struct buf text = { 0 };
	int err;

	*saved = 0;
	if (!store_good_name(id, STORE_NAME_MAX))
		return -EINVAL;
	snprintf(name, sizeof(name), "%s.json", id);
	err = report_file_read(s, level, name, max_bytes(level), &text);
	if (!err)
		err = pack_text(s, level, id, &text, saved);
	buf_free(&text);
	return err;
}
