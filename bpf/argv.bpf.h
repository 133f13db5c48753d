/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Strings of an exec into its record. */
#ifndef EDR_ARGV_BPF_H
#define EDR_ARGV_BPF_H

#define ARGV_CHUNK 4096

/* A kernel string to `at` in the record; its length without the NUL. */
static __always_inline u32 exec_string(struct scratch *s, u32 at, u32 max, const char *from)
{
	long n = bpf_probe_read_kernel_str(&s->data[at & 16383], max, from);
	char last = 0;

	/* What fills it to the end may have been longer: only execveat's "/dev/fd/N/..." can be. */
	if (n == max && (bpf_probe_read_kernel(&last, sizeof(last), from + max - 1) || last))
		s->hdr.flags |= EDR_F_PATH_TRUNCATED;
	return n > 0 && n <= max ? n - 1 : 0;
}

/* The arguments, which lie one behind the other in the new stack; bytes that were copied. */
static __always_inline u32 exec_argv(struct scratch *s, u32 at, u64 from, u64 bytes)
{
	u32 len = bytes > EDR_ARGV_MAX ? EDR_ARGV_MAX : bytes, done, part;

	s->exec.argv_bytes = bytes > 0xffffffff ? 0xffffffff : bytes;
	if (bytes > EDR_ARGV_MAX)
		s->hdr.flags |= EDR_F_TRUNCATED;
	if (len == 0 || !bpf_probe_read_user(&s->data[at & 16383], len, (void *)from))
		return len;
	/* A page has been swapped out already: take what is there, page by page. */
	for (done = 0; done < EDR_ARGV_MAX; done += ARGV_CHUNK) {
		if (done >= len)
			break;
		part = len - done;
		if (part > ARGV_CHUNK)
			part = ARGV_CHUNK;
		if (bpf_probe_read_user(&s->data[(at & 16383) + done], part, (void *)(from + done)))
			break;
	}
	s->hdr.flags |= EDR_F_ARGS_UNREADABLE;
	return done < len ? done : len;
}

#endif
