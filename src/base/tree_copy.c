/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What surprises: a file is opened twice, the first time only to look at what it is, so that no device
 * and no fifo is ever opened. And each level of directories keeps two descriptors open: one that went
 * back by ".." could be led elsewhere by who moves a directory meanwhile.
 */
#include "base/tree_copy.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "base/fd.h"
#include "base/inode_names.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"

#define DEPTH_MAX 4096
#define FDS_BESIDE 64 /* that are no levels */
#define ENTRIES_UNASKED 64
#define LIST_MAX 65536
#define VALUE_MAX 65536
#define PIECE_BYTES (256u << 10)

struct level {
	DIR *from;
	int to;
	size_t path_len; /* of the path without it */
	struct stat st;
};

struct copy {
	int root;
	dev_t dev;
	struct level *levels;
	size_t n, cap, depth_max;
	struct buf path; /* of the entry, below the root */
	struct inode_names names;
	unsigned int unasked;
	bool (*stop)(void *arg);
	void *arg;
	struct err *err;
	char list[LIST_MAX], box[PIECE_BYTES];
};

static const char *path_of(const struct copy *k)
{
	return k->path.len ? k->path.data : ".";
}

static int fail(struct copy *k, const char *what)
{
	return err_sys(k->err, "%s '%.300s'", what, path_of(k));
}

static void cut_path(struct copy *k, size_t len)
{
	k->path.len = len;
	if (k->path.data)
		k->path.data[len] = '\0';
}

/* ---- attributes ---- */

static int copy_attribute(struct copy *k, const char *from, const char *to, const char *name)
{
	ssize_t n = getxattr(from, name, k->box, VALUE_MAX);

	if (n < 0)
		return errno == ENODATA || errno == ENOTSUP ? 0 : fail(k, "read an attribute of");
	/* What the file system has not, or keeps for itself, is left out, as when layers are unpacked. */
	if (setxattr(to, name, k->box, (size_t)n, 0) < 0 && errno != ENOTSUP && errno != EPERM)
		return fail(k, "set an attribute of");
	return 0;
}

static int copy_attributes(struct copy *k, int from, int to)
{
	char from_path[40], to_path[40];
	ssize_t n;
	int r = 0;

	/* An O_PATH fd has no flistxattr; its name in /proc leads to the file itself. */
	snprintf(from_path, sizeof(from_path), "/proc/self/fd/%d", from);
	snprintf(to_path, sizeof(to_path), "/proc/self/fd/%d", to);
	n = listxattr(from_path, k->list, sizeof(k->list));
	if (n < 0)
		return errno == ENOTSUP ? 0 : fail(k, "list the attributes of");
	for (ssize_t at = 0; at < n && r == 0; at += (ssize_t)strlen(k->list + at) + 1)
		r = copy_attribute(k, from_path, to_path, k->list + at);
	return r;
}

/* Owner first: it takes the set-id bits and the capabilities away. `to` may be O_PATH. */
static int copy_properties(struct copy *k, int from, int to, const struct stat *st)
{
	const struct timespec times[2] = { st->st_atim, st->st_mtim };
	char to_path[40];
	int r;

	snprintf(to_path, sizeof(to_path), "/proc/self/fd/%d", to);
	if (fchownat(to, "", st->st_uid, st->st_gid, AT_EMPTY_PATH) < 0)
		return fail(k, "change the owner of");
	if (!S_ISLNK(st->st_mode) && chmod(to_path, st->st_mode & 07777) < 0)
		return fail(k, "change the mode of");
	r = copy_attributes(k, from, to);
	if (r < 0)
		return r;
	if (utimensat(AT_FDCWD, to_path, times, 0) < 0)
		return fail(k, "change the times of");
	return 0;
}

/* ---- bytes ---- */

static int copy_slowly(struct copy *k, int from, int to, off_t at, off_t end)
{
	while (at < end) {
		size_t want =
			end - at < (off_t)sizeof(k->box) ? (size_t)(end - at) : sizeof(k->box);
		ssize_t n = pread(from, k->box, want, at);

		if (n < 0)
			return fail(k, "read");
		if (n == 0)
			return 0; /* somebody has made it shorter */
		for (ssize_t done = 0, w; done < n; done += w) {
			w = pwrite(to, k->box + done, (size_t)(n - done), at + done);
			if (w <= 0)
				return fail(k, "write");
		}
		at += n;
	}
	return 0;
}

static int copy_piece(struct copy *k, int from, int to, off_t at, off_t end)
{
	off_t out = at;

	while (at < end) {
		ssize_t n = copy_file_range(from, &at, to, &out, (size_t)(end - at), 0);

		if (n == 0)
			return 0;
		if (n > 0)
			continue;
		if (errno == ENOSPC || errno == EDQUOT || errno == EIO || errno == EFBIG)
			return fail(k, "write");
		return copy_slowly(k, from, to, at, end);
	}
	return 0;
}

static int copy_bytes(struct copy *k, int from, int to, off_t size)
{
	off_t at = 0;

	if (size == 0 || ioctl(to, FICLONE, from) == 0)
		return 0;
	while (at < size) {
		off_t data = lseek(from, at, SEEK_DATA), end;
		int r;

		if (data < 0 && errno == ENXIO)
			break; /* a hole up to the end */
		data = data < 0 ? at : data;
		end = lseek(from, data, SEEK_HOLE);
		if (end <= data || end > size)
			end = size;
		r = copy_piece(k, from, to, data, end);
		if (r < 0)
			return r;
		at = end;
	}
	return ftruncate(to, size) < 0 ? fail(k, "write") : 0;
}

/* ---- entries ---- */

static int copy_file(struct copy *k, int from, int at, const char *name, const struct stat *st)
{
	auto_close int out = fd_open_at(at, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
	auto_close int in = -EBADF;
	char path[40];
	int r;

	if (out < 0)
		return err_code(k->err, out, "make '%.300s'", path_of(k));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", from);
	in = fd_open(path, O_RDONLY, 0);
	if (in < 0)
		return err_code(k->err, in, "open '%.300s'", path_of(k));
	r = copy_bytes(k, in, out, st->st_size);
	return r < 0 ? r : copy_properties(k, from, out, st);
}

static int copy_link(struct copy *k, int from, int at, const char *name)
{
	ssize_t n = readlinkat(from, "", k->box, sizeof(k->box) - 1);

	if (n < 0)
		return fail(k, "read the link");
	k->box[n] = '\0';
	return symlinkat(k->box, at, name) < 0 ? fail(k, "make the link") : 0;
}

/* Devices, fifos, sockets, links. */
static int copy_special(struct copy *k, int from, int at, const char *name, const struct stat *st)
{
	auto_close int to = -EBADF;
	int r = 0;

	if (S_ISLNK(st->st_mode))
		r = copy_link(k, from, at, name);
	else if (mknodat(at, name, (st->st_mode & S_IFMT) | 0600, st->st_rdev) < 0)
		r = fail(k, "make");
	if (r < 0)
		return r;
	to = fd_open_at(at, name, O_PATH | O_NOFOLLOW, 0);
	if (to < 0)
		return err_code(k->err, to, "open '%.300s'", path_of(k));
	return copy_properties(k, from, to, st);
}

/* The first name was made by us, in a tree that nobody else has yet. */
static int link_to(struct copy *k, const char *first, int at, const char *name)
{
	const char *slash = strrchr(first, '/');
	auto_free char *dir = slash ? strndup(first, (size_t)(slash - first)) : strdup(".");
	auto_close int above = -EBADF;

	if (!dir)
		return err_oom(k->err);
	above = path_open_in_root(k->root, dir, O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
	if (above < 0)
		return err_code(k->err, above, "open the directory of '%.300s'", first);
	return linkat(above, slash ? slash + 1 : first, at, name, 0) < 0 ? fail(k, "link") : 0;
}

static int push(struct copy *k, int from_fd, int to_fd, size_t path_len, const struct stat *st)
{
	auto_close int from = from_fd;
	auto_close int to = to_fd;
	DIR *dir;

	if (k->n >= k->depth_max)
		return err_set(
			k->err, -E2BIG, "more than %zu directories in each other", k->depth_max);
	if (mem_grow(&k->levels, &k->cap, k->n + 1, sizeof(*k->levels)) < 0)
		return err_oom(k->err);
	dir = fdopendir(from);
	if (!dir)
		return err_oom(k->err);
	(void)take_fd(&from);
	k->levels[k->n++] = (struct level){ dir, take_fd(&to), path_len, *st };
	return 0;
}

static int enter(struct copy *k, int from_path, int at, const char *name, size_t path_len,
	const struct stat *st)
{
	int from, to;

	if (mkdirat(at, name, 0700) < 0)
		return fail(k, "make directory");
	to = fd_open_at(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	if (to < 0)
		return err_code(k->err, to, "open directory '%.300s'", path_of(k));
	/* Of another file system: somebody has mounted it there. */
	from = st->st_dev == k->dev ? fd_open_at(from_path, ".", O_RDONLY | O_DIRECTORY, 0)
				    : fd_open_at(to, ".", O_RDONLY | O_DIRECTORY, 0);
	if (from < 0) {
		fd_close(to);
		return err_code(k->err, from, "open directory '%.300s'", path_of(k));
	}
	return push(k, from, to, path_len, st);
}

static int copy_entry(struct copy *k, const char *name)
{
	const struct level *l = &k->levels[k->n - 1];
	auto_close int from = fd_open_at(dirfd(l->from), name, O_PATH | O_NOFOLLOW, 0);
	size_t path_len = k->path.len;
	const char *first;
	struct stat st;
	int to = l->to, r;

	buf_addf(&k->path, "%s%s", path_len ? "/" : "", name);
	if (buf_ok(&k->path) < 0)
		return err_oom(k->err);
	if (from < 0)
		return err_code(k->err, from, "open '%.300s'", path_of(k));
	if (fstat(from, &st) < 0)
		return fail(k, "stat");
	first = S_ISDIR(st.st_mode) ? NULL : inode_names_find(&k->names, &st);
	if (S_ISDIR(st.st_mode))
		return enter(k, from, to, name, path_len, &st);
	if (first)
		r = link_to(k, first, to, name);
	else if (S_ISREG(st.st_mode))
		r = copy_file(k, from, to, name, &st);
	else
		r = copy_special(k, from, to, name, &st);
	if (r == 0 && !first) {
		r = inode_names_add(&k->names, &st, k->path.data);
		if (r < 0)
			r = err_code(k->err, r, "remember the names of '%.300s'", path_of(k));
	}
	cut_path(k, path_len);
	return r;
}

/* Times last: filling it has changed them. */
static int leave(struct copy *k)
{
	struct level *l = &k->levels[--k->n];
	int r = copy_properties(k, dirfd(l->from), l->to, &l->st);

	closedir(l->from);
	fd_close(l->to);
	cut_path(k, l->path_len);
	return r;
}

static int step(struct copy *k)
{
	const struct dirent *e;

	if (k->stop && ++k->unasked >= ENTRIES_UNASKED) {
		k->unasked = 0;
		if (k->stop(k->arg))
			return err_set(k->err, -ECANCELED, "nobody waits for the copy any more");
	}
	errno = 0;
	e = readdir(k->levels[k->n - 1].from);
	if (!e)
		return errno ? fail(k, "read directory") : leave(k);
	if (str_eq(e->d_name, ".") || str_eq(e->d_name, ".."))
		return 0;
	return copy_entry(k, e->d_name);
}

static int begin(struct copy *k, int from_dir, int to_dir)
{
	struct rlimit limit = { .rlim_cur = 1024 };
	struct stat st;
	int from, to;

	if (fstat(from_dir, &st) < 0)
		return fail(k, "stat");
	k->dev = st.st_dev;
	(void)getrlimit(RLIMIT_NOFILE, &limit);
	k->depth_max = limit.rlim_cur > FDS_BESIDE ? (limit.rlim_cur - FDS_BESIDE) / 2 : 1;
	if (k->depth_max > DEPTH_MAX)
		k->depth_max = DEPTH_MAX;
	from = fd_open_at(from_dir, ".", O_RDONLY | O_DIRECTORY, 0);
	if (from < 0)
		return err_code(k->err, from, "open the directory");
	to = fd_open_at(to_dir, ".", O_RDONLY | O_DIRECTORY, 0);
	if (to < 0) {
		fd_close(from);
		return err_code(k->err, to, "open the directory");
	}
	return push(k, from, to, 0, &st);
}

int tree_copy(int from, int to, bool (*stop)(void *arg), void *arg, struct err *err)
{
	struct copy *k = mem_calloc(1, sizeof(*k));
	int r;

	if (!k)
		return err_oom(err);
	k->root = to;
	k->stop = stop;
	k->arg = arg;
	k->err = err;
	r = begin(k, from, to);
	while (r == 0 && k->n > 0)
		r = step(k);
	for (; k->n > 0; k->n--) {
		closedir(k->levels[k->n - 1].from);
		fd_close(k->levels[k->n - 1].to);
	}
	inode_names_done(&k->names);
	buf_done(&k->path);
	free(k->levels);
	free(k);
	return r;
}
