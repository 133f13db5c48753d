/* SPDX-License-Identifier: MIT */
/* The clocks, read here and nowhere downstream. */
#ifndef EDR_SOURCE_CLOCK_H
#define EDR_SOURCE_CLOCK_H

#include "edr/wire.h"

edr_u64 source_boot_ns(void); /* CLOCK_BOOTTIME */

/* CLOCK_REALTIME minus CLOCK_BOOTTIME, read as one: the closest of a few pairs. */
edr_s64 source_wall_offset_ns(void);

#endif
