/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A cgroup made of plain files below a directory of the test's own, for what reads counters.
 *
 * Owner    counters_done() removes the files.
 * Context  Included after test.h.
 */
#include "container/stats.h"

struct counters {
	struct test_tmpdir dir;
	struct cgroup cg;
	struct cgroup_dir dirs[CGROUP_HIERARCHIES_MAX]; /* its own */
	struct arena arena;
};

static inline void counters_init(struct counters *c, enum cgroup_mode mode)
{
	*c = (struct counters){ .dir = test_tmpdir(), .cg.mode = mode };
	c->cg.dirs = c->dirs;
}

static inline void counters_done(struct counters *c)
{
	for (size_t i = 0; i < c->cg.n_dirs; i++)
		if (c->cg.dirs[i].fd >= 0)
			close(c->cg.dirs[i].fd);
	arena_done(&c->arena);
	test_tmpdir_remove(&c->dir);
}

static inline void counters_add_dir(struct counters *c, const char *name, uint32_t controllers)
{
	struct cgroup_dir *d = &c->cg.dirs[c->cg.n_dirs++];

	assert_ok(mkdirat(c->dir.fd, name, 0755));
	*d = (struct cgroup_dir){
		.path = arena_printf(&c->arena, "%s/%s", c->dir.path, name),
		.controllers = controllers,
		.v2 = c->cg.mode == CGROUP_MODE_V2,
		.fd = -EBADF,
	};
}

static inline void counters_put(struct counters *c, const char *file, const char *text)
{
	int fd = openat(c->dir.fd, file, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}
