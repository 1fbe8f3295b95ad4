/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Journal of a cgroup: what the writes of an update replace, so that one of them that fails leaves the container as it
 * was.
 *
 * Owner    The caller's, ended with cgroup_journal_done(), which accepts zero. cgroup_update() has every write noted.
 * Errors   None: what could not be noted is not undone.
 * Blocks   Never.
 * Context  Parent.
 */
#include <stdbool.h>
#include <stddef.h>

#include "base/mem.h"

struct cgroup_dir;

struct cgroup_journal_entry {
	const struct cgroup_dir *dir;
	const char *file;
	const char *before; /* what to write */
	bool done;
};

struct cgroup_journal {
	struct arena arena;
	struct cgroup_journal_entry *v;
	size_t n, cap;
};

void cgroup_journal_note(
	struct cgroup_journal *j, const struct cgroup_dir *d, const char *file, const char *value);
/* Write back, the last one first; what the kernel refuses then, once more behind the others. False: not all of it. */
bool cgroup_journal_undo(struct cgroup_journal *j);
void cgroup_journal_done(struct cgroup_journal *j);

/* Pure: what must be written to `file` to undo the writing of `value`, when it said `text` before. */
const char *cgroup_journal_inverse(
	struct arena *a, const char *file, const char *value, const char *text, bool v2);
