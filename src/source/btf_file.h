/* SPDX-License-Identifier: MIT */
/*
 * A file with the kernel's BTF, given by the configuration. A file of another build loads as well, and then fields are read at
 * wrong places, in silence. So it is a vmlinux with the build-id of the kernel that runs, or none. Private to the source room.
 */
#ifndef EDR_SOURCE_BTF_FILE_H
#define EDR_SOURCE_BTF_FILE_H

#include <stdbool.h>
#include <stddef.h>

#define BUILD_ID_MAX 64

struct build_id {
	unsigned char bytes[BUILD_ID_MAX];
	size_t n; /* 0: there is none */
};

/* The GNU build-id among ELF notes (elf(5)) of this machine's byte order, which may be damaged in any way. */
bool build_id_in_notes(const void *notes, size_t n, struct build_id *out);
/* Of the kernel that runs. 0; or -errno with a sentence in why. */
int build_id_of_kernel(struct build_id *out, char *why, size_t size);

/*
 * Opens the file if it is one that only root or our user may have made, an ELF file with a section .BTF, and of that build-id.
 * Its descriptor; or -errno with a sentence in why: what is wrong, and what to give instead.
 */
int btf_file_open(const char *path, const struct build_id *kernel, char *why, size_t size);

#endif
