/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process that enters has a copy of each file until it closes them, and a member of its pid namespace with CAP_SYS_PTRACE
 * may be faster. By a directory it would climb to the host's root, so the v2 one is a mount of its own, attached nowhere.
 *
 * What surprises: the last close of such a mount waits for a grace period. That is why it is made here and kept, not made
 * by the executor, where the process that is to start would be the last one.
 */
#include "container/cgroup_entry.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "container/cgroup_dir.h"

static int attached_nowhere(const char *path)
{
	struct mount_attr a = { .attr_set = MOUNT_ATTR_RDONLY, .propagation = MS_PRIVATE };
	auto_close int fd = open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

	/* No mounts may be made: then nobody inside has the right to look at us either. */
	if (fd < 0 && errno == EPERM)
		return fd_open(path, O_PATH | O_DIRECTORY, 0);
	if (fd < 0 || mount_setattr(fd, "", AT_EMPTY_PATH, &a, sizeof(a)) < 0)
		return -errno;
	return take_fd(&fd);
}

static void start(struct cgroup_entry *e, const struct cgroup *cg)
{
	*e = (struct cgroup_entry){
		.of = cg, .procs = -EBADF, .dir = -EBADF, .events = -EBADF, .freezer = -EBADF
	};
}

static bool open_v2(struct cgroup_entry *e, const struct cgroup_dir *d)
{
	e->procs = cgroup_file_open(d, 0, "cgroup.procs", O_WRONLY);
	e->dir = e->procs < 0 ? -EBADF : attached_nowhere(d->path);
	return e->dir >= 0;
}

static bool open_v1(struct cgroup_entry *e, const struct cgroup_dir *d)
{
	int fd = cgroup_file_open(d, 0, "tasks", O_WRONLY);

	if (fd < 0)
		return false;
	e->tasks[e->n_tasks++] = fd;
	if (!(d->controllers & CGROUP_BIT(CGROUP_FREEZER)))
		return true;
	e->freezer = cgroup_file_open(d, 0, "freezer.state", O_RDONLY);
	return e->freezer >= 0;
}

static bool open_dir(struct cgroup_entry *e, const struct cgroup_dir *d)
{
	if (!d->v2)
		return open_v1(e, d);
	e->events = cgroup_file_open(d, 0, "cgroup.events", O_RDONLY);
	return e->events >= 0 && open_v2(e, d);
}

bool cgroup_entry_open(struct cgroup_entry *e, const struct cgroup *cg)
{
	if (e->of == cg)
		return true;
	cgroup_entry_done(e);
	start(e, cg);
	for (size_t i = 0; i < cg->n_dirs; i++)
		if (!open_dir(e, &cg->dirs[i])) {
			cgroup_entry_done(e);
			return false;
		}
	return true;
}

bool cgroup_entry_open_dir(struct cgroup_entry *e, const struct cgroup *cg)
{
	cgroup_entry_done(e);
	start(e, cg);
	for (size_t i = 0; i < cg->n_dirs; i++)
		if (cg->dirs[i].v2 && open_v2(e, &cg->dirs[i]))
			return true;
	cgroup_entry_done(e);
	return false;
}

/* A cgroup that is gone freezes nobody. */
static bool says(int fd, char text[CGROUP_VALUE_SIZE])
{
	ssize_t n = fd < 0 ? -1 : pread(fd, text, CGROUP_VALUE_SIZE - 1, 0);

	if (n < 0)
		return false;
	text[n] = '\0';
	return true;
}

bool cgroup_entry_frozen(const struct cgroup_entry *e)
{
	char text[CGROUP_VALUE_SIZE];
	uint64_t frozen;

	if (says(e->events, text) && cgroup_keyed(text, "frozen", &frozen) == 0 && frozen)
		return true;
	return says(e->freezer, text) && !str_starts(text, "THAWED");
}

void cgroup_entry_done(struct cgroup_entry *e)
{
	if (!e->of)
		return;
	fd_close_all(e->tasks, e->n_tasks);
	fd_close_all((int[]){ e->procs, e->dir, e->events, e->freezer }, 4);
	*e = (struct cgroup_entry){ 0 };
}

void cgroup_entry_forget(struct cgroup_entry *e, const struct cgroup *cg)
{
	if (e->of == cg)
		cgroup_entry_done(e);
}
