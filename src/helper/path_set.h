/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Path set: which paths were seen, in eight bytes for each.
 *
 * Owner    The caller's struct; ended with path_set_done(), which accepts zero and done ones.
 * Errors   -ENOMEM.
 * Blocks   Never.
 * Context  Helper.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct path_set {
	uint64_t *sums; /* 0: free */
	size_t n, cap;
	uint64_t seed[2];
};

/* The path and each directory that leads to it. */
int path_set_add_all(struct path_set *s, const char *path);
bool path_set_has(const struct path_set *s, const char *path);
void path_set_done(struct path_set *s);
