// SPDX-License-Identifier: MIT
/*
 * silent attr FILE CONTENT	a file system of one file whose server never tells the agent what stat(2) asks
 * silent read FILE CONTENT	one whose server never answers who reads
 * silent stay			a process that does nothing: what `silent attr` may serve
 * silent lock FILE		a process that keeps its memory map locked: it maps a file of `silent read`
 *
 * The first two mount over FILE and write "mounted"; all end when they are killed, and the mount is then for umount. 77: this
 * host has no FUSE.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define UNREAD_MS 5 /* until the page that nobody answers is asked for */

static int fuse = -1;
static char content[1 << 20], request[FUSE_MIN_READ_BUFFER + (64 << 10)];
static size_t content_len;
static unsigned opened;

static void answer(const struct fuse_in_header *in, int error, const void *data, size_t len)
{
	struct fuse_out_header out = { (unsigned)(sizeof(out) + len), -error, in->unique };
	struct iovec parts[] = { { &out, sizeof(out) }, { (void *)data, len } };

	if (writev(fuse, parts, 2) < 0 && errno != ENOENT)
		perror("silent: writev");
}

static void answer_init(const struct fuse_in_header *in)
{
	struct fuse_init_out out = { .major = FUSE_KERNEL_VERSION, .minor = 31, .max_write = 4096 };

	answer(in, 0, &out, sizeof(out));
}

static void answer_attr(const struct fuse_in_header *in)
{
	struct fuse_attr_out out = { .attr = { .ino = FUSE_ROOT_ID,
					       .size = content_len,
					       .blocks = content_len / 512 + 1,
					       .mode = S_IFREG | 0755,
					       .nlink = 1,
					       .blksize = 4096 } };

	answer(in, 0, &out, sizeof(out));
}

/* The second one does without the page cache: to map it waits for the page that is being read. */
static void answer_open(const struct fuse_in_header *in, int direct)
{
	struct fuse_open_out out = { .fh = ++opened };

	out.open_flags = direct && opened > 1 ? FOPEN_DIRECT_IO : 0;
	answer(in, 0, &out, sizeof(out));
}

static void answer_read(const struct fuse_in_header *in)
{
	const struct fuse_read_in *r = (const void *)(in + 1);
	const size_t from = r->offset < content_len ? (size_t)r->offset : content_len;
	const size_t rest = content_len - from;

	answer(in, 0, content + from, r->size < rest ? r->size : rest);
}

static int agent_asks(const struct fuse_in_header *in)
{
	char path[32], comm[32] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%u/comm", in->pid);
	f = fopen(path, "re");
	if (!f)
		return 0;
	if (!fgets(comm, sizeof(comm), f))
		comm[0] = '\0';
	fclose(f);
	return !strncmp(comm, "linux-edr", 9);
}

static void serve(const struct fuse_in_header *in, int no_read)
{
	switch (in->opcode) {
	case FUSE_INIT:
		answer_init(in);
		return;
	case FUSE_GETATTR:
		if (no_read || !agent_asks(in))
			answer_attr(in);
		else
			puts("not answered: stat");
		return;
	case FUSE_OPEN:
		answer_open(in, no_read);
		return;
	case FUSE_READ:
		if (no_read)
			puts("not answered: read");
		else
			answer_read(in);
		return;
	case FUSE_FORGET:
	case FUSE_INTERRUPT:
	case FUSE_BATCH_FORGET:
		return;
	default:
		answer(in, ENOSYS, NULL, 0);
	}
}

static int mount_over(const char *file, const char *from)
{
	char options[96];
	FILE *f = fopen(from, "re");

	if (!f)
		return 1;
	content_len = fread(content, 1, sizeof(content), f);
	fclose(f);
	fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (fuse < 0)
		return 77;
	snprintf(options, sizeof(options), "fd=%d,rootmode=100000,user_id=0,group_id=0,allow_other",
		 fuse);
	return mount("silent", file, "fuse", 0, options) ? 77 : 0;
}

static void *touch(void *page)
{
	return (void *)(size_t) * (volatile char *)page;
}

static void *map(void *fd)
{
	return mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, *(int *)fd, 0);
}

static int lock_map(const char *file)
{
	int cached = open(file, O_RDONLY | O_CLOEXEC), direct = open(file, O_RDONLY | O_CLOEXEC);
	pthread_t first, second;
	struct stat st;
	char *page;

	if (cached < 0 || direct < 0 || fstat(cached, &st))
		return 1;
	page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, cached, 0);
	if (page == MAP_FAILED || pthread_create(&first, NULL, touch, page))
		return 1;
	usleep(UNREAD_MS * 1000);
	if (pthread_create(&second, NULL, map, &direct))
		return 1;
	pause();
	return 0;
}

int main(int argc, char **argv)
{
	const int no_read = argc > 1 && !strcmp(argv[1], "read");
	int status;

	if (argc == 2 && !strcmp(argv[1], "stay"))
		return pause();
	if (argc == 3 && !strcmp(argv[1], "lock"))
		return lock_map(argv[2]);
	if (argc != 4)
		return 64;
	setvbuf(stdout, NULL, _IOLBF, 0);
	status = mount_over(argv[2], argv[3]);
	if (status) {
		perror("silent");
		return status;
	}
	puts("mounted");
	while (read(fuse, request, sizeof(request)) > 0)
		serve((const void *)request, no_read);
	return 0;
}
