/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Clocks: CLOCK_BOOTTIME for deadlines, CLOCK_REALTIME for what people and clients read.
 * Nanoseconds.
 *
 * Errors   None.
 * Blocks   Never.
 * Context  Any.
 */
#include <stdint.h>

#define NS_PER_SEC 1000000000ull
#define NS_PER_MS 1000000ull
#define NS_PER_US 1000ull

uint64_t clock_boot_ns(void);
uint64_t clock_wall_ns(void);

/* RFC 3339 with nanoseconds, UTC: "2026-11-22T01:14:58.123456789Z". */
#define CLOCK_RFC3339_SIZE 40
const char *clock_rfc3339(uint64_t wall_ns, char out[CLOCK_RFC3339_SIZE]);
/* Parse what clock_rfc3339 (or Go's RFC3339Nano with any zone) writes; -EINVAL. */
int clock_parse_rfc3339(const char *s, uint64_t *ret_wall_ns);
