// SPDX-License-Identifier: MIT
#include "source/btf_file.h"

#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <linux/btf.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/buf.h"
#include "util/text.h"
#include "util/trust.h"

#define KERNEL_NOTES "/sys/kernel/notes"
#define NOTES_MAX (64 << 10)
#define BTF_MAX (256 << 20)
#define WANTED                                                                                \
	"the vmlinux of the kernel that runs is needed, with its BTF: of the distribution's " \
	"debug "                                                                              \
	"package, or after `pahole -J vmlinux`"

static size_t up4(size_t n)
{
	return (n + 3) & ~(size_t)3;
}

bool build_id_in_notes(const void *notes, size_t n, struct build_id *out)
{
	const unsigned char *at = notes;
	GElf_Nhdr note;
	size_t name, value;

	out->n = 0;
	while (n >= sizeof(note)) {
		memcpy(&note, at, sizeof(note));
		at += sizeof(note);
		n -= sizeof(note);
		if (note.n_namesz > n || note.n_descsz > n)
			return false;
		name = up4(note.n_namesz);
		value = up4(note.n_descsz);
		if (name > n || note.n_descsz > n - name)
			return false;
		if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == sizeof("GNU") &&
		    !memcmp(at, "GNU", sizeof("GNU"))) {
			if (!note.n_descsz || note.n_descsz > BUILD_ID_MAX)
				return false;
			memcpy(out->bytes, at + name, note.n_descsz);
			out->n = note.n_descsz;
			return true;
		}
		if (value > n - name)
			return false;
		at += name + value;
		n -= name + value;
	}
	return false;
}

int build_id_of_kernel(struct build_id *out, char *why, size_t size)
{
	static const char none[] = "so no file can be known to fit it";
	int fd = open(KERNEL_NOTES, O_RDONLY | O_CLOEXEC), e = fd < 0 ? -errno : 0;
	char notes[4096];
	ssize_t n = 0;

	out->n = 0;
	if (!e) {
		n = read(fd, notes, sizeof(notes));
		e = n < 0 ? -errno : 0;
		close(fd);
	}
	if (e)
		snprintf(why, size, "btf_path: the kernel's build-id cannot be read (%s: %s), %s",
			 KERNEL_NOTES, strerror(-e), none);
	else if (!build_id_in_notes(notes, (size_t)n, out)) {
		snprintf(why, size, "btf_path: the kernel that runs has no build-id (%s), %s",
			 KERNEL_NOTES, none);
		e = -ENODATA;
	}
	return e;
}

/* What a vmlinux says of itself. */
struct found {
	struct build_id id;
	bool btf;
};

static void look_at_section(Elf_Scn *section, const char *name, const GElf_Shdr *head,
			    struct found *found)
{
	struct build_id id;
	const Elf_Data *data;

	if (head->sh_type == SHT_NOBITS || !head->sh_size)
		return;
	if (name && !strcmp(name, ".BTF") && head->sh_size <= BTF_MAX)
		found->btf = true;
	if (head->sh_type != SHT_NOTE || head->sh_size > NOTES_MAX || found->id.n)
		return;
	data = elf_rawdata(section, NULL);
	if (data && data->d_buf && build_id_in_notes(data->d_buf, data->d_size, &id))
		found->id = id;
}

/* False when it is no ELF file, or one whose sections cannot be listed. */
static bool look_at_file(int fd, struct found *found)
{
	Elf_Scn *section = NULL;
	GElf_Shdr head;
	size_t names;
	bool whole;
	Elf *elf;

	elf_version(EV_CURRENT);
	elf = elf_begin(fd, ELF_C_READ, NULL); /* never mapped: who cuts it off would end us */
	whole = elf && elf_kind(elf) == ELF_K_ELF && !elf_getshdrstrndx(elf, &names);
	while (whole && (section = elf_nextscn(elf, section)))
		if (gelf_getshdr(section, &head))
			look_at_section(section, elf_strptr(elf, names, head.sh_name), &head,
					found);
	elf_end(elf);
	return whole;
}

static bool is_bare_btf(int fd)
{
	unsigned short magic = 0;

	return pread(fd, &magic, sizeof(magic), 0) == (ssize_t)sizeof(magic) && magic == BTF_MAGIC;
}

static bool same_id(const struct build_id *a, const struct build_id *b)
{
	return a->n && a->n == b->n && !memcmp(a->bytes, b->bytes, a->n);
}

/* NULL: it is the one. */
static const char *judge(int fd, const struct build_id *kernel)
{
	struct found found = { .btf = false };
	struct stat st;
	const char *why = fstat(fd, &st) ? "is no file" : trust_why_not(&st, TRUST_NO_WRITERS);

	if (why)
		return why;
	if (is_bare_btf(fd))
		return "is bare BTF, which does not say of which kernel it is";
	if (!look_at_file(fd, &found))
		return "is no ELF file that can be read";
	if (!found.id.n)
		return "has no build-id, so it does not say of which kernel it is";
	if (!same_id(&found.id, kernel))
		return "is of another kernel than the one that runs: their build-ids differ";
	return found.btf ? NULL : "has no BTF";
}

int btf_file_open(const char *path, const struct build_id *kernel, char *why, size_t size)
{
	/* A fifo would keep us waiting. */
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	const char *wrong = fd < 0 ? strerror(errno) : judge(fd, kernel);
	struct buf shown = { 0 };

	if (!wrong)
		return fd;
	text_term(&shown, path, strlen(path));
	snprintf(why, size, "btf_path: %.100s %s%s; %s", shown.data ? shown.data : "",
		 fd < 0 ? "cannot be opened: " : "", wrong, WANTED);
	buf_free(&shown);
	if (fd >= 0)
		close(fd);
	return -EINVAL;
}
