/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * CPU list: sets of CPUs or memory nodes as the kernel's cpuset files write them, "0-3,7".
 *
 * Owner    The caller's: a flat struct of 1 KiB.
 * Errors   -EINVAL malformed, -ERANGE a number at or above the limit. Sources: spec/security.md 3.
 * Blocks   Never.
 * Context  Any.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

#define CPU_LIST_CPUS 8192
#define CPU_LIST_NODES 1024

struct cpu_list {
	uint64_t bits[CPU_LIST_CPUS / 64];
};

/*
 * Numbers and ranges (first <= last) below `limit`, split by commas; blanks around an entry are
 * taken, as is one line end. "" is the empty set.
 */
int cpu_list_parse(const char *text, unsigned int limit, struct cpu_list *ret, struct err *err);

bool cpu_list_has(const struct cpu_list *list, unsigned int cpu);
unsigned int cpu_list_count(const struct cpu_list *list);
/* One more than the highest number in the set; 0 when it is empty. */
unsigned int cpu_list_end(const struct cpu_list *list);
/* Append the shortest form: sorted, neighbours joined. */
void cpu_list_write(const struct cpu_list *list, struct buf *out);
