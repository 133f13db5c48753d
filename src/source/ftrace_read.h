/* SPDX-License-Identifier: MIT */
/*
 * All CPUs' buffers of our instances, read into one order of time. The CPU that has been read least far is read next, so
 * that what waits for older events of others is at most a page a CPU, and an event a CPU when the batch is half full.
 */
#ifndef EDR_SOURCE_FTRACE_READ_H
#define EDR_SOURCE_FTRACE_READ_H

#include "source/batch.h"
#include "source/ftrace_format.h"
#include "source/ftrace_fs.h"
#include "source/ftrace_pages.h"
#include "source/ftrace_record.h"

struct ft_reader {
	const struct ft_formats *formats;
	struct ft_translate *translate;
	struct ft_cpu *cpus; /* all of the first instance, then all of the second */
	unsigned n_cpus;     /* of all instances together */
	int epoll;
	const struct ft_fs *fs;
	int proc;	    /* descriptor of /proc, -1: do not look */
	int cgroup;	    /* see cgroup_open_root() */
	struct batch batch; /* of struct ft_item */
	struct buf scratch;
	bool drained;	     /* the last round emptied every buffer */
	edr_u64 complete_ns; /* nothing older can come any more; never goes back */
	edr_u64 settled_ns;  /* all up to it was translated in the last round */
	edr_u64 fill;	     /* the most that one buffer had in the last round, in bytes */
};

/* An event on its way through the batch: the raw bytes follow, then, at a multiple of 8, what /proc said. */
struct ft_item {
	struct edr_hdr hdr; /* time, CPU, length */
	edr_u32 raw_size;
	edr_u32 snapshot_size;
};

/* batch_bytes 0: as many as a storm needs. */
int ft_reader_open(struct ft_reader *r, const struct ft_fs *fs, size_t page_size,
		   size_t batch_bytes);
void ft_reader_close(struct ft_reader *r);
/* Opens the buffers of CPUs that have come since; -errno of the last that could not be opened. */
int ft_reader_cpus(struct ft_reader *r);

/* "0-3,8-11": 12, one more than the highest number; 0: none. */
unsigned ft_cpus_of(const char *list);
/* Reads what there is. The time up to which the batch is complete; a failed read in *error. */
edr_u64 ft_reader_gather(struct ft_reader *r, edr_u64 slack_ns, int *error);
/*
 * The time up to which all may be translated, `complete_ns` at most: an exec waits until nothing
 * can come any more from before the look at /proc, so that another exec in between is known.
 */
edr_u64 ft_reader_settled(const struct ft_reader *r);
/* Translates all up to that time. How many events that was. */
size_t ft_reader_deliver(struct ft_reader *r, edr_u64 until_ns);
/*
 * A round: reads what there is, translates what is settled. Where the batch is full, execs wait no
 * longer for their look at /proc; where it holds nothing but events that are too new, all go, out of
 * order. How many events that was.
 */
size_t ft_reader_round(struct ft_reader *r, edr_u64 slack_ns, int *error);
/*
 * Raw events that the buffers of each instance have lost so far; -errno of one that does not say
 * it.
 */
int ft_reader_lost(struct ft_reader *r, edr_u64 lost[FT_INSTANCES]);
edr_u64 ft_reader_damaged(const struct ft_reader *r);

#endif
