/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mounts, by fds only: a source is a detached tree or a new file system, its attributes are set while nobody can see
 * it, its target is a fd from the resolver. No path is looked up twice and nothing is remounted (spec/oci-runtime.md
 * 2.3). The container's root is attached over "/" of the new mount namespace; absolute paths still see the host's
 * tree until PIVOT, because a path walk starts below what is mounted on its own root. Who comes in by the namespace starts
 * above it, though: where there are hooks, the root is attached where they look for it, at its path.
 */
#include <asm/errno.h>
#include <asm/fcntl.h>
#include <asm/stat.h>
#include <asm/statfs.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <linux/stat.h>

#include "bare/exec.h"
#include "bare/resolve.h"

#define MNT_DETACH_ 2
#define UMOUNT_NOFOLLOW_ 8
#define MS_RDONLY_ 1
#define MS_MOVE_ 8192
#define MS_REC_ 16384
#define MS_PROPAGATION (MS_UNBINDABLE_ | MS_PRIVATE_ | MS_SLAVE_ | MS_SHARED_)
#define MS_UNBINDABLE_ (1 << 17)
#define MS_PRIVATE_ (1 << 18)
#define MS_SLAVE_ (1 << 19)
#define MS_SHARED_ (1 << 20)
#define ST_RDONLY_ 1
#define ST_NOSUID_ 2
#define ST_NODEV_ 4
#define ST_NOEXEC_ 8
#define ST_NOATIME_ 0x400
#define ST_NODIRATIME_ 0x800
#define ST_RELATIME_ 0x1000
#define ATTR_SIZE sizeof(struct mount_attr)
#define SYS "/sys"
#define SYS_CGROUP "/sys/" BELOW_SYS
#define BELOW_SYS "fs/cgroup"
#define PROC_TWIN \
	"/proc/driver" /* of the host's tree, which PIVOT leaves: every procfs has it, and it is of no use to us */

static long set_attr(int fd, unsigned at_flags, uint64_t set, uint64_t clr, uint64_t propagation)
{
	struct mount_attr a = {
		.attr_set = set, .attr_clr = clr, .propagation = propagation & MS_PROPAGATION
	};

	if (!set && !clr && !a.propagation)
		return 0;
	return sys_call5(__NR_mount_setattr, fd, "", SYS_AT_EMPTY_PATH | at_flags, &a, ATTR_SIZE);
}

static long set_attr_at(int fd, const char *name, unsigned at_flags, const struct plan_step *s)
{
	struct mount_attr a = { .attr_set = s->num[0],
		.attr_clr = s->num[1],
		.propagation = s->num[2] & MS_PROPAGATION };

	if (!a.attr_set && !a.attr_clr && !a.propagation)
		return 0;
	return sys_call5(__NR_mount_setattr, fd, name,
		(name[0] ? SYS_AT_SYMLINK_NOFOLLOW : SYS_AT_EMPTY_PATH) | at_flags, &a, ATTR_SIZE);
}

int exec_clone_tree(struct exec *x, int dirfd, const char *path, unsigned at_flags, uint64_t set,
	uint64_t clr, uint64_t propagation)
{
	struct mount_attr a = {
		.attr_set = set, .attr_clr = clr, .propagation = propagation & MS_PROPAGATION
	};
	unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | at_flags;
	int wanted = set || clr || a.propagation;
	long fd = -ENOSYS;
	long r;

	if (!path[0])
		flags |= SYS_AT_EMPTY_PATH;
	if (wanted && !x->tree_attr_missing) {
		fd = sys_call5(__NR_open_tree_attr, dirfd, path, flags, &a, ATTR_SIZE);
		x->tree_attr_missing = fd == -ENOSYS;
	}
	if (fd != -ENOSYS)
		return (int)fd;
	fd = sys_call3(__NR_open_tree, dirfd, path, flags);
	if (fd < 0 || !wanted)
		return (int)fd;
	r = sys_call5(__NR_mount_setattr, fd, "", SYS_AT_EMPTY_PATH | (at_flags & SYS_AT_RECURSIVE),
		&a, ATTR_SIZE);
	if (r < 0) {
		exec_drop((int)fd);
		return (int)r;
	}
	return (int)fd;
}

int exec_attach(struct exec *x, int tree, int target)
{
	return (int)sys_call5(__NR_move_mount, tree, "", target, "",
		MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
}

static int is_link(int fd)
{
	struct stat st;

	return sys_call2(__NR_fstat, fd, &st) == 0 && (st.st_mode & S_IFMT) == S_IFLNK;
}

/* The source when it is a link that is to be copied; -ENOENT: it is none. */
static int open_link(const char *path)
{
	long fd = sys_openat(SYS_AT_FDCWD, path, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0);

	if (fd < 0 || is_link((int)fd))
		return (int)fd;
	sys_close((int)fd);
	return -ENOENT;
}

/* MOUNT_ATTR_* of the top of a tree, but for nosymfollow. statfs(2) names relatime, mount_setattr(2) strictatime. */
static long flags_of_top(int fd)
{
	static const unsigned both[][2] = { { ST_RDONLY_, MOUNT_ATTR_RDONLY },
		{ ST_NOSUID_, MOUNT_ATTR_NOSUID }, { ST_NODEV_, MOUNT_ATTR_NODEV },
		{ ST_NOEXEC_, MOUNT_ATTR_NOEXEC }, { ST_NOATIME_, MOUNT_ATTR_NOATIME },
		{ ST_NODIRATIME_, MOUNT_ATTR_NODIRATIME } };
	struct statfs fs;
	long flags = 0;
	long r = sys_call2(__NR_fstatfs, fd, &fs);

	if (r < 0)
		return r;
	if (!(fs.f_flags & (ST_NOATIME_ | ST_RELATIME_)))
		flags = MOUNT_ATTR_STRICTATIME;
	for (unsigned i = 0; i < sizeof(both) / sizeof(both[0]); i++)
		if (fs.f_flags & both[i][0])
			flags |= both[i][1];
	return flags;
}

/*
 * The kernel lets nobody in a user namespace clear what restricts the mounts that came from outside, or change their
 * access times. Flags that nobody spoke of stay, then; what was asked for and cannot be is an error. As with runc.
 */
static long set_locked_top(struct exec *x, int fd, const struct plan_step *s)
{
	const uint64_t lockable =
		MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
	const uint64_t access_times = MOUNT_ATTR__ATIME | MOUNT_ATTR_NODIRATIME;
	uint64_t set = s->num[0];
	uint64_t clear = s->num[1] & 0xffffffff;
	long has = flags_of_top(fd);

	if (has < 0)
		return has;
	if (((uint64_t)has & lockable & s->num[1] >> 32) ||
		((clear & MOUNT_ATTR__ATIME) && ((set ^ (uint64_t)has) & access_times))) {
		x->detail = "error mounting it: operation not permitted for a flag that is locked "
			    "in a user namespace";
		return -EPERM;
	}
	clear &= ~(((uint64_t)has & lockable) | access_times);
	return set_attr(fd, 0, set & ~access_times, clear, 0);
}

static long set_top(struct exec *x, int fd, const struct plan_step *s)
{
	long r = -EPERM;

	if (!s->num[0] && !s->num[1])
		return 0;
	if (!(s->flags & PLAN_F_LOCKED))
		r = set_attr(fd, 0, s->num[0], s->num[1] & 0xffffffff, 0);
	return r == -EPERM ? set_locked_top(x, fd, s) : r;
}

long exec_op_tree(struct exec *x, const struct plan_step *s)
{
	unsigned rec = s->flags & PLAN_F_RECURSIVE ? SYS_AT_RECURSIVE : 0;
	unsigned nofollow = s->flags & PLAN_F_NOFOLLOW ? SYS_AT_SYMLINK_NOFOLLOW : 0;
	const char *path = exec_str(x, s->str[0]);
	int at = SYS_AT_FDCWD;
	int fd;
	long r;

	x->detail = path;
	if (s->flags & PLAN_F_COPY_LINK) {
		x->slots[s->fd[0]] = open_link(x->detail);
		if (x->slots[s->fd[0]] >= 0)
			return 0;
	}
	if (s->flags & PLAN_F_INSIDE) {
		at = exec_open_in_root(x, path, O_PATH, 0);
		if (at < 0)
			return at;
		path = "";
	}
	/* The attributes of the mount itself may differ from those for all below it ("ro" against "rro"):
	 * propagation and the recursive ones with the clone, the others on the top alone. */
	fd = exec_clone_tree(
		x, at, path, rec | nofollow, s->num[3] >> 32, s->num[3] & 0xffffffff, s->num[2]);
	if (at >= 0)
		exec_drop(at);
	if (fd == -ENOENT && (s->flags & PLAN_F_OPTIONAL))
		return 0;
	if (fd < 0)
		return fd;
	r = set_top(x, fd, s);
	if (r < 0) {
		sys_close(fd);
		return r;
	}
	x->slots[s->fd[0]] = fd;
	return 0;
}

long exec_op_idmap(struct exec *x, const struct plan_step *s)
{
	unsigned rec = s->flags & PLAN_F_RECURSIVE ? SYS_AT_RECURSIVE : 0;
	struct mount_attr a = { .attr_set = MOUNT_ATTR_IDMAP,
		.userns_fd = (uint64_t)x->slots[s->num[0]] };
	int *tree = &x->slots[s->fd[0]];
	long copy;
	long r;

	x->detail = exec_str(x, s->str[0]);
	r = sys_call5(__NR_mount_setattr, *tree, "", SYS_AT_EMPTY_PATH | rec, &a, ATTR_SIZE);
	if (r != -EPERM)
		return r;
	/* A copy of a mount that maps ids already keeps its map, unless it gets another one at birth (Linux 6.15). */
	copy = sys_call5(__NR_open_tree_attr, *tree, "",
		OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | SYS_AT_EMPTY_PATH | rec, &a, ATTR_SIZE);
	if (copy < 0)
		return r;
	exec_drop(*tree);
	*tree = (int)copy;
	return 0;
}

long exec_op_propagation(struct exec *x, const struct plan_step *s)
{
	long r;

	x->detail = "/";
	r = sys_call5(__NR_mount, NULL, "/", NULL, s->num[0], NULL);
	x->contained = r >= 0 && (s->num[0] & MS_REC_) && !(s->num[0] & MS_SHARED_);
	return r;
}

static long attach_root(const struct exec *x, const char *path)
{
	return sys_call5(
		__NR_move_mount, x->rootfd, "", SYS_AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH);
}

long exec_op_rootfs(struct exec *x, const struct plan_step *s)
{
	const char *path = exec_str(x, s->str[0]);
	long r;

	x->detail = path;
	if (s->flags & PLAN_F_CHROOT) {
		r = sys_openat(SYS_AT_FDCWD, path, O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
		if (r < 0)
			return r;
		x->rootfd = (int)r;
		/* an exec, among the processes of the container: nothing of the host may stay open */
		if (s->flags & PLAN_F_INSIDE)
			exec_close_rest(x);
		x->live = (s->flags & PLAN_F_LIVE) != 0;
		return 0;
	}
	x->rootfd = x->slots[s->fd[0]];
	r = -ENOENT;
	if (s->flags & PLAN_F_IN_PLACE) /* root of a user namespace may have no way to it */
		r = attach_root(x, path);
	if (r < 0)
		r = attach_root(x, "/");
	/* where hooks start; PIVOT goes there by itself */
	return r < 0 || !x->hooks ? r : sys_call1(__NR_fchdir, x->rootfd);
}

static int is_directory(int fd)
{
	struct stat st;

	return sys_call2(__NR_fstat, fd, &st) == 0 && (st.st_mode & S_IFMT) == S_IFDIR;
}

/* With top = "proc": "/proc" -> "", "/proc/x" -> "x"; NULL: the name is another's. */
static const char *below(const char *path, const char *top)
{
	while (*path == '/')
		path++;
	if (!exec_starts(path, top))
		return NULL;
	path += strlen(top);
	if (*path && *path != '/')
		return NULL;
	while (*path == '/')
		path++;
	return path;
}

static const char *below_proc(const char *path)
{
	return below(path, "proc");
}

/* What everything else is found by must be where it is called: on a directory, never behind a link (CVE-2019-19921). */
static int is_kernel_dir(const char *path)
{
	const char *proc = below(path, "proc");
	const char *sys = below(path, "sys");

	return (proc && !*proc) || (sys && !*sys);
}

/* The target of a mount; made when it is missing. */
static int open_target(struct exec *x, const char *path, int directory)
{
	int fd;

	if (!is_kernel_dir(path))
		return exec_target_in_root(x, path, directory);
	fd = resolve_no_links(x->rootfd, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd == -ENOENT)
		return exec_mkdirs_in_root(x, path, 0755);
	if (fd == -ELOOP) {
		x->detail = "/proc or /sys must be mounted on ordinary directory, not on a link";
		return -EINVAL;
	}
	return fd;
}

/* Only procfs, or a bind of a procfs root, goes on /proc; below it only what lxcfs serves (CVE-2019-16884). */
static long check_proc_target(struct exec *x, const char *path, int tree)
{
	static const char files[][24] = { "cpuinfo", "diskstats", "meminfo", "stat", "swaps",
		"uptime", "loadavg", "slabinfo", "net/dev", "sys/kernel/ns_last_pid",
		"sys/crypto/fips_enabled" };
	struct stat top;

	path = below_proc(path);
	if (!path)
		return 0;
	if (*path) {
		for (unsigned i = 0; i < sizeof(files) / sizeof(files[0]); i++)
			if (strcmp(path, files[i]) == 0)
				return 0;
		x->detail = "inside /proc only procfs files that lxcfs serves can be mounted";
		return -EINVAL;
	}
	if (exec_in_procfs(tree) && sys_call2(__NR_fstat, tree, &top) == 0 && top.st_ino == 1)
		return 0;
	x->detail = "only procfs can be mounted on /proc";
	return -EINVAL;
}

/* "/name" -> "name"; NULL when there is more to resolve. */
static const char *single_name(const char *path)
{
	while (*path == '/')
		path++;
	for (const char *p = path; *p; p++)
		if (*p == '/')
			return NULL;
	return !path[0] || strcmp(path, ".") == 0 || strcmp(path, "..") == 0 ? NULL : path;
}

/* In a file system of ours: make the target and attach by name, which is not followed. */
static long attach_fresh(struct exec *x, int tree, int parent, const char *name, int directory)
{
	long r;

	if (directory) {
		r = sys_mkdirat(parent, name, 0755);
	} else {
		r = sys_openat(
			parent, name, O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_RDONLY, 0);
		if (r >= 0)
			exec_drop((int)r);
	}
	if (r < 0 && r != -EEXIST)
		return r;
	return sys_call5(__NR_move_mount, tree, "", parent, name, MOVE_MOUNT_F_EMPTY_PATH);
}

/* A link at the end of the path is what the mount covers. */
static long attach_nofollow(struct exec *x, int tree, const char *path, int directory)
{
	char name[256];
	int parent = exec_parent_in_root(x, path, name);
	long r;

	if (parent < 0)
		return parent;
	r = !below_proc(path) && exec_in_procfs(parent)
		    ? -EINVAL
		    : attach_fresh(x, tree, parent, name, directory);
	exec_drop(parent);
	return r;
}

/*
 * From here on a name of the image's, or a mount of the configuration's, may stand below /sys: what is mounted there
 * next is resolved.
 */
static void leave_sys(struct exec *x)
{
	unsigned kept = 0;

	x->sys = -1;
	x->cgroup2_attrs = 0;
	for (unsigned i = 0; i < x->n_fresh; i++)
		if (x->fresh[i].from == strlen(x->fresh[i].path))
			x->fresh[kept++] = x->fresh[i];
	x->n_fresh = kept;
}

static long attach(
	struct exec *x, int tree, const char *path, int directory, const struct plan_step *s)
{
	const char *name;
	int copy_up = s->flags & PLAN_F_COPY_UP;
	int target = copy_up ? -ENOENT : exec_fresh_parent(x, path, &name);
	long r;

	x->detail = path;
	if (s->op == PLAN_MOUNT_TREE && (s->flags & PLAN_F_NOFOLLOW)) {
		leave_sys(x);
		return attach_nofollow(x, tree, path, directory);
	}
	if (target >= 0) {
		if (exec_starts(path, SYS))
			leave_sys(x);
		return attach_fresh(x, tree, target, name, directory);
	}
	/* A name in the root that is no link (which is not followed) needs no resolving; anything else does. */
	name = copy_up || !directory ? NULL : single_name(path);
	if (name &&
		sys_call5(__NR_move_mount, tree, "", x->rootfd, name, MOVE_MOUNT_F_EMPTY_PATH) >= 0)
		return 0;
	leave_sys(x);
	target = open_target(x, path, directory);
	if (target < 0)
		return target;
	/* By a link of the image: all that is done by the name /proc, masks first of all, would be done behind this. */
	if (!below_proc(path) && exec_in_procfs(target)) {
		x->detail = "it leads into /proc, where only procfs files that lxcfs serves can be "
			    "mounted";
		exec_drop(target);
		return -EINVAL;
	}
	r = s->flags & PLAN_F_COPY_UP ? exec_copy_up(x, target, tree) : 0;
	if (r >= 0)
		r = exec_attach(x, tree, target);
	exec_drop(target);
	return r;
}

/* A mount over a file system of ours, or over what it stands on, hides it: its fd is no longer what the path means. */
static void forget_fresh(struct exec *x, const char *path)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < x->n_fresh; i++)
		if (!exec_starts(x->fresh[i].path, path))
			x->fresh[kept++] = x->fresh[i];
	x->n_fresh = kept;
}

static long attach_in_root(
	struct exec *x, int tree, const char *path, int directory, const struct plan_step *s)
{
	/* a procfs that we have just made is one */
	long r = s->op == PLAN_MOUNT_FS && strcmp(exec_str(x, s->str[0]), "proc") == 0 &&
				 strcmp(path, "/proc") == 0
			 ? 0
			 : check_proc_target(x, path, tree);

	if (r >= 0)
		r = attach(x, tree, path, directory, s);
	if (r < 0)
		return r;
	/* What lies there must be read-only as well: that takes a copy of all that is mounted. */
	if (below_proc(path) && tree != x->proc)
		x->proc = -1;
	forget_fresh(x, path);
	/* MOUNT_FS trees are new: only what was asked. MOUNT_TREE ones got theirs with the clone but for shared. */
	return set_attr(tree, s->num[2] & MS_REC_ ? SYS_AT_RECURSIVE : 0, 0, 0, s->num[2]);
}

/* True: the fd is kept, for if a later step fails. */
static int note_added(struct exec *x, int tree)
{
	if (!x->live || x->n_added >= PLAN_LIVE_MAX)
		return 0;
	x->added[x->n_added++] = tree;
	return 1;
}

/* By the mounts themselves: names may have got another meaning, and /proc is the container's. */
void exec_undo_mounts(struct exec *x)
{
	while (x->n_added > 0)
		if (sys_call1(__NR_fchdir, x->added[--x->n_added]) >= 0)
			sys_call2(__NR_umount2, ".", MNT_DETACH_);
}

/*
 * No link on the way: whoever runs in there must not choose what is unmounted, which may be what hides something from
 * him. Nor by a path of /proc, which is his.
 */
long exec_op_umount(struct exec *x, const struct plan_step *s)
{
	const char *path = exec_str(x, s->str[0]);
	size_t n = strlen(path);
	int parent;
	long r;

	x->detail = path;
	while (n > 0 && path[n - 1] != '/')
		n--;
	if (!path[n] || n >= sizeof(x->text))
		return -EINVAL;
	memcpy(x->text, path, n);
	x->text[n] = 0;
	parent = resolve_no_links(x->rootfd, n ? x->text : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (parent < 0)
		return parent;
	r = sys_call1(__NR_fchdir, parent);
	exec_drop(parent);
	if (r >= 0)
		r = sys_call2(__NR_umount2, path + n, MNT_DETACH_ | UMOUNT_NOFOLLOW_);
	if (r == -EINVAL)
		x->detail = "nothing is mounted there";
	return r;
}

static int has_link(int dir, const char *name, const char *target)
{
	char there[EXEC_PATH_MAX];
	long n = sys_readlinkat(dir, name, there, sizeof(there) - 1);

	if (n < 0)
		return 0;
	there[n] = 0;
	return strcmp(there, target) == 0;
}

/* The source's link, made anew; one that is there and says the same will do. */
static long copy_link(struct exec *x, int link, const char *path)
{
	char target[EXEC_PATH_MAX];
	char name[256];
	long n = sys_readlinkat(link, "", target, sizeof(target) - 1);
	int parent;
	long r;

	if (n < 0)
		return n;
	target[n] = 0;
	parent = exec_parent_in_root(x, path, name);
	if (parent < 0)
		return parent;
	x->detail = path;
	r = sys_call3(__NR_symlinkat, target, parent, name);
	if (r == -EEXIST && has_link(parent, name, target))
		r = 0;
	exec_drop(parent);
	return r;
}

long exec_op_mount_tree(struct exec *x, const struct plan_step *s)
{
	int *slot = &x->slots[s->fd[0]];
	long r;

	if (*slot < 0 && (s->flags & PLAN_F_OPTIONAL))
		return 0;
	if (s->flags & PLAN_F_COPY_LINK && is_link(*slot))
		r = copy_link(x, *slot, exec_str(x, s->str[0]));
	else
		r = attach_in_root(x, *slot, exec_str(x, s->str[0]),
			s->flags & PLAN_F_DIRECTORY || is_directory(*slot), s);
	if (r < 0 || is_link(*slot) || !note_added(x, *slot))
		exec_drop(*slot);
	*slot = -1;
	return r;
}

/* "key=value\0flag\0..." to fsconfig; the last message of the file system is the best text there is. */
static long configure(struct exec *x, int fs, const struct plan_step *s)
{
	const char *p = exec_blob(x, s);
	const char *end = p + s->blob_len;
	const char *source = exec_str(x, s->str[2]);
	char key[256];
	long r = 0;

	if (source)
		r = sys_call5(__NR_fsconfig, fs, FSCONFIG_SET_STRING, "source", source, 0);
	for (; r >= 0 && p && p < end; p += strlen(p) + 1) {
		size_t n = 0;

		while (p[n] && p[n] != '=')
			n++;
		if (n >= sizeof(key))
			return -EINVAL;
		memcpy(key, p, n);
		key[n] = 0;
		x->detail = p;
		r = p[n] ? sys_call5(__NR_fsconfig, fs, FSCONFIG_SET_STRING, key, p + n + 1, 0)
			 : sys_call5(__NR_fsconfig, fs, FSCONFIG_SET_FLAG, key, NULL, 0);
	}
	if (r < 0)
		return r;
	x->detail = exec_str(x, s->str[1]);
	return sys_call5(__NR_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
}

static void read_fs_message(struct exec *x, int fs)
{
	long n = sys_read(fs, x->text, sizeof(x->text) - 1);

	if (n < 3)
		return;
	while (n > 0 && x->text[n - 1] == '\n')
		n--;
	x->text[n] = 0;
	x->detail = x->text + 2; /* "e message" */
}

/* tmpfs without mode= takes the mode of the directory that it covers, as mount(8) users expect from peers. */
static void inherit_mode(struct exec *x, int fs, const char *path)
{
	char value[8];
	struct stat st;
	int fd = exec_open_in_root(x, path, O_PATH | O_DIRECTORY, 0);

	if (fd < 0)
		return;
	if (sys_call2(__NR_fstat, fd, &st) == 0) {
		for (int i = 0; i < 4; i++)
			value[i] = (char)('0' + (st.st_mode >> (9 - 3 * i) & 7));
		value[4] = 0;
		sys_call5(__NR_fsconfig, fs, FSCONFIG_SET_STRING, "mode", value, 0);
	}
	sys_close(fd);
}

/* Options that are flags of the superblock: mount(2) would pass them to the file system as data. */
static int is_super_flag(const char *word)
{
	return strcmp(word, "sync") == 0 || strcmp(word, "dirsync") == 0 ||
	       strcmp(word, "lazytime") == 0 || strcmp(word, "mand") == 0;
}

/* The length of "context=" where this is one without quotes: SELinux takes them off for mount(2), and for fsconfig not. */
static size_t bare_context(const char *word)
{
	static const char keys[][13] = { "context=", "fscontext=", "defcontext=", "rootcontext=" };

	for (unsigned i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (exec_starts(word, keys[i]))
			return word[strlen(keys[i])] != '"' ? strlen(keys[i]) : 0;
	return 0;
}

/* "a\0b\0" as "a,b" in x->text; 0 when that cannot be said to mount(2). A label may have commas. */
static int join_options(struct exec *x, const struct plan_step *s)
{
	const char *p = exec_blob(x, s);
	const char *end = p + s->blob_len;
	size_t n = 0;

	x->text[0] = 0;
	for (; p && p < end; p += strlen(p) + 1) {
		size_t key = bare_context(p);

		if (is_super_flag(p) || n + strlen(p) + 4 > sizeof(x->text))
			return 0;
		if (n)
			x->text[n++] = ',';
		memcpy(x->text + n, p, key);
		n += key;
		if (key)
			x->text[n++] = '"';
		memcpy(x->text + n, p + key, strlen(p + key) + 1);
		n += strlen(p + key);
		if (key)
			x->text[n++] = '"';
		x->text[n] = 0;
	}
	return 1;
}

/* Attributes that are the same number for mount(2), and the access times that have another one there. */
static unsigned long mount_flags(uint64_t attr)
{
	unsigned long flags = attr & (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);

	if ((attr & MOUNT_ATTR__ATIME) == MOUNT_ATTR_NOATIME)
		flags |= 1024;
	if ((attr & MOUNT_ATTR__ATIME) == MOUNT_ATTR_STRICTATIME)
		flags |= 1ul << 24;
	return flags | (attr & MOUNT_ATTR_NODIRATIME ? 2048 : 0);
}

/* Only the kernel and we have made what lies directly in one: no link of the image. */
static int is_blank(const char *type)
{
	static const char types[][8] = { "proc", "tmpfs", "sysfs", "devpts", "mqueue", "cgroup",
		"cgroup2" };

	for (unsigned i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (strcmp(type, types[i]) == 0)
			return 1;
	return 0;
}

static void remember_fresh(struct exec *x, const struct plan_step *s, int fd, unsigned from)
{
	const char *path = exec_str(x, s->str[1]);

	if (is_blank(exec_str(x, s->str[0])) && fd < EXEC_LAZY_FDS && x->n_fresh < EXEC_FRESH_MAX)
		x->fresh[x->n_fresh++] = (struct exec_fresh){ path, fd, from };
}

#define SIMPLE_ATTRS \
	(MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC | MOUNT_ATTR__ATIME | \
		MOUNT_ATTR_NODIRATIME)

/*
 * The kernel has made this directory, and every one on the way to it: nothing to resolve, and no fd of its own. cgroup2 has
 * one superblock, which is mounted already and does not become read-only with us.
 */
static long mount_cgroup_root(struct exec *x, const struct plan_step *s)
{
	uint64_t attrs = SIMPLE_ATTRS;
	char target[300];
	unsigned from = sizeof(SYS) - 1;
	long r;

	if (strcmp(exec_str(x, s->str[0]), "cgroup2") == 0)
		attrs |= MOUNT_ATTR_RDONLY;
	if (x->sys < 0 || s->flags || s->num[2] || s->fd[0] >= 0 || (s->num[0] & ~attrs) ||
		!join_options(x, s))
		return -ENOSYS;
	x->detail = SYS_CGROUP;
	r = sys_call5(__NR_mount, exec_str(x, s->str[2]), exec_fd_path(x->sys, BELOW_SYS, target),
		exec_str(x, s->str[0]), mount_flags(s->num[0]) | (s->num[0] & MOUNT_ATTR_RDONLY),
		x->text);
	if (r < 0)
		return -ENOSYS; /* the long way says why */
	x->cgroup2_attrs = attrs & MOUNT_ATTR_RDONLY ? s->num[0] : 0;
	forget_fresh(x, SYS_CGROUP);
	remember_fresh(x, s, x->sys, from);
	return 0;
}

/*
 * In a file system of ours a name is safe, and one mount(2) does the work of eight calls. -ENOSYS: not this way. What
 * a superblock would keep (read-only) and what needs the mount's fd afterwards goes the long way.
 */
static long mount_by_name(struct exec *x, const struct plan_step *s)
{
	const char *path = exec_str(x, s->str[1]);
	const char *source = exec_str(x, s->str[2]);
	const char *name;
	char target[300];
	int parent = exec_fresh_parent(x, path, &name);
	long r;

	if (strcmp(path, SYS_CGROUP) == 0)
		return mount_cgroup_root(x, s);
	if (parent < 0 || (s->flags & ~PLAN_F_INHERIT_MODE) || s->num[2] || s->fd[0] >= 0 ||
		s->str[3] || (s->num[0] & ~(uint64_t)SIMPLE_ATTRS) || exec_starts(path, "/proc") ||
		!join_options(x, s))
		return -ENOSYS;
	if (exec_starts(path, SYS))
		leave_sys(x);
	x->detail = path;
	r = sys_mkdirat(parent, name, 0755);
	if (r < 0) /* what exists may be a mount of its own, with a mode to inherit */
		return -ENOSYS;
	r = sys_call5(__NR_mount, source, exec_fd_path(parent, name, target),
		exec_str(x, s->str[0]), mount_flags(s->num[0]), x->text);
	return r == -ENOENT ? -ENOSYS : r;
}

/* fsconfig takes one option at a time, of at most 255 bytes: overlay's directories are longer, and some join theirs. */
static int is_joined(const struct exec *x, const struct plan_step *s)
{
	const char *p = exec_blob(x, s);
	const char *end = p + s->blob_len;

	for (; p && p < end; p += strlen(p) + 1) {
		size_t n = 0;

		while (p[n] && (p[n] != ',' || bare_context(p)))
			n++;
		if (p[n] || n > 255)
			return 1;
	}
	return 0;
}

/* For a later step: PIVOT closes it with all others. */
static void keep_mount(struct exec *x, const struct plan_step *s, int fd)
{
	if (s->fd[0] >= 0)
		x->slots[s->fd[0]] = fd;
	else
		exec_drop(fd);
}

/* Such options go to mount(2), which leaves their commas to the file system; the target is an fd nevertheless. */
static long mount_joined(struct exec *x, const struct plan_step *s)
{
	const char *path = exec_str(x, s->str[1]);
	char at[300];
	int target;
	long r;

	x->detail = path;
	if (!join_options(x, s))
		return -E2BIG;
	target = exec_target_in_root(x, path, 1);
	if (target < 0)
		return target;
	r = exec_in_procfs(target)
		    ? -EINVAL
		    : sys_call5(__NR_mount, exec_str(x, s->str[2]), exec_fd_path(target, "", at),
			      exec_str(x, s->str[0]),
			      mount_flags(s->num[0]) | (s->num[0] & MOUNT_ATTR_RDONLY), x->text);
	sys_close(target);
	if (r < 0)
		return r;
	leave_sys(x);
	forget_fresh(x, path);
	target = exec_open_in_root(x, path, O_PATH, 0);
	if (target < 0)
		return target;
	r = set_attr(target, 0, s->num[0] & MOUNT_ATTR_NOSYMFOLLOW, 0, s->num[2]);
	keep_mount(x, s, target);
	return r;
}

long exec_op_bind_dir(struct exec *x, const struct plan_step *s)
{
	const char *path = exec_str(x, s->str[0]);
	const char *source = exec_str(x, s->str[1]);
	const char *name;
	char target[300];
	int parent = exec_fresh_parent(x, path, &name);
	int tree;
	long r;

	x->detail = path;
	if (parent >= 0) {
		if (exec_starts(path, SYS) && !exec_starts(path, SYS_CGROUP "/"))
			leave_sys(x);
		r = sys_mkdirat(parent, name, 0755);
		return r < 0 ? r
			     : sys_call5(__NR_mount, source, exec_fd_path(parent, name, target),
				       NULL, 4096 /* MS_BIND */, NULL);
	}
	tree = exec_clone_tree(x, SYS_AT_FDCWD, source, 0, 0, 0, MS_PRIVATE_);
	if (tree < 0)
		return tree;
	r = attach_in_root(x, tree, path, 1, s);
	exec_drop(tree);
	return r;
}

/* Read-only for this mount alone: as a flag of mount(2) it would be that of all mounts of the file system. */
static long open_aside(struct exec *x, const char *path, uint64_t attr)
{
	struct mount_attr a = { .attr_set = attr & MOUNT_ATTR_RDONLY };
	long fd;
	long r;

	if (a.attr_set && !x->tree_attr_missing) {
		fd = sys_call5(
			__NR_open_tree_attr, SYS_AT_FDCWD, path, OPEN_TREE_CLOEXEC, &a, ATTR_SIZE);
		if (fd != -ENOSYS)
			return fd;
		x->tree_attr_missing = 1;
	}
	fd = sys_openat(SYS_AT_FDCWD, path, O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
	if (fd < 0 || !a.attr_set)
		return fd;
	r = set_attr((int)fd, 0, a.attr_set, 0, 0);
	if (r < 0) {
		exec_drop((int)fd);
		return r;
	}
	return fd;
}

/*
 * One mount(2) on a directory of the host that no image has a say in, in our own mount namespace, and from there to its
 * place: three calls for five and more. Returns its fd; -ENOSYS: not this way, or not without saying why.
 */
/*
 * procfs at its twin's place, and a copy of that mount for the container: what is to be read-only in there is then bound
 * from the twin, which is so as a whole, by one call each instead of two or three.
 */
static long mount_twin(struct exec *x, const struct plan_step *s)
{
	long fd;

	if (!x->n_below_proc || s->num[0] & MOUNT_ATTR_RDONLY ||
		strcmp(exec_str(x, s->str[1]), "/proc") != 0 || x->proc >= 0 ||
		sys_call5(__NR_mount, exec_str(x, s->str[2]), PROC_TWIN, "proc",
			mount_flags(s->num[0]), x->text) < 0)
		return -ENOSYS;
	fd = sys_call3(
		__NR_open_tree, SYS_AT_FDCWD, PROC_TWIN, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (fd < 0)
		return -ENOSYS;
	if (fd < EXEC_LAZY_FDS)
		x->proc = (int)fd;
	return fd;
}

static long mount_aside(struct exec *x, const struct plan_step *s)
{
	const uint64_t simple = SIMPLE_ATTRS | MOUNT_ATTR_RDONLY;
	const char *type = exec_str(x, s->str[0]);
	long twin;

	if (!x->contained || s->flags || (s->num[0] & ~simple) ||
		(strcmp(type, "proc") != 0 && strcmp(type, "sysfs") != 0 &&
			strcmp(type, "tmpfs") != 0) ||
		!join_options(x, s))
		return -ENOSYS;
	twin = strcmp(type, "proc") == 0 ? mount_twin(x, s) : -ENOSYS;
	if (twin >= 0)
		return twin;
	if (sys_call5(__NR_mount, exec_str(x, s->str[2]), "/proc", type, mount_flags(s->num[0]),
		    x->text) < 0)
		return -ENOSYS;
	return open_aside(x, "/proc", s->num[0]);
}

/* A new file system that is attached nowhere yet: the kernel's own words when it will not be made. */
static long mount_detached(struct exec *x, const struct plan_step *s)
{
	const char *path = exec_str(x, s->str[1]);
	long tree;
	long fs;
	long r;

	x->detail = exec_str(x, s->str[0]);
	fs = sys_call2(__NR_fsopen, x->detail, FSOPEN_CLOEXEC);
	if (fs < 0)
		return fs;
	if (s->flags & PLAN_F_INHERIT_MODE)
		inherit_mode(x, (int)fs, path);
	r = configure(x, (int)fs, s);
	if (r < 0) {
		read_fs_message(x, (int)fs);
		sys_close((int)fs);
		return r;
	}
	tree = sys_call3(__NR_fsmount, fs, FSMOUNT_CLOEXEC, s->num[0]);
	exec_drop((int)fs);
	return tree;
}

static long set_label(struct exec *x, int tree, const struct plan_step *s)
{
	const char *label = exec_str(x, s->str[3]);
	char path[300];

	if (!label)
		return 0;
	x->detail = label;
	return sys_call5(__NR_setxattr, exec_fd_path(tree, "", path), "security.selinux", label,
		strlen(label), 0);
}

long exec_op_mount_fs(struct exec *x, const struct plan_step *s)
{
	const char *type = exec_str(x, s->str[0]);
	const char *path = exec_str(x, s->str[1]);
	long tree;
	long r = x->live ? -ENOSYS : mount_by_name(x, s);

	if (r != -ENOSYS)
		return r;
	if (!(s->flags & PLAN_F_COPY_UP) && is_joined(x, s)) {
		x->detail = "options with commas, or of more than 255 bytes, need the set-up of a "
			    "container";
		return x->live ? -EINVAL : mount_joined(x, s);
	}
	tree = mount_aside(x, s);
	if (tree == -ENOSYS)
		tree = mount_detached(x, s);
	if (tree < 0)
		return tree;
	r = set_label(x, (int)tree, s);
	if (r >= 0)
		r = attach_in_root(x, (int)tree, path, 1, s);
	if (r >= 0 && s->fd[0] >= 0)
		x->slots[s->fd[0]] = (int)tree;
	if (r >= 0 && note_added(x, (int)tree))
		return r;
	if (r < 0 || (s->flags & PLAN_F_COPY_UP) || tree >= EXEC_LAZY_FDS) {
		if (r < 0 || s->fd[0] < 0)
			exec_drop((int)tree);
		return r;
	}
	remember_fresh(x, s, (int)tree, (unsigned)strlen(path));
	if (strcmp(type, "sysfs") == 0 && strcmp(path, SYS) == 0)
		x->sys = (int)tree;
	return r;
}

/*
 * What a cgroup2 that was mounted by name is already: new, in a private sysfs of ours, so private too. Access times are
 * the default's unless it was asked for others.
 */
static int is_so_already(const struct exec *x, const struct plan_step *s)
{
	return x->cgroup2_attrs && s->fd[0] < 0 && s->num[0] == x->cgroup2_attrs &&
	       !(s->num[1] & ~(uint64_t)MOUNT_ATTR__ATIME) &&
	       !(s->num[0] & (MOUNT_ATTR__ATIME | MOUNT_ATTR_NODIRATIME)) &&
	       (s->num[2] & MS_PROPAGATION & ~MS_PRIVATE_) == 0 &&
	       strcmp(exec_str(x, s->str[0]), SYS_CGROUP) == 0;
}

long exec_op_remount(struct exec *x, const struct plan_step *s)
{
	const char *path = exec_str(x, s->str[0]);
	unsigned rec = s->flags & PLAN_F_RECURSIVE ? SYS_AT_RECURSIVE : 0;
	int fd;
	long r;

	x->detail = path;
	if (is_so_already(x, s)) {
		x->cgroup2_attrs = 0; /* whoever asks again has his reasons */
		return 0;
	}
	if (s->fd[0] >= 0)
		return set_attr(x->slots[s->fd[0]], rec, s->num[0], s->num[1], s->num[2]);
	for (unsigned i = 0; i < x->n_fresh; i++)
		if (strcmp(x->fresh[i].path, path) == 0)
			return set_attr_at(x->fresh[i].fd,
				path[x->fresh[i].from] ? path + x->fresh[i].from + 1 : "", rec, s);
	fd = exec_open_in_root(x, path, O_PATH, 0);
	if (fd < 0)
		return fd;
	r = set_attr(fd, rec, s->num[0], s->num[1], s->num[2]);
	exec_drop(fd);
	return r;
}

/* The host's /dev/null, verified: the only file that ever hides another (CVE-2025-31133). */
static int open_null(struct exec *x)
{
	struct stat st;
	long fd;

	if (x->host_null >= 0)
		return x->host_null;
	fd = sys_openat(SYS_AT_FDCWD, "/dev/null", O_PATH | O_NOFOLLOW | O_CLOEXEC, 0);
	if (fd < 0)
		return (int)fd;
	if (sys_call2(__NR_fstat, fd, &st) < 0 || (st.st_mode & S_IFMT) != S_IFCHR ||
		st.st_rdev != 0x103) {
		sys_close((int)fd);
		x->detail = "/dev/null is not the null device";
		return -ENODEV;
	}
	x->host_null = (int)fd;
	return x->host_null;
}

/* Read-only: the node is the host's, and its mode must not be changed from inside. */
static int null_tree(struct exec *x)
{
	int fd = open_null(x);

	return fd < 0 ? fd
		      : exec_clone_tree(x, fd, "", 0,
				MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, 0,
				MS_PRIVATE_);
}

static int empty_tree(struct exec *x, const struct plan_step *s)
{
	long fs;
	long r;

	if (x->empty_dir >= 0)
		return exec_clone_tree(x, x->empty_dir, "", 0, 0, 0, 0);
	fs = sys_call2(__NR_fsopen, "tmpfs", FSOPEN_CLOEXEC);
	if (fs < 0)
		return (int)fs;
	r = configure(x, (int)fs, s);
	x->detail = exec_str(x, s->str[0]);
	if (r >= 0)
		r = sys_call3(__NR_fsmount, fs, FSMOUNT_CLOEXEC,
			MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
				MOUNT_ATTR_NOEXEC);
	sys_close((int)fs);
	return (int)r;
}

/* What lies at `path`: in a file system of ours its directory and name, else an O_PATH fd and "". */
struct place {
	int fd;
	const char *name;
	int fresh;
};

/* The links of procfs and those that we make in /dev: to be followed, below the container's root. */
static int is_known_link(const char *name)
{
	static const char names[][12] = { "self", "thread-self", "mounts", "net", "fd", "stdin",
		"stdout", "stderr", "core", "ptmx" };

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(name, names[i]) == 0)
			return 1;
	return 0;
}

static int find_place(struct exec *x, const char *path, struct place *p)
{
	x->detail = path;
	p->fd = exec_fresh_parent(x, path, &p->name);
	p->fresh = p->fd >= 0 && !is_known_link(p->name);
	if (p->fresh)
		return 0;
	p->name = "";
	p->fd = exec_open_in_root(x, path, O_PATH, 0);
	return p->fd < 0 ? p->fd : 0;
}

static void leave_place(const struct place *p)
{
	if (!p->fresh)
		exec_drop(p->fd);
}

static long attach_at(const struct place *p, int tree)
{
	return sys_call5(__NR_move_mount, tree, "", p->fd, p->name,
		MOVE_MOUNT_F_EMPTY_PATH | (p->fresh ? 0 : MOVE_MOUNT_T_EMPTY_PATH));
}

static long mask_at(struct exec *x, const struct plan_step *s, const struct place *p)
{
	struct stat st;
	long r = sys_call4(
		__NR_newfstatat, p->fd, p->name, &st, SYS_AT_SYMLINK_NOFOLLOW | SYS_AT_EMPTY_PATH);
	int directory = (st.st_mode & S_IFMT) == S_IFDIR;
	int tree;

	if (r < 0)
		return r;
	tree = directory ? empty_tree(x, s) : null_tree(x);
	if (tree < 0)
		return tree;
	r = attach_at(p, tree);
	if (r >= 0 && directory && x->empty_dir < 0)
		x->empty_dir = tree; /* attached now: can be cloned for the next one */
	else
		exec_drop(tree);
	return r;
}

/* Only an absent target is fine; any other failure must not leave the path open. */
static int is_absent(long r)
{
	return r == -ENOENT || r == -ENOTDIR;
}

/* Of what is usually masked in procfs and sysfs. A wrong guess costs a call, nothing else. */
static int is_directory_by_name(const char *name)
{
	return strcmp(name, "acpi") == 0 || strcmp(name, "asound") == 0 ||
	       strcmp(name, "scsi") == 0 || strcmp(name, "firmware") == 0;
}

static long mask_directory(struct exec *x, const struct plan_step *s, const char *target)
{
	if (!join_options(x, s))
		return -E2BIG;
	return sys_call5(__NR_mount, exec_str(x, s->str[2]), target, "tmpfs",
		MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC,
		x->text);
}

/* Both ends in file systems of ours: one or two mount(2) by name. */
static long mask_by_name(struct exec *x, const struct plan_step *s, const struct place *p)
{
	char null[300];
	char target[300];
	long r;

	exec_fd_path(p->fd, p->name, target);
	if (is_directory_by_name(p->name)) {
		r = mask_directory(x, s, target);
		if (r != -ENOTDIR)
			return r;
	}
	r = sys_call5(__NR_mount, exec_fd_path(x->null_dir, "null", null), target, NULL,
		4096 /* MS_BIND */, NULL);
	return r == -ENOTDIR ? mask_directory(x, s, target) : r; /* else a file, or absent */
}

long exec_op_mask(struct exec *x, const struct plan_step *s)
{
	struct place p;
	long r = find_place(x, exec_str(x, s->str[0]), &p);

	if (r >= 0) {
		r = p.fresh && x->null_dir >= 0 ? mask_by_name(x, s, &p) : mask_at(x, s, &p);
		leave_place(&p);
	}
	return is_absent(r) ? 0 : r;
}

/* From the twin, which is made read-only the first time. -ENOSYS: not this way. */
static long bind_from_twin(struct exec *x, const struct place *p)
{
	struct mount_attr a = { .attr_set = MOUNT_ATTR_RDONLY };
	char source[300];
	char target[300];
	long r;

	if (!p->fresh || p->fd != x->proc || x->proc < 0 ||
		exec_join(source, sizeof(source), PROC_TWIN "/", p->name) < 0)
		return -ENOSYS;
	if (!x->twin_readonly) {
		r = sys_call5(__NR_mount_setattr, SYS_AT_FDCWD, PROC_TWIN, 0, &a, ATTR_SIZE);
		if (r < 0)
			return -ENOSYS;
		x->twin_readonly = 1;
	}
	r = sys_call5(__NR_mount, source, exec_fd_path(p->fd, p->name, target), NULL,
		4096 /* MS_BIND */, NULL);
	return r < 0 && !is_absent(r) ? -ENOSYS : r;
}

long exec_op_readonly(struct exec *x, const struct plan_step *s)
{
	struct place p;
	long r = find_place(x, exec_str(x, s->str[0]), &p);
	int tree;

	if (r < 0)
		return is_absent(r) ? 0 : r;
	r = bind_from_twin(x, &p);
	if (r == -ENOSYS) {
		tree = exec_clone_tree(x, p.fd, p.name, SYS_AT_RECURSIVE | SYS_AT_SYMLINK_NOFOLLOW,
			MOUNT_ATTR_RDONLY, 0, 0);
		r = tree;
		if (tree >= 0) {
			r = attach_at(&p, tree);
			exec_drop(tree);
		}
	}
	leave_place(&p);
	return is_absent(r) ? 0 : r;
}

/*
 * In a user namespace's mount namespace the host's mounts are locked and cannot be unmounted. Then they are covered, all that
 * are left: the next may lie below the first at the same place, and what covers that one is not locked.
 */
static long leave_mounts(struct exec *x, const struct plan_step *s)
{
	const char *path = exec_str(x, s->str[1]);
	int locked = 0;

	for (uint64_t i = 0; i < s->num[0]; i++) {
		long r = 0;

		x->detail = path;
		if (!locked)
			r = sys_call2(__NR_umount2, path, MNT_DETACH_ | UMOUNT_NOFOLLOW_);
		locked |= r == -EINVAL || r == -EPERM;
		if (locked)
			r = sys_call5(
				__NR_mount, "tmpfs", path, "tmpfs", MS_RDONLY_, "size=4k,mode=0");
		if (r < 0 && r != -ENOENT) /* went with what it was in */
			return r;
		path += strlen(path) + 1;
	}
	return 0;
}

static long leave_by_move(struct exec *x, const struct plan_step *s)
{
	long r = sys_call5(__NR_mount, ".", "/", NULL, MS_MOVE_, NULL);

	/* ROOTFS has put it over "/" already: -EINVAL, or -ELOOP since Linux 6.17 */
	if (r < 0 && r != -EINVAL && r != -ELOOP)
		return r;
	r = leave_mounts(x, s);
	return r < 0 ? r : sys_call1(__NR_chroot, ".");
}

long exec_op_pivot(struct exec *x, const struct plan_step *s)
{
	long r = sys_call1(__NR_fchdir, x->rootfd);

	if (r < 0)
		return r;
	if (s->flags & PLAN_F_CHROOT) {
		r = sys_call1(__NR_chroot, ".");
	} else if (s->flags & PLAN_F_MOVE) {
		r = leave_by_move(x, s);
	} else {
		r = sys_call2(__NR_pivot_root, ".", ".");
		if (r >= 0) /* the old root lies over the new one now */
			r = sys_call2(__NR_umount2, ".", MNT_DETACH_);
	}
	/* pivot_root(2) leaves us where we were: in the new root */
	if (r >= 0 && (s->flags & (PLAN_F_CHROOT | PLAN_F_MOVE)))
		r = sys_call1(__NR_chdir, "/");
	x->at_root = r >= 0;
	exec_close_rest(x);
	return r;
}

long exec_op_root_attr(struct exec *x, const struct plan_step *s)
{
	struct mount_attr a = { .attr_set = s->num[0], .propagation = s->num[2] & MS_PROPAGATION };
	unsigned rec = s->num[2] & MS_REC_ ? SYS_AT_RECURSIVE : 0;
	long r = 0;

	x->detail = "/";
	if (a.propagation) {
		struct mount_attr p = { .propagation = a.propagation };

		r = sys_call5(__NR_mount_setattr, SYS_AT_FDCWD, "/", rec, &p, ATTR_SIZE);
	}
	if (r >= 0 && a.attr_set) {
		a.propagation = 0;
		r = sys_call5(__NR_mount_setattr, SYS_AT_FDCWD, "/", 0, &a, ATTR_SIZE);
	}
	return r;
}
