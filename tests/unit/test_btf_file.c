// SPDX-License-Identifier: MIT
/* Which file of btf_path is believed: one with the build-id of the kernel that runs, and with BTF. */
#include <check.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "source/bpf_btf.h"
#include "source/btf_file.h"
#include "suite.h"

static const struct build_id ours = { .bytes = { 1, 2, 3, 4, 5, 6, 7, 8 }, .n = 8 };

struct notes {
	Elf64_Nhdr first;
	char first_name[8], first_value[4];
	Elf64_Nhdr head;
	char name[4];
	unsigned char id[8];
};

/* As small as a vmlinux can be. */
static struct vmlinux {
	Elf64_Ehdr head;
	struct notes notes;
	unsigned char btf[16];
	char names[24];
	Elf64_Shdr section[4]; /* none, notes, BTF, names */
} vmlinux;

static char path[] = "/tmp/edr-btf-file.XXXXXX", why[400];

static void section(unsigned at, unsigned name, unsigned type, size_t offset, size_t size)
{
	vmlinux.section[at] = (Elf64_Shdr){ .sh_name = name,
					    .sh_type = type,
					    .sh_offset = offset,
					    .sh_size = size,
					    .sh_addralign = 1 };
}

static void setup(void)
{
	int fd;

	memset(&vmlinux, 0, sizeof(vmlinux));
	memcpy(vmlinux.head.e_ident, ELFMAG, SELFMAG);
	vmlinux.head.e_ident[EI_CLASS] = ELFCLASS64;
	vmlinux.head.e_ident[EI_DATA] =
		__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB : ELFDATA2MSB;
	vmlinux.head.e_ident[EI_VERSION] = EV_CURRENT;
	vmlinux.head.e_type = ET_EXEC;
	vmlinux.head.e_version = EV_CURRENT;
	vmlinux.head.e_ehsize = sizeof(Elf64_Ehdr);
	vmlinux.head.e_shoff = offsetof(struct vmlinux, section);
	vmlinux.head.e_shentsize = sizeof(Elf64_Shdr);
	vmlinux.head.e_shnum = 4;
	vmlinux.head.e_shstrndx = 3;
	vmlinux.notes = (struct notes){ .first = { 6, 4, 0x101 },
					.first_name = "Linux",
					.head = { 4, 8, NT_GNU_BUILD_ID },
					.name = "GNU" };
	memcpy(vmlinux.notes.id, ours.bytes, ours.n);
	memcpy(vmlinux.names, "\0.notes\0.BTF\0.shstrtab", 23);
	section(1, 1, SHT_NOTE, offsetof(struct vmlinux, notes), sizeof(vmlinux.notes));
	section(2, 8, SHT_PROGBITS, offsetof(struct vmlinux, btf), sizeof(vmlinux.btf));
	section(3, 13, SHT_STRTAB, offsetof(struct vmlinux, names), sizeof(vmlinux.names));
	strcpy(path + sizeof(path) - 7, "XXXXXX");
	fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	close(fd);
}

static void teardown(void)
{
	unlink(path);
}

static void write_file(const void *data, size_t n)
{
	int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, data, n), (ssize_t)n);
	close(fd);
}

/* Judges what is at `path`; with a word that the reason must have, or NULL when it is to be believed. */
static void judged(const char *word)
{
	int fd = btf_file_open(path, &ours, why, sizeof(why));

	ck_assert_msg((fd >= 0) == !word, "%s: %s", word ? word : "believed", why);
	if (fd >= 0)
		close(fd);
	else
		ck_assert_msg(strstr(why, word) && strstr(why, "btf_path: ") == why &&
				      strstr(why, path) && strstr(why, "pahole -J vmlinux"),
			      "%s", why);
}

static void judged_as_made(const char *word)
{
	write_file(&vmlinux, sizeof(vmlinux));
	judged(word);
}

START_TEST(test_right)
{
	judged_as_made(NULL);
}
END_TEST

START_TEST(test_wrong)
{
	static const unsigned char bare[] = { 0x9f, 0xeb, 1, 0, 24, 0, 0, 0 };
	const unsigned swapped = 0xeb9f;

	vmlinux.notes.id[7]++;
	judged_as_made("their build-ids differ");
	vmlinux.notes.id[7]--;
	vmlinux.notes.head.n_descsz = 4; /* the beginning of ours */
	judged_as_made("their build-ids differ");
	vmlinux.notes.head.n_descsz = 8;
	vmlinux.notes.head.n_type = 5;
	judged_as_made("has no build-id");
	vmlinux.notes.head.n_type = NT_GNU_BUILD_ID;
	vmlinux.notes.name[3] = 'X';
	judged_as_made("has no build-id");
	vmlinux.notes.name[3] = 0;
	vmlinux.section[1].sh_type = SHT_PROGBITS;
	judged_as_made("has no build-id");
	vmlinux.section[1].sh_type = SHT_NOTE;
	vmlinux.section[2].sh_type = SHT_NOBITS; /* its contents were taken out */
	judged_as_made("has no BTF");
	vmlinux.section[2].sh_type = SHT_PROGBITS;
	vmlinux.section[2].sh_size = 0;
	judged_as_made("has no BTF");
	write_file(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? (const void *)bare : &swapped,
		   sizeof(bare) / 2);
	judged("is bare BTF");
	write_file("text\n", 5);
	judged("is no ELF file");
	write_file("", 0);
	judged("is no ELF file");
}
END_TEST

START_TEST(test_untrusted)
{
	write_file(&vmlinux, sizeof(vmlinux));
	ck_assert_int_eq(chmod(path, 0646), 0);
	judged("can be written by others");
	ck_assert_int_eq(chmod(path, 0644), 0);
	judged(NULL);
	if (geteuid() == 0) {
		ck_assert_int_eq(chown(path, 65534, 0), 0);
		judged("belongs neither to root");
	}
	unlink(path);
	judged("cannot be opened: No such file");
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	judged("is no file");
	unlink(path);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	judged("is no file");
	rmdir(path);
}
END_TEST

/* Cut off anywhere it is no vmlinux, and nothing beyond its end is read. */
START_TEST(test_truncated)
{
	for (size_t n = 0; n < sizeof(vmlinux); n++) {
		int fd;

		write_file(&vmlinux, n);
		fd = btf_file_open(path, &ours, why, sizeof(why));
		ck_assert_msg(fd < 0, "%zu bytes are believed", n);
	}
}
END_TEST

/* Whatever a byte is changed to, it ends; and it is believed only with our build-id in it. */
START_TEST(test_hostile)
{
	static const unsigned char values[] = { 0, 1, 0x7f, 0x80, 0xff };
	unsigned char *bytes = (void *)&vmlinux;

	for (size_t at = 0; at < sizeof(vmlinux); at++) {
		const unsigned char was = bytes[at];

		for (size_t v = 0; v < sizeof(values); v++) {
			int fd;

			bytes[at] = values[v];
			write_file(&vmlinux, sizeof(vmlinux));
			fd = btf_file_open(path, &ours, why, sizeof(why));
			if (fd < 0)
				continue;
			close(fd);
			ck_assert(!memcmp(vmlinux.notes.id, ours.bytes, ours.n));
		}
		bytes[at] = was;
	}
	vmlinux.section[1].sh_size = ~0ULL;
	judged_as_made("");
	vmlinux.section[1].sh_size = sizeof(struct notes);
	vmlinux.section[2].sh_size = 1ULL << 40;
	judged_as_made("has no BTF");
	vmlinux.head.e_shnum = 0;
	vmlinux.section[0].sh_size = 1ULL << 60; /* how many there are */
	judged_as_made("");
}
END_TEST

START_TEST(test_notes)
{
	struct build_id id;
	struct notes n = vmlinux.notes;

	ck_assert(build_id_in_notes(&n, sizeof(n), &id));
	ck_assert_uint_eq(id.n, 8);
	ck_assert(!memcmp(id.bytes, ours.bytes, 8));
	for (size_t len = 0; len < sizeof(n); len++)
		ck_assert(!build_id_in_notes(&n, len, &id) && !id.n);
	n.first.n_namesz = ~0U;
	ck_assert(!build_id_in_notes(&n, sizeof(n), &id));
	n.first.n_namesz = 6;
	n.first.n_descsz = ~0U - 2;
	ck_assert(!build_id_in_notes(&n, sizeof(n), &id));
	n.first.n_descsz = 4;
	n.head.n_descsz = 0;
	ck_assert(!build_id_in_notes(&n, sizeof(n), &id));
	n.head.n_descsz = BUILD_ID_MAX + 1;
	ck_assert(!build_id_in_notes(&n, sizeof(n), &id));
}
END_TEST

/* This machine's own kernel tells its build-id, or why no file can be compared with it. */
START_TEST(test_this_kernel)
{
	struct bpf_types types;
	struct build_id id;
	int e = build_id_of_kernel(&id, why, sizeof(why));

	ck_assert(e ? strstr(why, "/sys/kernel/notes") != NULL : id.n > 0);
	judged_as_made(NULL);
	/* Its .BTF is none, and it is of no kernel. */
	ck_assert_int_lt(bpf_types_open(&types, path, why, sizeof(why)), 0);
	ck_assert_ptr_nonnull(strstr(why, "btf_path: "));
	ck_assert_int_eq(types.fd < 0, 1);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = { test_right,   test_wrong, test_untrusted,  test_truncated,
				       test_hostile, test_notes, test_this_kernel };

	return suite_run("btf_file", tests, sizeof(tests) / sizeof(tests[0]), setup, teardown, 30);
}
