/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two files count as the same by what containerd compares: type, mode, owner, device, size and time, and their bytes
 * only where the times have no fractions of a second, for then a tar has set them. And their attributes, of which it
 * looks at capabilities alone.
 */
#include "helper/diff_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>

#define COMPARE_BYTES (64u << 10)
#define ATTRIBUTES_MAX 65536

int diff_file_open(int dir, const char *name, struct diff_file *ret)
{
	struct diff_file f = DIFF_FILE_NULL;

	if (dir < 0)
		return -ENOENT;
	f.fd = fd_open_at(dir, name, O_PATH | O_NOFOLLOW, 0);
	if (f.fd < 0)
		return f.fd;
	if (fstat(f.fd, &f.st) < 0) {
		int r = -errno;

		fd_close(f.fd);
		return r;
	}
	*ret = f;
	return 0;
}

void diff_file_done(struct diff_file *f)
{
	f->fd = fd_close(f->fd);
}

/* An O_PATH fd has no bytes and no attributes; its name in /proc leads to the file itself. */
static void name_of(const struct diff_file *f, char out[64])
{
	snprintf(out, 64, "/proc/self/fd/%d", f->fd);
}

int diff_file_reopen(const struct diff_file *f)
{
	char name[64];

	name_of(f, name);
	if (S_ISDIR(f->st.st_mode))
		return fd_open(name, O_RDONLY | O_DIRECTORY, 0);
	return S_ISREG(f->st.st_mode) ? fd_open(name, O_RDONLY, 0) : -EINVAL;
}

/* ---- attributes ---- */

/*
 * What has other bytes in its name comes as another attribute to who reads the layer: libarchive writes those as "%C3",
 * and the names of a tar have no '='.
 */
static bool is_word(const char *name)
{
	while (*name > ' ' && *name <= '~' && *name != '%' && *name != '=')
		name++;
	return !*name;
}

static bool is_wanted(const char *name)
{
	if (!is_word(name))
		return false;
	if (str_starts(name, "user."))
		return !str_starts(name, "user.overlay.");
	if (str_starts(name, "trusted."))
		return !str_starts(name, "trusted.overlay.");
	return str_eq(name, "security.capability");
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static size_t sort_names(char *list, size_t size, const char **names, size_t max)
{
	size_t n = 0;

	for (size_t at = 0; at < size && n < max; at += strlen(list + at) + 1)
		if (is_wanted(list + at))
			names[n++] = list + at;
	qsort(names, n, sizeof(*names), compare_names);
	return n;
}

static int add_attribute(const char *path, const char *name, char *value, struct buf *out)
{
	ssize_t n = getxattr(path, name, value, ATTRIBUTES_MAX);
	uint32_t len = (uint32_t)n;

	if (n < 0)
		return errno == ENODATA ? 0 : -errno; /* gone meanwhile */
	buf_add(out, name, strlen(name) + 1);
	buf_add(out, &len, sizeof(len));
	buf_add(out, value, len);
	return 0;
}

int diff_file_attributes(const struct diff_file *f, struct buf *out, struct err *err)
{
	auto_free char *list = NULL, *value = NULL;
	auto_free const char **names = NULL;
	char path[64];
	ssize_t size;
	size_t n;
	int r = 0;

	name_of(f, path);
	size = listxattr(path, NULL, 0);
	if (size <= 0)
		return size == 0 || errno == ENOTSUP ? 0 : err_sys(err, "list attributes");
	list = malloc(ATTRIBUTES_MAX);
	value = malloc(ATTRIBUTES_MAX);
	names = mem_calloc(ATTRIBUTES_MAX / 2, sizeof(*names));
	if (!list || !value || !names)
		return err_oom(err);
	size = listxattr(path, list, ATTRIBUTES_MAX);
	if (size < 0)
		return err_sys(err, "list attributes");
	n = sort_names(list, (size_t)size, names, ATTRIBUTES_MAX / 2);
	for (size_t i = 0; i < n && r == 0; i++)
		r = add_attribute(path, names[i], value, out);
	if (r < 0)
		return err_code(err, r, "read an attribute");
	return buf_ok(out) < 0 ? err_oom(err) : 0;
}

static int same_attributes(const struct diff_file *a, const struct diff_file *b, struct err *err)
{
	auto_done(buf) struct buf of_a = { 0 };
	auto_done(buf) struct buf of_b = { 0 };
	int r = diff_file_attributes(a, &of_a, err);

	if (r == 0)
		r = diff_file_attributes(b, &of_b, err);
	if (r < 0)
		return r;
	return of_a.len == of_b.len &&
	       (of_a.len == 0 || memcmp(of_a.data, of_b.data, of_a.len) == 0);
}

/* ---- what is in them ---- */

static int same_link(const struct diff_file *a, const struct diff_file *b, struct err *err)
{
	char to_a[PATH_MAX], to_b[PATH_MAX];
	ssize_t len_a = readlinkat(a->fd, "", to_a, sizeof(to_a));
	ssize_t len_b = readlinkat(b->fd, "", to_b, sizeof(to_b));

	if (len_a < 0 || len_b < 0)
		return err_sys(err, "read a link");
	return len_a == len_b && memcmp(to_a, to_b, (size_t)len_a) == 0;
}

static int same_bytes(const struct diff_file *a, const struct diff_file *b, struct err *err)
{
	auto_close int fd_a = diff_file_reopen(a), fd_b = diff_file_reopen(b);
	auto_free char *box = malloc(2 * COMPARE_BYTES);

	if (!box)
		return err_oom(err);
	if (fd_a < 0 || fd_b < 0)
		return err_code(err, fd_a < 0 ? fd_a : fd_b, "open a file");
	for (;;) {
		ssize_t n = fd_read_full(fd_a, box, COMPARE_BYTES);
		ssize_t m = fd_read_full(fd_b, box + COMPARE_BYTES, COMPARE_BYTES);

		if (n < 0 || m < 0)
			return err_code(err, (int)(n < 0 ? n : m), "read a file");
		if (n != m || memcmp(box, box + COMPARE_BYTES, (size_t)n) != 0)
			return 0;
		if (n == 0)
			return 1;
	}
}

static bool same_stat(const struct stat *a, const struct stat *b)
{
	if (a->st_mode != b->st_mode || a->st_uid != b->st_uid || a->st_gid != b->st_gid)
		return false;
	if (S_ISDIR(a->st_mode))
		return true;
	if ((S_ISCHR(a->st_mode) || S_ISBLK(a->st_mode)) && a->st_rdev != b->st_rdev)
		return false;
	return a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

int diff_file_same(const struct diff_file *a, const struct diff_file *b, struct err *err)
{
	int r;

	if (!same_stat(&a->st, &b->st))
		return 0;
	r = same_attributes(a, b, err);
	if (r <= 0 || S_ISDIR(a->st.st_mode) || a->st.st_mtim.tv_nsec != 0)
		return r;
	if (a->st.st_ino == b->st.st_ino && a->st.st_dev == b->st.st_dev)
		return 1;
	if (S_ISLNK(a->st.st_mode))
		return same_link(a, b, err);
	return S_ISREG(a->st.st_mode) && a->st.st_size > 0 ? same_bytes(a, b, err) : 1;
}
