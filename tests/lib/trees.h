/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Trees: directories that are made and changed by words, and what is in them as text, for the tests of what makes a
 * layer of two of them and of what unpacks one.
 *
 *	d PATH [MODE]   f PATH [TEXT]   l PATH TARGET   h PATH OF    p PATH         c PATH MAJOR MINOR
 *	b PATH MAJOR MINOR              s PATH          rm PATH      mv PATH TO     chmod PATH MODE
 *	chown PATH UID GID              x PATH NAME VALUE            size PATH N    at PATH N TEXT
 *	t PATH SECONDS NANOSECONDS
 *
 * One after the other, "; " between them. A file with a text that is there gets that text.
 *
 * Owner    Returned fds and the text of tree_text() are the caller's.
 * Errors   Negative errno of what could not be done; words that are none end the program.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/sha256.h"
#include "base/str.h"

#define TREE_OP_MAX 4096
#define TREE_AGE 1000000000 /* of what tree_age() has been over */

/* ---- making ---- */

/* Neither a fifo nor a device is opened. */
static inline int tree_open(int at, const char *path, int flags)
{
	struct stat st;

	if (fstatat(at, path, &st, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISREG(st.st_mode))
		return -EINVAL;
	return fd_open_at(at, path, O_WRONLY | O_NOFOLLOW | flags, 0644);
}

static inline int tree_write(int at, const char *path, const char *text, off_t offset, int flags)
{
	auto_close int fd = tree_open(at, path, flags);

	if (fd < 0)
		return fd;
	return pwrite(fd, text, strlen(text), offset) == (ssize_t)strlen(text) ? 0 : -errno;
}

static inline int tree_set_attribute(int at, const char *path, const char *name, const char *value)
{
	auto_close int fd = fd_open_at(at, path, O_PATH | O_NOFOLLOW, 0);
	char proc[64];

	if (fd < 0)
		return fd;
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	return setxattr(proc, name, value, strlen(value), 0) < 0 ? -errno : 0;
}

static inline int tree_remove(int at, const char *path)
{
	const char *slash = strrchr(path, '/');
	auto_free char *above = strndup(slash ? path : ".", slash ? (size_t)(slash - path) : 1);
	auto_close int dir = fd_open_at(at, above, O_RDONLY | O_DIRECTORY, 0);
	struct stat st;

	if (dir < 0 || fstatat(at, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return dir < 0 ? dir : -errno;
	return file_remove_tree_at(dir, slash ? slash + 1 : path);
}

static inline int tree_resize(int at, const char *path, off_t size)
{
	auto_close int fd = tree_open(at, path, 0);

	return fd < 0 ? fd : ftruncate(fd, size) < 0 ? -errno : 0;
}

static inline int tree_node(int at, const char *path, mode_t type, long major_, long minor_)
{
	dev_t dev = makedev((unsigned int)major_, (unsigned int)minor_);

	return mknodat(at, path, type | 0644, dev) < 0 ? -errno : 0;
}

static inline int tree_dir(int at, const char *path, const char *mode)
{
	if (mkdirat(at, path, 0755) < 0)
		return -errno;
	return *mode && fchmodat(at, path, (mode_t)strtol(mode, NULL, 0), 0) < 0 ? -errno : 0;
}

/* What is new; 1: none of these words. */
static inline int tree_make(int at, char *const w[4], long a, long b)
{
	const char *op = w[0], *path = w[1];

	if (str_eq(op, "d"))
		return tree_dir(at, path, w[2]);
	if (str_eq(op, "f"))
		return tree_write(at, path, w[2], 0, O_CREAT | O_TRUNC);
	if (str_eq(op, "l"))
		return symlinkat(w[2], at, path) < 0 ? -errno : 0;
	if (str_eq(op, "h"))
		return linkat(at, w[2], at, path, 0) < 0 ? -errno : 0;
	if (str_eq(op, "p"))
		return tree_node(at, path, S_IFIFO, 0, 0);
	if (str_eq(op, "s"))
		return tree_node(at, path, S_IFSOCK, 0, 0);
	if (str_eq(op, "c"))
		return tree_node(at, path, S_IFCHR, a, b);
	return str_eq(op, "b") ? tree_node(at, path, S_IFBLK, a, b) : 1;
}

/* Of what is there. */
static inline int tree_change(int at, char *const w[4], long a, long b)
{
	const struct timespec times[2] = { { a, b }, { a, b } };
	const char *op = w[0], *path = w[1];

	if (str_eq(op, "rm"))
		return tree_remove(at, path);
	if (str_eq(op, "mv"))
		return renameat(at, path, at, w[2]) < 0 ? -errno : 0;
	if (str_eq(op, "chmod"))
		return fchmodat(at, path, (mode_t)a, 0) < 0 ? -errno : 0;
	if (str_eq(op, "chown"))
		return fchownat(at, path, (uid_t)a, (gid_t)b, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
	if (str_eq(op, "x"))
		return tree_set_attribute(at, path, w[2], w[3]);
	if (str_eq(op, "size"))
		return tree_resize(at, path, a);
	if (str_eq(op, "at"))
		return tree_write(at, path, w[3], a, O_CREAT);
	if (str_eq(op, "t"))
		return utimensat(at, path, times, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
	fprintf(stderr, "what is '%s'?\n", op);
	abort();
}

static inline int tree_do_words(int at, char *const w[4])
{
	long a = strtol(w[2], NULL, 0), b = strtol(w[3], NULL, 0);
	int r = tree_make(at, w, a, b);

	return r == 1 ? tree_change(at, w, a, b) : r;
}

/* One of the words above. */
static inline int tree_do_one(int at, const char *op, size_t len)
{
	char text[TREE_OP_MAX], *w[4] = { text + len, text + len, text + len, text + len };
	char *s = text;

	if (len >= sizeof(text))
		abort();
	memcpy(text, op, len);
	text[len] = '\0';
	/* The last one may have blanks in it. */
	for (size_t i = 0; i < 4 && *s; i++) {
		w[i] = s;
		s += strcspn(s, " ");
		if (*s && i < 3)
			*s++ = '\0';
	}
	return tree_do_words(at, w);
}

/* All of them; the first that fails is the last. */
static inline int tree_do(int at, const char *ops)
{
	int r = 0;

	while (*ops && r == 0) {
		const char *end = strstr(ops, "; ");
		size_t len = end ? (size_t)(end - ops) : strlen(ops);

		r = tree_do_one(at, ops, len);
		if (r < 0)
			fprintf(stderr, "'%.*s': %s\n", (int)len, ops, strerror(-r));
		ops += len + (end ? 2 : 0);
	}
	return r;
}

/* ---- what is in one ---- */

static inline int tree_by_bytes(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static inline int tree_no_dots(const struct dirent *e)
{
	return !str_eq(e->d_name, ".") && !str_eq(e->d_name, "..");
}

struct tree_names {
	struct buf text;
	struct {
		ino_t ino;
		char *first;
	} links[256];
	size_t n_links;
	bool no_links;
};

static inline void tree_link(struct tree_names *t, const struct stat *st, const char *path)
{
	for (size_t i = 0; i < t->n_links && !t->no_links; i++) {
		if (t->links[i].ino == st->st_ino) {
			buf_addf(&t->text, " =%s", t->links[i].first);
			return;
		}
	}
	if (t->n_links == 256)
		abort();
	t->links[t->n_links].ino = st->st_ino;
	t->links[t->n_links++].first = strdup(path);
}

static inline int tree_compare_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static inline void tree_add_attributes(struct tree_names *t, int at, const char *name)
{
	auto_close int fd = fd_open_at(at, name, O_PATH | O_NOFOLLOW, 0);
	char proc[64], list[4096], value[1024];
	const char *names[64];
	ssize_t size, n;
	size_t count = 0;

	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	size = listxattr(proc, list, sizeof(list));
	for (ssize_t i = 0; i < size && count < 64; i += (ssize_t)strlen(list + i) + 1)
		if (!str_starts(list + i, "trusted.overlay."))
			names[count++] = list + i;
	qsort(names, count, sizeof(*names), tree_compare_text);
	for (size_t i = 0; i < count; i++) {
		n = getxattr(proc, names[i], value, sizeof(value));
		buf_addf(&t->text, " %s=%.*s", names[i], n < 0 ? 0 : (int)n, value);
	}
}

static inline void tree_add_bytes(struct tree_names *t, int at, const char *name)
{
	char hex[SHA256_HEX_SIZE], *data;
	size_t size;

	if (fd_read_regular_at(at, name, 64 << 20, &data, &size) < 0)
		abort();
	buf_addf(&t->text, " %.12s", sha256_hex(data, size, hex));
	free(data);
}

static inline void tree_add(struct tree_names *t, int at, const char *name, const char *path)
{
	char target[4096];
	struct stat st;
	ssize_t n;

	if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		abort();
	if (S_ISSOCK(st.st_mode))
		return;
	buf_addf(&t->text, "%s %06o %u:%u %lld", path, st.st_mode, st.st_uid, st.st_gid,
		(long long)st.st_mtim.tv_sec);
	if (!S_ISDIR(st.st_mode))
		buf_addf(&t->text, " %lld", (long long)st.st_size);
	if (S_ISREG(st.st_mode))
		tree_add_bytes(t, at, name);
	if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode))
		buf_addf(&t->text, " %u:%u", major(st.st_rdev), minor(st.st_rdev));
	if (S_ISLNK(st.st_mode)) {
		n = readlinkat(at, name, target, sizeof(target));
		buf_addf(&t->text, " -> %.*s", n < 0 ? 0 : (int)n, target);
	}
	tree_add_attributes(t, at, name);
	if (!S_ISDIR(st.st_mode) && st.st_nlink > 1)
		tree_link(t, &st, path);
	buf_addc(&t->text, '\n');
}

static inline void tree_walk(struct tree_names *t, int dir, const char *path)
{
	struct dirent **list;
	int n = scandirat(dir, ".", &list, tree_no_dots, tree_by_bytes);

	if (n < 0)
		abort();
	for (int i = 0; i < n; i++) {
		auto_done(buf) struct buf below = { 0 };
		auto_close int fd =
			fd_open_at(dir, list[i]->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);

		buf_addf(&below, "%s%s%s", path, *path ? "/" : "", list[i]->d_name);
		if (buf_ok(&below) < 0)
			abort();
		tree_add(t, dir, list[i]->d_name, below.data);
		if (fd >= 0)
			tree_walk(t, fd, below.data);
		free(list[i]);
	}
	free(list);
}

/*
 * A line for each file but sockets: path, mode, owner, seconds of its time, size and sum, device, target, attributes, and
 * the first of its names unless `no_links`.
 */
static inline char *tree_text_of(int dir, bool no_links)
{
	struct tree_names t = { .no_links = no_links };
	char *text;

	tree_walk(&t, dir, "");
	buf_addc(&t.text, '\n');
	for (size_t i = 0; i < t.n_links; i++)
		free(t.links[i].first);
	text = buf_take(&t.text);
	if (!text)
		abort();
	return text;
}

static inline char *tree_text(int dir)
{
	return tree_text_of(dir, false);
}

/* All times become TREE_AGE, with a fraction of a second: as nothing does that is written from now on. */
static inline void tree_age(int dir)
{
	static const struct timespec times[2] = { { TREE_AGE, 1 }, { TREE_AGE, 1 } };
	struct dirent **list;
	int n = scandirat(dir, ".", &list, tree_no_dots, tree_by_bytes);

	for (int i = 0; i < n; i++) {
		auto_close int fd =
			fd_open_at(dir, list[i]->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);

		if (fd >= 0)
			tree_age(fd);
		if (utimensat(dir, list[i]->d_name, times, AT_SYMLINK_NOFOLLOW) < 0)
			abort();
		free(list[i]);
	}
	if (n >= 0)
		free(list);
}

/* ---- over each other ---- */

/* A directory that overlayfs shows, written to `upper`; all below `at`. -EPERM: not here. */
static inline int tree_overlay(int at, const char *lower, const char *upper, const char *work)
{
	auto_close int fs = fsopen("overlay", FSOPEN_CLOEXEC);
	const char *key[] = { "lowerdir", "upperdir", "workdir" };
	const char *name[] = { lower, upper, work };
	char path[64];

	if (fs < 0)
		return -errno;
	for (size_t i = 0; i < 3; i++) {
		auto_close int fd = fd_open_at(at, name[i], O_PATH | O_DIRECTORY, 0);

		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		if (fd < 0 || fsconfig(fs, FSCONFIG_SET_STRING, key[i], path, 0) < 0)
			return -errno;
	}
	if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -errno;
	{
		auto_close int tree = fsmount(fs, FSMOUNT_CLOEXEC, 0);

		return tree < 0 ? -errno : fd_open_at(tree, ".", O_RDONLY | O_DIRECTORY, 0);
	}
}
