/* SPDX-License-Identifier: MIT */
/* A name that is taken by another report: id-2, id-3, ... */
#ifndef EDR_REPORT_COPY_H
#define EDR_REPORT_COPY_H

#include "report/report.h"

#define REPORT_MAX_COPIES 99

/*
 * Writes the report under the first name that is free, or that has this very report; into name goes
 * which, or the one that failed. json tells the name from then on; after an error it is as it was,
 * or empty without memory. 0; -EEXIST when all names are taken; -errno.
 */
int report_write_copy(struct report_store *s, const char *level, const char *id, struct buf *json,
		      char *name, size_t size);
/* Its name is in the head. */
int report_write_copy_text(struct report_store *s, const char *level, const char *id,
			   struct report_text *text, char *name, size_t size);

#endif
