/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The resolver. The walk keeps a stack of directory fds, so that ".." goes back to the directory
 * that was really passed and never asks the kernel for a parent, which a concurrent rename may have
 * moved out of the root. What was seen to be no link is opened with O_NOFOLLOW; if it has become
 * one meanwhile, the walk starts again.
 *
 * It differs from the kernel in harmless ways: a link in procfs below its top directory is taken
 * for a magic one, more than 255 levels are refused, and "dir/" needs search permission on dir.
 */
#include <asm/errno.h>
#include <asm/fcntl.h>
#include <asm/stat.h>
#include <asm/statfs.h>
#include <linux/magic.h>

#include "bare/resolve.h"
#include "bare/sys.h"

#define TRIES 128
#define LINKS 40
#define DEPTH 256
#define PATH_SIZE 4096
#define PROC_TOP_INODE 1
#define TYPE_MASK 0170000 /* S_IFMT: <linux/stat.h> hides it from the library */
#define TYPE_DIR 0040000
#define TYPE_LINK 0120000
#define MOUNT_NOSYMFOLLOW 0x2000 /* in f_flags */

struct walk {
	int stack[DEPTH]; /* [0] is the root and not ours to close */
	int depth;
	int links;
	char rest[PATH_SIZE];
};

static unsigned length(const char *s)
{
	unsigned n = 0;

	while (s[n])
		n++;
	return n;
}

static int by_openat2(int rootfd, const char *path, int flags, unsigned mode, uint64_t resolve)
{
	struct sys_open_how how = { (uint64_t)(unsigned)flags, 0, resolve };
	long fd = -EAGAIN;

	if (flags & O_CREAT)
		how.mode = mode & 07777;
	for (int i = 0; i < TRIES && (fd == -EAGAIN || fd == -EINTR); i++)
		fd = sys_openat2(rootfd, path, &how);
	return (int)fd;
}

static void leave(struct walk *w, int to)
{
	while (w->depth > to)
		sys_close(w->stack[w->depth--]);
}

/* Cut the next component off w->rest into name: 1, 0 at the end, or negative. */
static int cut(struct walk *w, char name[256], int *is_last, int *must_be_dir)
{
	unsigned i = 0;
	unsigned n = 0;
	unsigned k;

	while (w->rest[i] == '/')
		i++;
	for (; w->rest[i + n] && w->rest[i + n] != '/'; n++) {
		if (n == 255)
			return -ENAMETOOLONG;
		name[n] = w->rest[i + n];
	}
	name[n] = 0;
	*must_be_dir = w->rest[i + n] == '/';
	i += n;
	for (k = i; w->rest[k] == '/'; k++)
		;
	*is_last = !w->rest[k];
	for (k = 0; w->rest[i + k]; k++)
		w->rest[k] = w->rest[i + k];
	w->rest[k] = 0;
	return n != 0;
}

/* Links of procfs lead past every root, but for those in its top directory (self, mounts, net):
 * plain text. */
static int may_follow(const struct walk *w, int link)
{
	struct statfs fs;
	struct stat st;
	long r = sys_call2(__NR_fstatfs, link, &fs);

	if (r < 0)
		return (int)r;
	if (fs.f_flags & MOUNT_NOSYMFOLLOW)
		return -ELOOP;
	if (fs.f_type != PROC_SUPER_MAGIC)
		return 0;
	r = sys_call2(__NR_fstat, w->stack[w->depth], &st);
	if (r < 0)
		return (int)r;
	return st.st_ino == PROC_TOP_INODE ? 0 : -ELOOP;
}

static int prepend(struct walk *w, int link)
{
	char target[PATH_SIZE];
	long n = may_follow(w, link);
	unsigned m = length(w->rest);

	if (n == 0)
		n = sys_readlinkat(link, "", target, sizeof(target));
	sys_close(link);
	if (n < 0)
		return (int)n;
	if (++w->links > LINKS)
		return -ELOOP;
	if ((unsigned)n + m + 1 > sizeof(w->rest))
		return -ENAMETOOLONG;
	for (unsigned k = m + 1; k-- > 0;)
		w->rest[(unsigned)n + k] = w->rest[k];
	for (long k = 0; k < n; k++)
		w->rest[k] = target[k];
	if (target[0] == '/')
		leave(w, 0);
	return 0;
}

/* Open what was no link, or not there, a moment ago. */
static int open_seen(
	int dir, const char *name, int seen, const struct stat *st, int flags, unsigned mode)
{
	long fd;

	if (seen >= 0 && flags & O_PATH) {
		/* Opened again by name it could be a link, which O_PATH would hand out. */
		if (!(flags & O_DIRECTORY) || (st->st_mode & TYPE_MASK) == TYPE_DIR)
			return seen;
		sys_close(seen);
		return -ENOTDIR;
	}
	if (seen >= 0)
		sys_close(seen);
	fd = sys_openat(dir, name, flags | O_NOFOLLOW, mode);
	return fd == -ELOOP ? -EAGAIN : (int)fd;
}

/* Open the last component; a link there is followed unless the caller said otherwise. */
static int finish(
	struct walk *w, const char *name, int flags, unsigned mode, int *again, int links_allowed)
{
	int dir = w->stack[w->depth];
	struct stat st = { 0 };
	long fd, r;

	if (flags & O_NOFOLLOW || (flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL))
		return (int)sys_openat(dir, name, flags | O_NOFOLLOW, mode);
	fd = sys_openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0);
	if (fd < 0)
		return fd == -ENOENT && flags & O_CREAT ? open_seen(dir, name, -1, &st, flags, mode)
							: (int)fd;
	r = sys_call2(__NR_fstat, fd, &st);
	if (r == 0 && (st.st_mode & TYPE_MASK) != TYPE_LINK)
		return open_seen(dir, name, (int)fd, &st, flags, mode);
	if (r == 0 && links_allowed) {
		*again = 1;
		return prepend(w, (int)fd);
	}
	sys_close((int)fd);
	return r < 0 ? (int)r : -ELOOP;
}

static int enter(struct walk *w, const char *name, int links_allowed)
{
	struct stat st;
	long r;
	long fd = sys_openat(w->stack[w->depth], name, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0);

	if (fd < 0)
		return (int)fd;
	r = sys_call2(__NR_fstat, fd, &st);
	if (r == 0 && (st.st_mode & TYPE_MASK) == TYPE_LINK && links_allowed)
		return prepend(w, (int)fd);
	if (r == 0 && (st.st_mode & TYPE_MASK) == TYPE_LINK)
		r = -ELOOP;
	else if (r == 0 && (st.st_mode & TYPE_MASK) != TYPE_DIR)
		r = -ENOTDIR;
	else if (r == 0 && w->depth + 1 == DEPTH)
		r = -ENAMETOOLONG;
	if (r < 0) {
		sys_close((int)fd);
		return (int)r;
	}
	w->stack[++w->depth] = (int)fd;
	return 0;
}

static int step(struct walk *w, int flags, unsigned mode, int links_allowed, int *done)
{
	char name[256];
	int is_last;
	int slash;
	int again = 0;
	int r = cut(w, name, &is_last, &slash);
	int dots = r > 0 && name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2]));

	if (r < 0)
		return r;
	if (r > 0 && dots && name[1] && w->depth > 0)
		leave(w, w->depth - 1);
	if (r > 0 && dots && !is_last)
		return 0;
	*done = 1;
	if ((r == 0 || dots) && flags & O_CREAT)
		return flags & O_EXCL ? -EEXIST : -EISDIR;
	if (r == 0 || dots) /* the directory that we stand in */
		return (int)sys_openat(w->stack[w->depth], ".", flags & ~O_NOFOLLOW, 0);
	if (is_last && !slash) {
		r = finish(w, name, flags, mode, &again, links_allowed);
		*done = !again;
		return r;
	}
	if (is_last && flags & O_CREAT)
		return -EISDIR;
	*done = 0;
	return enter(w, name, links_allowed);
}

static int walk_once(int rootfd, const char *path, int flags, unsigned mode, int links_allowed)
{
	struct walk w;
	int done = 0;
	int r = 0;
	unsigned n = length(path);

	if (!n)
		return -ENOENT;
	if (n >= sizeof(w.rest))
		return -ENAMETOOLONG;
	for (unsigned i = 0; i <= n; i++)
		w.rest[i] = path[i];
	w.stack[0] = rootfd;
	w.depth = 0;
	w.links = 0;
	while (!done && r >= 0)
		r = step(&w, flags, mode, links_allowed, &done);
	leave(&w, 0);
	return r;
}

int resolve_walk(int rootfd, const char *path, int flags, unsigned mode, int links_allowed)
{
	int r = -EAGAIN;

	for (int i = 0; i < TRIES && r == -EAGAIN; i++)
		r = walk_once(rootfd, path, flags, mode, links_allowed);
	return r;
}

int resolve_in_root(int rootfd, const char *path, int flags, unsigned mode)
{
	int fd = by_openat2(
		rootfd, path, flags, mode, SYS_RESOLVE_IN_ROOT | SYS_RESOLVE_NO_MAGICLINKS);

	return fd == -ENOSYS || fd == -EPERM ? resolve_walk(rootfd, path, flags, mode, 1) : fd;
}

int resolve_no_links(int rootfd, const char *path, int flags)
{
	int fd = by_openat2(rootfd, path, flags, 0,
		SYS_RESOLVE_IN_ROOT | SYS_RESOLVE_NO_MAGICLINKS | SYS_RESOLVE_NO_SYMLINKS);

	return fd == -ENOSYS || fd == -EPERM ? resolve_walk(rootfd, path, flags, 0, 0) : fd;
}
