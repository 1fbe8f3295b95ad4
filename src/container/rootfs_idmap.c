/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An overlay takes its lower directories by name, and before Linux 6.15 only from mounts of the caller's namespace. So
 * each is cloned and mapped, and a child attaches them in a mount namespace of its own, where the host's table is not
 * touched, makes the overlay over them and hands it back as a detached tree. What the overlay stands on it keeps.
 */
#include "container/rootfs_idmap.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"

#define STACK_SIZE (32 * 1024)
#define LOWER_MAX 500 /* as many as an overlay takes */

/* ---- the user namespace ---- */

/* What a map file of the kernel takes, of "0:100000:65536,...". */
static int lines_of(const char *words, struct buf *out, struct err *err)
{
	const char *p = words;

	for (;;) {
		unsigned int inside, outside, size;
		int n = 0;

		if (sscanf(p, "%u:%u:%u%n", &inside, &outside, &size, &n) != 3 ||
			(p[n] && p[n] != ','))
			return err_set(err, -EINVAL, "'%s' is no map of ids", words);
		buf_addf(out, "%u %u %u\n", inside, outside, size);
		if (!p[n])
			break;
		p += n + 1;
	}
	return buf_ok(out) < 0 ? err_oom(err) : 0;
}

static int write_map(pid_t pid, const char *name, const char *words, struct err *err)
{
	auto_done(buf) struct buf lines = { 0 };
	auto_close int fd = -EBADF;
	char path[64];
	int r = lines_of(words, &lines, err);

	if (r < 0)
		return r;
	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	fd = fd_open(path, O_WRONLY, 0);
	r = fd < 0 ? fd : fd_write_full(fd, lines.data, lines.len);
	return r < 0 ? err_code(err, r, "write '%s' to %s", words, name) : 0;
}

static int hold_userns(void *unused)
{
	(void)unused;
	syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	while (syscall(SYS_ppoll, NULL, 0, NULL, NULL, 0) < 0)
		;
	return 0;
}

static int open_userns(const struct rootfs_idmap *map, int *ret, struct err *err)
{
	char stack[STACK_SIZE] __attribute__((aligned(16)));
	siginfo_t info;
	char path[64];
	/* no SIGCHLD: whoever reaps all children must not meet this one, and it is waited for here */
	pid_t pid = clone(hold_userns, stack + sizeof(stack), CLONE_VM | CLONE_NEWUSER, NULL);
	int r;

	if (pid < 0)
		return err_sys(err, "make a user namespace");
	r = write_map(pid, "uid_map", map->uids, err);
	if (r == 0)
		r = write_map(pid, "gid_map", map->gids, err);
	if (r == 0) {
		snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)pid);
		r = fd_open(path, O_RDONLY, 0);
		if (r < 0)
			err_code(err, r, "open the user namespace");
		else
			*ret = r;
	}
	kill(pid, SIGKILL);
	waitid(P_PID, (id_t)pid, &info, WEXITED | __WCLONE);
	return r < 0 ? r : 0;
}

static int open_mapped(const char *path, int userns, int *ret_tree, struct err *err)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)userns };
	auto_close int tree = open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

	if (tree < 0)
		return err_sys(err, "open '%s'", path);
	if (mount_setattr(tree, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
		return err_sys(err, "map the ids of '%s'", path);
	*ret_tree = take_fd(&tree);
	return 0;
}

/* ---- an overlay ---- */

struct overlay {
	int lower[LOWER_MAX];
	size_t n;
	const char *source, *data;
	unsigned long flags;
	int tree; /* in the descriptors that the child shares */
	int error;
};

static int compose(struct overlay *o)
{
	char name[24];

	/* A place that no overlay names, and that everyone has. */
	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0 ||
		mount("tmpfs", "/proc", "tmpfs", 0, "mode=700") < 0 ||
		syscall(SYS_chdir, "/proc") < 0 || mkdir("overlay", 0700) < 0)
		return -1;
	for (size_t i = 0; i < o->n; i++) {
		snprintf(name, sizeof(name), "%zu", i);
		if (mkdir(name, 0700) < 0 ||
			move_mount(o->lower[i], "", AT_FDCWD, name, MOVE_MOUNT_F_EMPTY_PATH) < 0)
			return -1;
	}
	if (mount(o->source, "overlay", "overlay", o->flags, o->data) < 0)
		return -1;
	o->tree = open_tree(AT_FDCWD, "overlay", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	return o->tree;
}

static int compose_in_child(void *arg)
{
	struct overlay *o = arg;

	o->error = compose(o) < 0 ? errno : 0;
	return 0;
}

static int open_overlay(struct overlay *o, struct err *err)
{
	char stack[STACK_SIZE] __attribute__((aligned(16)));
	siginfo_t info;
	pid_t pid = clone(compose_in_child, stack + sizeof(stack),
		CLONE_VM | CLONE_VFORK | CLONE_FILES | CLONE_NEWNS, o);

	if (pid < 0)
		return err_sys(err, "make a mount namespace");
	waitid(P_PID, (id_t)pid, &info, WEXITED | __WCLONE);
	return o->error ? err_code(err, -o->error, "overlay of %zu mapped directories", o->n) : 0;
}

/* The lower directories, each mapped, and their new names. */
static int open_lower(
	const char *list, int userns, struct overlay *o, struct buf *names, struct err *err)
{
	auto_free char *paths = strdup(list);
	char *rest = paths;
	int r = paths ? 0 : err_oom(err);

	for (char *path; r == 0 && (path = strsep(&rest, ":"));) {
		if (o->n == LOWER_MAX)
			return err_set(err, -E2BIG, "more than %d lower directories", LOWER_MAX);
		r = open_mapped(path, userns, &o->lower[o->n], err);
		if (r == 0)
			buf_addf(names, "%s%zu", o->n ? ":" : "", o->n);
		o->n += r == 0;
	}
	return r;
}

static int overlay_tree(const struct rootfs_idmap *map, int userns, struct overlay *o,
	const char *data, struct err *err)
{
	auto_done(buf) struct buf all = { 0 };
	int r;

	buf_addf(&all, "%s%slowerdir=", data ? data : "", str_empty(data) ? "" : ",");
	r = open_lower(map->lower, userns, o, &all, err);
	if (r == 0 && buf_ok(&all) < 0)
		r = err_oom(err);
	o->data = all.data;
	if (r == 0)
		r = open_overlay(o, err);
	for (size_t i = 0; i < o->n; i++)
		fd_close(o->lower[i]);
	return r;
}

int rootfs_idmap_mount(const struct rootfs_idmap *map, const char *type, const char *source,
	const char *target, unsigned long flags, const char *data, struct err *err)
{
	struct overlay o = { .source = source, .flags = flags, .tree = -EBADF };
	auto_close int userns = -EBADF, tree = -EBADF;
	int r;

	if (!map->uids || !map->gids)
		return err_set(err, -EINVAL, "a mount needs both uidmap and gidmap");
	if (!(flags & MS_BIND) && !(str_eq(type, "overlay") && map->lower))
		return err_set(err, -EINVAL, "ids of a mount of type '%s' cannot be mapped",
			type ? type : "");
	r = open_userns(map, &userns, err);
	if (r == 0 && (flags & MS_BIND))
		r = open_mapped(source, userns, &tree, err);
	else if (r == 0)
		r = overlay_tree(map, userns, &o, data, err);
	if (tree < 0)
		tree = o.tree;
	if (r == 0 && move_mount(tree, "", AT_FDCWD, target,
			      MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_SYMLINKS) < 0)
		r = err_sys(err, "mount what is mapped at '%s'", target);
	return r;
}
