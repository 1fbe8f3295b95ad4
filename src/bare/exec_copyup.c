/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tmpcopyup: what a new tmpfs covers is copied into it before it is attached. The source is the image's and hostile:
 * links are copied as links, devices and sockets are left out, nothing is followed, depth is bounded.
 */
#include <asm/errno.h>
#include <asm/fcntl.h>
#include <asm/stat.h>
#include <linux/stat.h>

#include "bare/exec.h"

#define DEPTH_MAX 64

struct dirent64 {
	uint64_t ino;
	int64_t off;
	unsigned short reclen;
	unsigned char type;
	char name[];
};

static long copy_dir(struct exec *x, int from, int to, int depth);

static long copy_owner(int to, const struct stat *st)
{
	long r = sys_call5(__NR_fchownat, to, "", st->st_uid, st->st_gid, SYS_AT_EMPTY_PATH);

	return r < 0 ? r : sys_call2(__NR_fchmod, to, st->st_mode & 07777);
}

/* What it was may be another thing by now: a device has no end. */
static long open_file(int dir, const char *name, struct stat *st)
{
	long fd =
		sys_openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0);
	long r;

	if (fd < 0)
		return fd;
	r = sys_call2(__NR_fstat, fd, st);
	if (r >= 0 && (st->st_mode & S_IFMT) == S_IFREG)
		return fd;
	sys_close((int)fd);
	return r < 0 ? r : -EBUSY;
}

static long copy_file(int from_dir, int to_dir, const char *name, struct stat *st)
{
	long in = open_file(from_dir, name, st);
	long out;
	long r = 1;

	if (in < 0)
		return in;
	out = sys_openat(to_dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (out < 0) {
		sys_close((int)in);
		return out;
	}
	while (r > 0)
		r = sys_call4(__NR_sendfile, out, in, NULL, 1 << 20);
	if (r == 0)
		r = copy_owner((int)out, st);
	sys_close((int)out);
	sys_close((int)in);
	return r;
}

static long copy_link(int from_dir, int to_dir, const char *name, const struct stat *st)
{
	char target[EXEC_PATH_MAX];
	long n = sys_readlinkat(from_dir, name, target, sizeof(target) - 1);

	if (n < 0)
		return n;
	target[n] = 0;
	n = sys_call3(__NR_symlinkat, target, to_dir, name);
	if (n < 0)
		return n;
	return sys_call5(
		__NR_fchownat, to_dir, name, st->st_uid, st->st_gid, SYS_AT_SYMLINK_NOFOLLOW);
}

static long copy_subdir(struct exec *x, int from_dir, int to_dir, const char *name,
	const struct stat *st, int depth)
{
	long in = sys_openat(from_dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
	long out;
	long r;

	if (in < 0)
		return in;
	r = sys_mkdirat(to_dir, name, 0700);
	out = r < 0 ? r
		    : sys_openat(to_dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
	r = out;
	if (out >= 0) {
		r = copy_dir(x, (int)in, (int)out, depth + 1);
		if (r >= 0)
			r = copy_owner((int)out, st);
		sys_close((int)out);
	}
	sys_close((int)in);
	return r;
}

static long copy_entry(struct exec *x, int from, int to, const char *name, int depth)
{
	struct stat st;
	long r = sys_call4(__NR_newfstatat, from, name, &st, SYS_AT_SYMLINK_NOFOLLOW);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	switch (st.st_mode & S_IFMT) {
	case S_IFDIR:
		return copy_subdir(x, from, to, name, &st, depth);
	case S_IFREG:
		return copy_file(from, to, name, &st);
	case S_IFLNK:
		return copy_link(from, to, name, &st);
	default:
		return 0;
	}
}

static long copy_dir(struct exec *x, int from, int to, int depth)
{
	char entries[2048] __attribute__((aligned(8)));
	long n;

	if (depth > DEPTH_MAX)
		return -ELOOP;
	while ((n = sys_call3(__NR_getdents64, from, entries, sizeof(entries))) > 0) {
		for (long at = 0; at < n;) {
			struct dirent64 *d = (struct dirent64 *)(void *)(entries + at);
			long r;

			at += d->reclen;
			if (strcmp(d->name, ".") == 0 || strcmp(d->name, "..") == 0)
				continue;
			r = copy_entry(x, from, to, d->name, depth);
			if (r < 0)
				return r;
		}
	}
	return n;
}

long exec_copy_up(struct exec *x, int from, int to)
{
	long in = sys_openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	long out = sys_openat(to, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	struct stat st, made;
	long r = in < 0 ? in : out;

	if (r >= 0)
		r = copy_dir(x, (int)in, (int)out, 0);
	if (r >= 0)
		r = sys_call2(__NR_fstat, in, &st);
	if (r >= 0)
		r = sys_call2(__NR_fstat, out, &made);
	/* Its mode it has already, from an option or from what it covers; an owner only by options. */
	if (r >= 0 && !made.st_uid && !made.st_gid) {
		st.st_mode = made.st_mode;
		r = copy_owner((int)out, &st);
	}
	if (in >= 0)
		sys_close((int)in);
	if (out >= 0)
		sys_close((int)out);
	return r;
}
