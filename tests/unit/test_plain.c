// SPDX-License-Identifier: MIT
/* The object for kernels without BTF has no CO-RE relocation; and how format files are read. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "source/bpf_btf.h"
#include "source/bpf_stats.h"
#include "source/formats.h"
#include "suite.h"

/* linux/btf.h has no such struct: the header of .BTF.ext, as libbpf's btf.c and the kernel's documentation have it. */
struct btf_ext_head {
	unsigned short magic;
	unsigned char version, flags;
	unsigned hdr_len;
	unsigned func_info_off, func_info_len, line_info_off, line_info_len;
	unsigned core_relo_off, core_relo_len;
};

/* The section's bytes. */
static Elf_Data *find_section(Elf *elf, const char *wanted)
{
	Elf_Scn *section = NULL;
	GElf_Shdr shdr;
	const char *name;
	size_t names;

	ck_assert_int_eq(elf_getshdrstrndx(elf, &names), 0);
	while ((section = elf_nextscn(elf, section))) {
		ck_assert_ptr_nonnull(gelf_getshdr(section, &shdr));
		name = elf_strptr(elf, names, shdr.sh_name);
		if (name && strcmp(name, wanted) == 0)
			return elf_rawdata(section, NULL);
	}
	return NULL;
}

/* Bytes of the list of relocations. */
static unsigned relocation_bytes(const char *object)
{
	const char *build = getenv("EDR_BUILD_DIR");
	struct btf_ext_head head;
	char path[4096];
	Elf_Data *data;
	Elf *elf;
	int fd;

	ck_assert_ptr_nonnull(build);
	snprintf(path, sizeof(path), "%s/gen/%s.bpf.o", build, object);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_msg(fd >= 0, "%s: %s", path, strerror(errno));
	elf_version(EV_CURRENT);
	elf = elf_begin(fd, ELF_C_READ, NULL);
	ck_assert_ptr_nonnull(elf);
	data = find_section(elf, ".BTF.ext");
	ck_assert_ptr_nonnull(data);
	ck_assert_uint_ge(data->d_size, sizeof(head));
	memcpy(&head, data->d_buf, sizeof(head));
	ck_assert_uint_eq(head.magic, 0xeb9f);
	ck_assert_uint_ge(head.hdr_len, sizeof(head));
	elf_end(elf);
	close(fd);
	return head.core_relo_len;
}

START_TEST(test_no_relocation)
{
	ck_assert_uint_gt(relocation_bytes("edr"), 0); /* or this test sees nothing */
	ck_assert_uint_gt(relocation_bytes("raw"), 0);
	ck_assert_uint_eq(relocation_bytes("plain"), 0);
}
END_TEST

static void line(const char *text, const char *name, unsigned offset, unsigned size)
{
	struct format_field f;
	char got[64] = "";

	ck_assert_msg(format_parse_line(text, got, sizeof(got), &f), "%s", text);
	ck_assert_str_eq(got, name);
	ck_assert_uint_eq(f.offset, offset);
	ck_assert_uint_eq(f.size, size);
}

static bool none(const char *text)
{
	struct format_field f;
	char got[64];

	return !format_parse_line(text, got, sizeof(got), &f);
}

START_TEST(test_formats)
{
	line("\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n", "common_type",
	     0, 2);
	line("\tfield:char comm[16];\toffset:12;\tsize:16;\tsigned:0;\n", "comm", 12, 16);
	line("\tfield:__data_loc char[] filename;\toffset:8;\tsize:4;\tsigned:0;\n", "filename", 8,
	     4);
	line("\tfield:const void * skaddr;\toffset:8;\tsize:8;\tsigned:0;\n", "skaddr", 8, 8);
	line("\tfield:__u8 daddr_v6[16];\toffset:56;\tsize:16;\tsigned:0;\n", "daddr_v6", 56, 16);
	line("\tfield:int x\t;\toffset:4;\tsize:4;\tsigned:1;\n", "x", 4, 4);
	ck_assert(none("name: sched_process_exec\n"));
	ck_assert(none("format:\n"));
	ck_assert(none("print fmt: \"field:int x;\"\n"));
	ck_assert(none("\tfield:;\toffset:0;\tsize:2;\n"));
	ck_assert(none("\tfield:int x;\toffset:a;\tsize:2;\n"));
	ck_assert(none("\tfield:int x\n"));
	ck_assert(none("\tfield:int "
		       "a123456789012345678901234567890123456789012345678901234567890123;"
		       "\toffset:0;\tsize:2;\n"));
}
END_TEST

/* The objects' own BTF stand for those of two kernels. */
START_TEST(test_btf_path)
{
	const char *build = getenv("EDR_BUILD_DIR");
	char edr[4096], plain[4096], why[200] = "";
	struct btf *kernel;

	ck_assert_ptr_nonnull(build);
	snprintf(edr, sizeof(edr), "%s/gen/edr.bpf.o", build);
	snprintf(plain, sizeof(plain), "%s/gen/plain.bpf.o", build);
	kernel = btf__parse(edr, NULL);
	ck_assert_ptr_nonnull(kernel);
	ck_assert_int_eq(bpf_btf_matches(edr, kernel, why, sizeof(why)), 0);
	ck_assert_str_eq(why, "");
	ck_assert_int_eq(bpf_btf_matches(plain, kernel, why, sizeof(why)), -ESTALE);
	ck_assert_ptr_nonnull(strstr(why, "another kernel"));
	ck_assert_int_eq(bpf_btf_matches("/dev/null", kernel, why, sizeof(why)), -EINVAL);
	ck_assert_int_eq(bpf_btf_matches("/nowhere/x", kernel, why, sizeof(why)), -EINVAL);
	btf__free(kernel);
}
END_TEST

/* Kernels that count what they skip, made up: a member tells them. */
START_TEST(test_counts_skipped)
{
	struct btf *btf = btf__new_empty();
	int u32, inner;

	ck_assert_ptr_nonnull(btf);
	u32 = btf__add_int(btf, "u32", 4, 0);
	inner = btf__add_struct(btf, "", 8);
	btf__add_field(btf, "count", u32, 0, 0);
	btf__add_struct(btf, "bpf_link_info", 8);
	btf__add_field(btf, "kprobe_multi", inner, 0, 0);
	ck_assert(!bpf_stats_counts_skipped(NULL));
	ck_assert(!bpf_stats_counts_skipped(btf));
	btf__free(btf);

	btf = btf__new_empty();
	u32 = btf__add_int(btf, "u32", 4, 0);
	inner = btf__add_struct(btf, "", 8);
	btf__add_field(btf, "count", u32, 0, 0);
	btf__add_field(btf, "missed", u32, 32, 0);
	btf__add_struct(btf, "bpf_link_info", 8);
	btf__add_field(btf, "kprobe_multi", inner, 0, 0);
	ck_assert(bpf_stats_counts_skipped(btf));
	btf__free(btf);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = { test_no_relocation, test_formats, test_btf_path,
				       test_counts_skipped };

	return suite_run("plain", tests, sizeof(tests) / sizeof(tests[0]), NULL, NULL, 10);
}
