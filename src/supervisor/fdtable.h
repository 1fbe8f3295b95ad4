/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Fd table: every fd that has to outlive a crash of the worker, by name: "7/i/out.pipe".
 * Nothing else in the supervisor owns such an fd; who uses one borrows its number. With a guardian
 * each is stored there too, and what a worker before us has stored is found here by its name.
 *
 * Owner    The table owns its fds; fdtable_done() closes them and accepts zero and done ones.
 * Errors   Negative errno.
 * Blocks   Never.
 * Context  Parent.
 */
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct guardian_link;

struct fdtable_entry {
	char *name;
	int fd;
};

struct fdtable {
	struct fdtable_entry *entries; /* sorted by name: a prefix is a range */
	size_t n;
	size_t cap;
	struct guardian_link *link; /* NULL: they end with us. Set before the first use. */
};

/*
 * Takes the fd over, also on failure (then it is closed). -EEXIST when the name is taken. It is durable after
 * guardian_link_flush().
 */
int fdtable_put(struct fdtable *ft, const char *name, int fd);
/* The same, but an fd of that name is replaced and closed. */
int fdtable_replace(struct fdtable *ft, const char *name, int fd);
/* All that was put and closed so far outlives us from here on. */
int fdtable_flush(struct fdtable *ft, struct err *err);
/* The guardian has closed what was closed here. False also while others' fds are on their way. */
bool fdtable_is_settled(const struct fdtable *ft);
/* The fd, still the table's; -ENOENT when there is none. */
int fdtable_get(struct fdtable *ft, const char *name);
/* Close and forget; unknown names are fine. Remove an fd from the loop first. */
void fdtable_close(struct fdtable *ft, const char *name);
/* All names that begin with this prefix. */
void fdtable_close_prefix(struct fdtable *ft, const char *prefix);
/* What came from the worker before us and that nobody has asked for. */
void fdtable_drop_unclaimed(struct fdtable *ft);
/* Closes ours; the guardian keeps its own. */
void fdtable_done(struct fdtable *ft);
