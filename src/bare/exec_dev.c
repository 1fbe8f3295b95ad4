/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Devices, links in /dev and the console. /dev of an image may be a link or hold traps: its directory is opened
 * without following links, nodes are made by single names in it, and a node that is there already must be the one
 * that was asked for (CVE-2026-41579, CVE-2025-52565).
 */
#include <asm/errno.h>
#include <asm/fcntl.h>
#include <asm/ioctls.h>
#include <asm/stat.h>
#include <asm/statfs.h>
#include <asm/termios.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <linux/stat.h>

#include "bare/exec.h"
#include "bare/resolve.h"

#define AT_REMOVEDIR_ 0x200
#define MNT_DETACH_ 2
#define MS_PRIVATE_ (1 << 18)

/* The kernel's userspace encoding of a device number. */
static uint64_t dev_encode(uint64_t major, uint64_t minor)
{
	return (minor & 0xff) | (major & 0xfff) << 8 | (minor & ~0xffull) << 12;
}

static long check_same(int dir, const char *name, uint32_t mode, uint64_t dev)
{
	struct stat st;
	long r = sys_call4(__NR_newfstatat, dir, name, &st, SYS_AT_SYMLINK_NOFOLLOW);

	if (r < 0)
		return r;
	if ((st.st_mode & S_IFMT) != (mode & S_IFMT))
		return -EEXIST;
	/* A fifo has no device number to compare (runc 1.3.6 does, and fails). */
	if ((mode & S_IFMT) != S_IFIFO && st.st_rdev != dev)
		return -EEXIST;
	return 0;
}

/* By a link of the image a node could hide what procfs shows: what protects it is done by the name /proc. */
static long attach_node(struct exec *x, int tree, const char *path)
{
	int target = exec_target_in_root(x, path, 0);
	long r = target;

	if (target < 0)
		return r;
	if (exec_in_procfs(target)) {
		x->detail = "a device leads into /proc by a link of the root file system";
		r = -EINVAL;
	} else {
		r = exec_attach(x, tree, target);
	}
	exec_drop(target);
	return r;
}

static long bind_node(struct exec *x, const char *host, const char *path)
{
	int tree = exec_clone_tree(x, SYS_AT_FDCWD, host, 0, 0, 0, MS_PRIVATE_);
	long r;

	x->detail = path;
	if (tree < 0)
		return tree;
	r = attach_node(x, tree, path);
	exec_drop(tree);
	return r;
}

/* Who runs in a user namespace makes no nodes, for containers without one of their own neither: the host's, if it is that. */
static long bind_instead(struct exec *x, const char *path, uint32_t mode, uint64_t dev)
{
	if (check_same(SYS_AT_FDCWD, path, mode, dev) < 0)
		return -EPERM;
	return bind_node(x, path, path);
}

long exec_op_mknod(struct exec *x, const struct plan_step *s)
{
	uint64_t dev = dev_encode(s->num[1] >> 32, s->num[1] & 0xffffffff);
	uint32_t uid = (uint32_t)(s->num[2] >> 32);
	uint32_t gid = (uint32_t)s->num[2];
	char name[256];
	int dir = exec_parent_in_root(x, exec_str(x, s->str[0]), name);
	long r;

	if (dir < 0)
		return dir;
	r = sys_call4(__NR_mknodat, dir, name, s->num[0], dev);
	if (r == -EEXIST)
		r = check_same(dir, name, (uint32_t)s->num[0], dev);
	else if (r == -EPERM)
		r = bind_instead(x, exec_str(x, s->str[0]), (uint32_t)s->num[0], dev);
	else if (r >= 0 && (uid || gid))
		r = sys_call5(__NR_fchownat, dir, name, uid, gid, SYS_AT_SYMLINK_NOFOLLOW);
	sys_close(dir);
	return r;
}

/* A detached tmpfs of the host's user namespace: its nodes can be opened. */
static long make_node(struct exec *x, uint64_t mode, uint64_t dev, uint32_t uid, uint32_t gid)
{
	long fs = sys_call2(__NR_fsopen, "tmpfs", FSOPEN_CLOEXEC);
	long tree;
	long r;

	if (fs < 0)
		return fs;
	sys_call5(__NR_fsconfig, fs, FSCONFIG_SET_STRING, "source", "tmpfs", 0);
	sys_call5(__NR_fsconfig, fs, FSCONFIG_SET_STRING, "nr_inodes", "2", 0);
	sys_call5(__NR_fsconfig, fs, FSCONFIG_SET_STRING, "mode", "0755", 0);
	r = sys_call5(__NR_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
	tree = r < 0 ? r
		     : sys_call3(__NR_fsmount, fs, FSMOUNT_CLOEXEC,
			       MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
	sys_close((int)fs);
	if (tree < 0)
		return tree;
	r = sys_call4(__NR_mknodat, tree, "d", mode, dev);
	if (r >= 0)
		r = sys_call5(__NR_fchownat, tree, "d", uid, gid, SYS_AT_SYMLINK_NOFOLLOW);
	if (r >= 0)
		return tree;
	exec_drop((int)tree);
	return r;
}

/*
 * On the host's side, whose root may make nodes: for names that the host lacks or has for another device. When it may not
 * either, the bind says what there is to say.
 */
long exec_op_device_node(struct exec *x, const struct plan_step *s)
{
	uint64_t dev = dev_encode(s->num[1] >> 32, s->num[1] & 0xffffffff);
	struct stat st;
	long r;

	if (sys_call4(__NR_newfstatat, SYS_AT_FDCWD, exec_str(x, s->str[0]), &st, 0) == 0 &&
		(st.st_mode & S_IFMT) == (s->num[0] & S_IFMT) &&
		((s->num[0] & S_IFMT) == S_IFIFO || st.st_rdev == dev))
		return 0;
	r = make_node(x, s->num[0], dev, (uint32_t)(s->num[2] >> 32), (uint32_t)s->num[2]);
	x->slots[s->fd[0]] = r < 0 ? -1 : (int)r;
	return 0;
}

/* Before Linux 6.15 only what is mounted can be copied: so over the container's root, for a moment. */
static long bind_made_node(struct exec *x, int made, const char *path)
{
	long cwd = sys_openat(SYS_AT_FDCWD, ".", O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
	long r = exec_attach(x, made, x->rootfd);
	int tree;

	x->detail = path;
	if (cwd < 0 || r < 0)
		return cwd < 0 ? cwd : r;
	tree = exec_clone_tree(x, made, "d", 0, 0, 0, MS_PRIVATE_);
	r = sys_call1(__NR_fchdir, made);
	if (r >= 0)
		r = sys_call2(__NR_umount2, ".", MNT_DETACH_);
	sys_call1(__NR_fchdir, cwd);
	sys_close((int)cwd);
	if (r >= 0)
		r = tree < 0 ? tree : attach_node(x, tree, path);
	if (tree >= 0)
		exec_drop(tree);
	return r;
}

long exec_op_device_bind(struct exec *x, const struct plan_step *s)
{
	int made = s->fd[0] == PLAN_SLOT_NONE ? -1 : x->slots[s->fd[0]];
	long r;

	if (made < 0)
		return bind_node(x, exec_str(x, s->str[0]), exec_str(x, s->str[0]));
	r = bind_made_node(x, made, exec_str(x, s->str[0]));
	exec_drop(made);
	x->slots[s->fd[0]] = -1;
	return r;
}

static long link_in(int dir, const char *target, const char *name, int replace)
{
	char now[256];
	long r = sys_call3(__NR_symlinkat, target, dir, name);
	long n;

	if (r != -EEXIST)
		return r;
	n = sys_readlinkat(dir, name, now, sizeof(now));
	if (n == (long)strlen(target) && memcmp(now, target, (size_t)n) == 0)
		return 0;
	if (!replace)
		return 0;
	r = sys_call3(__NR_unlinkat, dir, name, 0);
	if (r == -EISDIR)
		r = sys_call3(__NR_unlinkat, dir, name, AT_REMOVEDIR_);
	return r < 0 ? r : sys_call3(__NR_symlinkat, target, dir, name);
}

long exec_op_symlink(struct exec *x, const struct plan_step *s)
{
	char name[256];
	int dir = exec_parent_in_root(x, exec_str(x, s->str[1]), name);
	long r;

	if (dir < 0)
		return dir;
	r = link_in(dir, exec_str(x, s->str[0]), name, s->flags & PLAN_F_REPLACE);
	sys_close(dir);
	return r;
}

static int open_dev(struct exec *x)
{
	int dir;

	for (unsigned i = 0; i < x->n_fresh; i++)
		if (strcmp(x->fresh[i].path, "/dev") == 0)
			return x->fresh[i].fd;
	x->detail = "/dev";
	dir = resolve_no_links(x->rootfd, "/dev", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir != -ENOENT)
		return dir;
	return exec_mkdirs_in_root(x, "/dev", 0755);
}

long exec_op_default_devs(struct exec *x, const struct plan_step *s)
{
	static const struct {
		char name[8];
		unsigned char major, minor;
	} nodes[] = { { "null", 1, 3 }, { "zero", 1, 5 }, { "full", 1, 7 }, { "random", 1, 8 },
		{ "urandom", 1, 9 }, { "tty", 5, 0 } };
	static const char links[][2][16] = { { "/proc/self/fd", "fd" },
		{ "/proc/self/fd/0", "stdin" }, { "/proc/self/fd/1", "stdout" },
		{ "/proc/self/fd/2", "stderr" }, { "/proc/kcore", "core" },
		{ "pts/ptmx", "ptmx" } };
	int dir = open_dev(x), bound = 0;
	char path[16] = "/dev/";
	long r = 0;

	if (dir < 0)
		return dir;
	for (unsigned i = 0; r >= 0 && i < sizeof(nodes) / sizeof(nodes[0]); i++) {
		uint64_t dev = dev_encode(nodes[i].major, nodes[i].minor);

		memcpy(path + 5, nodes[i].name, 8);
		if (s->flags & PLAN_F_BIND) {
			r = bind_node(x, path, path);
			continue;
		}
		r = sys_call4(__NR_mknodat, dir, nodes[i].name, S_IFCHR | 0666, dev);
		if (r == -EEXIST)
			r = check_same(dir, nodes[i].name, S_IFCHR, dev);
		if (r == -EPERM) {
			bound = 1;
			r = bind_instead(x, path, S_IFCHR, dev);
		}
	}
	if (r >= 0 && !(s->flags & PLAN_F_BIND) && !bound)
		for (unsigned i = 0; i < x->n_fresh; i++)
			if (x->fresh[i].fd == dir)
				x->null_dir = dir;
	x->detail = "/dev";
	for (unsigned i = 0; r >= 0 && i < sizeof(links) / sizeof(links[0]); i++)
		r = link_in(dir, links[i][0], links[i][1], strcmp(links[i][1], "ptmx") == 0);
	return r; /* the fd goes with all others, it may be a file system's that is still needed */
}

static int open_slave(struct exec *x, int master)
{
	struct statfs st;
	int unlock = 0;
	long r;

	if (sys_call2(__NR_fstatfs, master, &st) < 0 || st.f_type != DEVPTS_SUPER_MAGIC) {
		x->detail = "/dev/pts/ptmx is not on devpts";
		return -ENODEV;
	}
	r = sys_call3(__NR_ioctl, master, TIOCSPTLCK, &unlock);
	if (r < 0)
		return (int)r;
	/* by the master, never by name: the name can be swapped */
	return (int)sys_call3(__NR_ioctl, master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
}

static long bind_console(struct exec *x, int slave)
{
	int tree = exec_clone_tree(x, slave, "", 0, 0, 0, MS_PRIVATE_);
	long r;

	if (tree < 0)
		return tree;
	r = attach_node(x, tree, "/dev/console");
	sys_close(tree);
	return r;
}

long exec_op_console(struct exec *x, const struct plan_step *s)
{
	struct winsize size = { (unsigned short)(s->num[0] >> 32), (unsigned short)s->num[0], 0,
		0 };
	int master = exec_open_in_root(x, "/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_NOFOLLOW, 0);
	int slave;
	long r = 0;

	if (master < 0)
		return master;
	slave = open_slave(x, master);
	if (slave < 0) {
		sys_close(master);
		return slave;
	}
	if (size.ws_row || size.ws_col)
		sys_call3(__NR_ioctl, slave, TIOCSWINSZ, &size);
	if (s->num[1])
		r = sys_call5(__NR_fchownat, slave, "", s->num[1], -1, SYS_AT_EMPTY_PATH);
	if (r >= 0 && !(s->flags & PLAN_F_NO_BIND))
		r = bind_console(x, slave);
	for (int i = 0; r >= 0 && i < 3; i++)
		r = sys_dup3(slave, i, 0);
	if (r >= 0)
		r = exec_send(x, PLAN_MSG_CONSOLE, 0, 0, NULL, master);
	sys_close(slave);
	sys_close(master);
	return r;
}

long exec_op_console_ctty(struct exec *x, const struct plan_step *s)
{
	return sys_call3(__NR_ioctl, 0, TIOCSCTTY, 0);
}

static int is_null(int fd)
{
	struct stat st;

	return sys_call2(__NR_fstat, fd, &st) == 0 && (st.st_mode & S_IFMT) == S_IFCHR &&
	       st.st_rdev == 0x103;
}

long exec_op_null_stdio(struct exec *x, const struct plan_step *s)
{
	long null = -1;
	int known = 0;

	for (int i = 0; i < 3; i++) {
		if (s->num[0] >> i & 1 || (!(s->num[0] >> (8 + i) & 1) && !is_null(i)))
			continue;
		if (null < 0 && x->null_dir >= 0) {
			null = sys_openat(
				x->null_dir, "null", O_RDWR | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC, 0);
			known = null >= 0; /* we have made it, and nobody can be there */
		}
		if (null < 0)
			null = exec_open_in_root(x, "/dev/null", O_RDWR | O_NOFOLLOW | O_NOCTTY, 0);
		if (null < 0)
			return 0; /* an image without the node keeps the host's open file */
		if (!known && !is_null((int)null))
			break;
		known = 1;
		sys_dup3((int)null, i, 0);
	}
	if (null >= 0)
		exec_drop((int)null);
	return 0;
}
