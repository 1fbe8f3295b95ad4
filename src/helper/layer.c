/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libarchive reads twice: once the compression, of which the plain bytes are summed up as they go by,
 * and once the tar in them. Writing is ours, for where a name leads is the question here: a parent is
 * opened beneath the root (base/path.h), the last component is only ever created, removed or changed
 * without following it.
 *
 * What surprises: a directory that the layer does not name but puts something into gets owner and mode
 * of the one in the layers below, else overlayfs would show the upper one's. And times of directories
 * are set last, for filling them changes them.
 */
#include "helper/layer.h"

#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/sha256.h"
#include "base/str.h"
#include "helper/helper_answer.h"
#include "helper/path_set.h"

#define READ_BYTES (256u << 10)
#define LOWER_MAX 500
#define ATTRIBUTE_MAX 65536
#define WHITEOUT ".wh."
#define OPAQUE ".wh..wh..opq"

struct dir_time {
	char *path;
	struct timespec times[2];
};

struct unpack {
	const struct layer *layer;
	struct archive *outer, *tar;
	bool empty; /* the outer one: it has no entry to read */
	struct sha256 sum;
	uint64_t size;
	char box[READ_BYTES];
	struct err *err;
	struct dir_time *dirs;
	size_t n_dirs, cap_dirs;
	struct path_set
		own; /* where there is no overlay: what the layer itself has brought so far */
};

/* ---- reading ---- */

static int archive_fail(struct unpack *u, struct archive *a, const char *what)
{
	const char *text = archive_error_string(a);
	int code = archive_errno(a);

	/* What libarchive says of the format has numbers of its own. */
	return err_set(u->err, code == ENOMEM || code == EIO ? -code : -EINVAL, "%s: %s", what,
		text ? text : "unreadable");
}

/* Plain bytes of the layer for the second reader. */
static la_ssize_t on_read(struct archive *a, void *arg, const void **ret)
{
	struct unpack *u = arg;
	la_ssize_t n = u->empty ? 0 : archive_read_data(u->outer, u->box, sizeof(u->box));

	if (n < 0) {
		archive_set_error(a, EINVAL, "%s", archive_error_string(u->outer));
		return ARCHIVE_FATAL;
	}
	sha256_add(&u->sum, u->box, (size_t)n);
	u->size += (uint64_t)n;
	*ret = u->box;
	return n;
}

static int open_outer(struct unpack *u)
{
	struct archive_entry *entry;
	int r;

	u->outer = archive_read_new();
	if (!u->outer)
		return err_oom(u->err);
	archive_read_support_filter_gzip(u->outer);
	archive_read_support_filter_zstd(u->outer);
	archive_read_support_format_raw(u->outer);
	archive_read_support_format_empty(u->outer);
	r = archive_read_open_fd(u->outer, u->layer->blob, READ_BYTES);
	if (r == ARCHIVE_OK)
		r = archive_read_next_header(u->outer, &entry);
	u->empty = r == ARCHIVE_EOF;
	return r == ARCHIVE_OK || r == ARCHIVE_EOF ? 0
						   : archive_fail(u, u->outer, "read the layer");
}

static int open_tar(struct unpack *u)
{
	u->tar = archive_read_new();
	if (!u->tar)
		return err_oom(u->err);
	archive_read_support_format_tar(u->tar);
	archive_read_support_format_empty(u->tar);
	if (archive_read_open(u->tar, u, NULL, on_read, NULL) != ARCHIVE_OK)
		return archive_fail(u, u->tar, "read the tar");
	return 0;
}

/* Padding behind the end belongs to the digest. */
static int read_rest(struct unpack *u)
{
	la_ssize_t n;

	if (u->empty)
		return 0;
	while ((n = archive_read_data(u->outer, u->box, sizeof(u->box))) > 0) {
		sha256_add(&u->sum, u->box, (size_t)n);
		u->size += (uint64_t)n;
	}
	return n < 0 ? archive_fail(u, u->outer, "read the layer") : 0;
}

/* ---- places ---- */

/* "./a//b/../c" is "a/c"; "" is the root. In place, never longer. */
static void clean(char *path)
{
	char *in = path, *out = path;

	while (*in) {
		size_t len;

		while (*in == '/')
			in++;
		len = strcspn(in, "/");
		if (len == 2 && in[0] == '.' && in[1] == '.') {
			while (out > path && *--out != '/')
				;
		} else if (len > 0 && !(len == 1 && *in == '.')) {
			if (out > path)
				*out++ = '/';
			memmove(out, in, len);
			out += len;
		}
		in += len;
	}
	*out = '\0';
}

/* As the nearest layer below has the directory. */
static void like_lower(const struct unpack *u, const char *path, int fd)
{
	for (size_t i = 0; i < u->layer->n_lower; i++) {
		auto_close int dir = path_open_in_root(
			u->layer->lower[i], path, O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
		struct stat st;

		if (dir < 0 || fstat(dir, &st) < 0)
			continue;
		if (fchown(fd, st.st_uid, st.st_gid) == 0)
			(void)fchmod(fd, st.st_mode & 07777);
		return;
	}
}

/* One component below a directory that is open. */
static int make_parent(struct unpack *u, int at, const char *name, const char *path)
{
	auto_close int fd = -EBADF;

	if (mkdirat(at, name, 0755) < 0)
		return errno == EEXIST ? 0 : err_sys(u->err, "make directory '%s'", path);
	fd = fd_open_at(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	if (fd < 0)
		return err_code(u->err, fd, "open directory '%s'", path);
	like_lower(u, path, fd);
	return 0;
}

static int open_below(struct unpack *u, const char *path)
{
	return path_open_in_root(
		u->layer->root, *path ? path : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
}

/* The directory that an entry is in, made when it is missing. `path` is clean and is not the root. */
static int open_parent(struct unpack *u, char *path, int *ret, const char **ret_name)
{
	char *slash = strrchr(path, '/');
	auto_close int at = -EBADF;

	*ret_name = slash ? slash + 1 : path;
	if (slash)
		*slash = '\0';
	at = open_below(u, slash ? path : "");
	for (char *p = path; at == -ENOENT && slash && p;) {
		auto_close int above = -EBADF;
		char *end = strchr(p, '/'), *before = p > path ? p - 1 : NULL;
		int r = 0;

		if (end)
			*end = '\0';
		if (before)
			*before = '\0';
		above = open_below(u, before ? path : "");
		if (before)
			*before = '/';
		r = above < 0 ? err_code(u->err, above, "open the directory of '%s'", path)
			      : make_parent(u, above, p, path);
		if (end)
			*end = '/';
		if (r < 0)
			return r;
		p = end ? end + 1 : NULL;
		if (!p)
			at = open_below(u, path);
	}
	if (at < 0)
		return err_code(u->err, at, "open directory '%s'", slash ? path : ".");
	if (slash)
		*slash = '/';
	*ret = take_fd(&at);
	return 0;
}

/* ---- attributes ---- */

/* What overlayfs keeps in attributes is not a layer's to say. */
static bool is_ours(const char *name)
{
	return str_starts(name, "trusted.overlay.") || str_starts(name, "user.overlay.");
}

static int set_attributes(
	struct unpack *u, struct archive_entry *e, int at, const char *name, const char *path)
{
	char proc[64];
	auto_close int fd = -EBADF;
	const char *key;
	const void *value;
	size_t size;

	if (archive_entry_xattr_reset(e) == 0)
		return 0;
	fd = fd_open_at(at, name, O_PATH | O_NOFOLLOW, 0);
	if (fd < 0)
		return err_code(u->err, fd, "open '%s'", path);
	/* An O_PATH fd has no fsetxattr; its name in /proc leads to the file itself. */
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	while (archive_entry_xattr_next(e, &key, &value, &size) == ARCHIVE_OK) {
		if (!key || is_ours(key) || size > ATTRIBUTE_MAX)
			continue;
		/* As containerd: what the file system has not is left out. */
		if (setxattr(proc, key, value, size, 0) < 0 && errno != ENOTSUP && errno != EPERM)
			return err_sys(u->err, "set attribute '%.100s' of '%s'", key, path);
	}
	return 0;
}

static int owner_of(
	struct unpack *u, struct archive_entry *e, const char *path, uid_t *uid, gid_t *gid)
{
	la_int64_t user = archive_entry_uid(e), group = archive_entry_gid(e);

	if (user < 0 || group < 0 || user >= UINT32_MAX || group >= UINT32_MAX)
		return err_set(u->err, -EINVAL, "'%s' belongs to %lld:%lld", path, (long long)user,
			(long long)group);
	*uid = (uid_t)user;
	*gid = (gid_t)group;
	return 0;
}

static struct timespec time_of(time_t sec, long ns)
{
	return (struct timespec){ sec, ns >= 0 && ns < 1000000000 ? ns : 0 };
}

static void times_of(struct archive_entry *e, struct timespec out[2])
{
	out[1] = time_of(archive_entry_mtime(e), archive_entry_mtime_nsec(e));
	out[0] = archive_entry_atime_is_set(e)
			 ? time_of(archive_entry_atime(e), archive_entry_atime_nsec(e))
			 : out[1];
}

static int keep_times(struct unpack *u, const char *path, const struct timespec times[2])
{
	struct dir_time *d;

	if (mem_grow(&u->dirs, &u->cap_dirs, u->n_dirs + 1, sizeof(*u->dirs)) < 0)
		return err_oom(u->err);
	d = &u->dirs[u->n_dirs];
	*d = (struct dir_time){ strdup(path), { times[0], times[1] } };
	if (!d->path)
		return err_oom(u->err);
	u->n_dirs++;
	return 0;
}

/*
 * Owner first: it takes the set-id bits away. Which type it is says the file itself: an entry for one more name of a
 * link may call it a file, and changing the mode of a link is following it, out of the root.
 */
static int set_all(
	struct unpack *u, struct archive_entry *e, int at, const char *name, const char *path)
{
	struct timespec times[2];
	struct stat st;
	uid_t uid = 0;
	gid_t gid = 0;
	int r = owner_of(u, e, path, &uid, &gid);

	if (r < 0)
		return r;
	if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(u->err, "stat '%s'", path);
	if (fchownat(at, name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(u->err, "change the owner of '%s'", path);
	if (!S_ISLNK(st.st_mode) && fchmodat(at, name, archive_entry_mode(e) & 07777, 0) < 0)
		return err_sys(u->err, "change the mode of '%s'", path);
	r = set_attributes(u, e, at, name, path);
	if (r < 0)
		return r;
	times_of(e, times);
	if (S_ISDIR(st.st_mode))
		return keep_times(u, path, times);
	if (utimensat(at, name, times, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(u->err, "change the times of '%s'", path);
	return 0;
}

/* ---- whiteouts ---- */

static int remove_what_is(struct unpack *u, int at, const char *name, const char *path)
{
	int r = file_remove_tree_at(at, name);

	return r < 0 ? err_code(u->err, r, "remove '%s'", path) : 0;
}

static int empty_dir(struct unpack *u, int at, struct buf *path);

/* One that is the layer's may hold what is not. */
static int empty_own(struct unpack *u, int at, const char *name, struct buf *path)
{
	auto_close int fd = fd_open_at(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);

	if (fd == -ENOTDIR || fd == -ELOOP)
		return 0;
	if (fd < 0)
		return err_code(u->err, fd, "open directory '%s'", path->data);
	return empty_dir(u, fd, path);
}

/* What the layer has brought stays, whether it stands before or behind this in the tar. */
static int empty_dir(struct unpack *u, int at, struct buf *path)
{
	DIR *d = fdopendir(fd_open_at(at, ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0));
	size_t len = path->len;
	struct dirent *e;
	int r = 0;

	if (!d)
		return err_sys(u->err, "read directory of '%s'", path->data);
	while (r == 0 && (e = readdir(d))) {
		if (str_eq(e->d_name, ".") || str_eq(e->d_name, ".."))
			continue;
		buf_addf(path, "%s%s", len ? "/" : "", e->d_name);
		if (buf_ok(path) < 0)
			r = err_oom(u->err);
		else if (!path_set_has(&u->own, path->data))
			r = remove_what_is(u, at, e->d_name, path->data);
		else
			r = empty_own(u, at, e->d_name, path);
		path->len = len;
	}
	closedir(d);
	return r;
}

/* `at` is the directory whose lower contents are not to be seen; `path` is that of the mark in it. */
static int make_opaque(struct unpack *u, int at, const char *path)
{
	auto_done(buf) struct buf dir = { 0 };
	const char *slash = strrchr(path, '/');

	if (!u->layer->overlay) {
		buf_add(&dir, path, slash ? (size_t)(slash - path) : 0);
		buf_add(&dir, "", 0);
		return buf_ok(&dir) < 0 ? err_oom(u->err) : empty_dir(u, at, &dir);
	}
	if (fsetxattr(at, "trusted.overlay.opaque", "y", 1, 0) < 0)
		return err_sys(u->err, "make the directory of '%s' opaque", path);
	return 0;
}

static int make_whiteout(struct unpack *u, int at, const char *name, const char *path)
{
	int r;

	if (!*name || str_eq(name, ".") || str_eq(name, ".."))
		return err_set(u->err, -EINVAL, "invalid whiteout name: '%s'", path);
	r = remove_what_is(u, at, name, path);
	if (r == 0 && u->layer->overlay && mknodat(at, name, S_IFCHR, makedev(0, 0)) < 0)
		return err_sys(u->err, "make the whiteout '%s'", path);
	return r;
}

/* ---- entries ---- */

static int write_file(struct unpack *u, int at, const char *name, const char *path)
{
	auto_close int fd = fd_open_at(at, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
	const void *data;
	la_int64_t offset;
	size_t size;
	int r;

	if (fd < 0)
		return err_code(u->err, fd, "make '%s'", path);
	while ((r = archive_read_data_block(u->tar, &data, &size, &offset)) == ARCHIVE_OK) {
		for (size_t done = 0; done < size;) {
			ssize_t n = pwrite(fd, (const char *)data + done, size - done,
				(off_t)offset + (off_t)done);

			if (n <= 0)
				return err_sys(u->err, "write '%s'", path);
			done += (size_t)n;
		}
	}
	if (r != ARCHIVE_EOF)
		return archive_fail(u, u->tar, path);
	/* A hole at the end is not written. */
	if (ftruncate(fd, (off_t)offset) < 0)
		return err_sys(u->err, "write '%s'", path);
	return 0;
}

static int make_hard_link(
	struct unpack *u, const char *to, int at, const char *name, const char *path)
{
	auto_free char *target = strdup(to);
	auto_close int dir = -EBADF;
	struct stat st;
	char *slash;

	if (!target)
		return err_oom(u->err);
	clean(target);
	slash = strrchr(target, '/');
	if (slash)
		*slash = '\0';
	dir = open_below(u, slash ? target : "");
	if (dir < 0)
		return err_code(u->err, dir, "open the target '%.200s' of '%s'", to, path);
	if (fstatat(dir, slash ? slash + 1 : target, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		linkat(dir, slash ? slash + 1 : target, at, name, 0) < 0)
		return err_sys(u->err, "link '%s' to '%.200s'", path, to);
	return 0;
}

static int make_device(
	struct unpack *u, struct archive_entry *e, int at, const char *name, const char *path)
{
	dev_t dev = archive_entry_rdev(e);
	mode_t type = archive_entry_filetype(e);

	if (type == S_IFCHR && major(dev) == 0 && minor(dev) == 0)
		return err_set(u->err, -EINVAL, "'%s' is the device 0:0, which hides files", path);
	if (mknodat(at, name, type | 0600, type == S_IFIFO ? 0 : dev) < 0)
		return err_sys(u->err, "make the device '%s'", path);
	return 0;
}

static int make_dir(struct unpack *u, int at, const char *name, const char *path)
{
	struct stat st;

	if (mkdirat(at, name, 0700) == 0)
		return 0;
	if (errno == EEXIST && fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		S_ISDIR(st.st_mode))
		return 0;
	return err_sys(u->err, "make directory '%s'", path);
}

static int make_entry(
	struct unpack *u, struct archive_entry *e, int at, const char *name, const char *path)
{
	const char *link = archive_entry_hardlink(e), *symlink;

	if (link)
		return make_hard_link(u, link, at, name, path);
	switch (archive_entry_filetype(e)) {
	case S_IFREG:
		return write_file(u, at, name, path);
	case S_IFDIR:
		return make_dir(u, at, name, path);
	case S_IFLNK:
		symlink = archive_entry_symlink(e);
		if (!symlink || symlinkat(symlink, at, name) < 0)
			return err_sys(u->err, "make the link '%s'", path);
		return 0;
	case S_IFCHR:
	case S_IFBLK:
	case S_IFIFO:
		return make_device(u, e, at, name, path);
	default:
		return err_set(u->err, -EINVAL, "'%s' is of an unknown type", path);
	}
}

/* A directory may meet one; everything else takes the place of what is there. */
static int make_room(
	struct unpack *u, struct archive_entry *e, int at, const char *name, const char *path)
{
	bool dir = !archive_entry_hardlink(e) && archive_entry_filetype(e) == S_IFDIR;
	struct stat st;

	if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : err_sys(u->err, "stat '%s'", path);
	return dir && S_ISDIR(st.st_mode) ? 0 : remove_what_is(u, at, name, path);
}

static int unpack_one(struct unpack *u, struct archive_entry *e)
{
	const char *given = archive_entry_pathname(e), *name;
	auto_free char *path = given ? strdup(given) : NULL;
	auto_close int at = -EBADF;
	int r;

	if (!given)
		return err_set(u->err, -EINVAL, "an entry has no name that can be read");
	if (!path)
		return err_oom(u->err);
	clean(path);
	if (!*path)
		return 0; /* the root is the mount's */
	r = open_parent(u, path, &at, &name);
	if (r < 0)
		return r;
	if (str_eq(name, OPAQUE))
		return make_opaque(u, at, path);
	if (str_starts(name, WHITEOUT WHITEOUT))
		return 0; /* of aufs, and nothing to others */
	if (str_starts(name, WHITEOUT))
		return make_whiteout(u, at, name + strlen(WHITEOUT), path);
	r = make_room(u, e, at, name, path);
	if (r == 0)
		r = make_entry(u, e, at, name, path);
	if (r == 0 && !u->layer->overlay && path_set_add_all(&u->own, path) < 0)
		r = err_oom(u->err);
	return r < 0 ? r : set_all(u, e, at, name, path);
}

static int unpack_all(struct unpack *u)
{
	struct archive_entry *entry;
	int r;

	for (;;) {
		r = archive_read_next_header(u->tar, &entry);
		if (r == ARCHIVE_EOF)
			return 0;
		if (r < ARCHIVE_WARN)
			return archive_fail(u, u->tar, "read the tar");
		r = unpack_one(u, entry);
		if (r < 0)
			return r;
	}
}

static int set_dir_times(struct unpack *u)
{
	for (size_t i = u->n_dirs; i > 0; i--) {
		const struct dir_time *d = &u->dirs[i - 1];
		auto_close int fd = path_open_in_root(u->layer->root, d->path,
			O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);

		/* It may have been replaced since. */
		if (fd >= 0 && futimens(fd, d->times) < 0)
			return err_sys(u->err, "change the times of '%s'", d->path);
	}
	return 0;
}

static void unpack_done(struct unpack *u)
{
	for (size_t i = 0; i < u->n_dirs; i++)
		free(u->dirs[i].path);
	free(u->dirs);
	path_set_done(&u->own);
	archive_read_free(u->tar);
	archive_read_free(u->outer);
	free(u);
}

int layer_apply(const struct layer *l, struct layer_sum *ret, struct err *err)
{
	struct unpack *u = mem_calloc(1, sizeof(*u));
	uint8_t sum[SHA256_SIZE];
	int r;

	if (!u)
		return err_oom(err);
	u->layer = l;
	u->err = err;
	sha256_init(&u->sum);
	r = open_outer(u);
	if (r == 0)
		r = open_tar(u);
	if (r == 0)
		r = unpack_all(u);
	if (r == 0)
		r = set_dir_times(u);
	if (r == 0)
		r = read_rest(u);
	if (r == 0) {
		sha256_final(&u->sum, sum);
		snprintf(ret->digest, sizeof(ret->digest), "sha256:");
		for (size_t i = 0; i < SHA256_SIZE; i++)
			snprintf(ret->digest + 7 + 2 * i, 3, "%02x", sum[i]);
		ret->size = u->size;
	}
	unpack_done(u);
	return r;
}

/* ---- the program ---- */

static int parse(char **words, size_t n, struct layer *l, int lower[LOWER_MAX], struct err *err)
{
	for (size_t i = 0; i < n; i++) {
		if (helper_fd_word(words[i], "blob", &l->blob) == 0 ||
			helper_fd_word(words[i], "root", &l->root) == 0)
			continue;
		if (str_eq(words[i], "overlay"))
			l->overlay = 1;
		else if (l->n_lower < LOWER_MAX &&
			 helper_fd_word(words[i], "lower", &lower[l->n_lower]) == 0)
			l->n_lower++;
		else
			return err_set(err, -EINVAL, "unknown word '%s'", words[i]);
	}
	l->lower = lower;
	return l->blob < 0 || l->root < 0 ? err_set(err, -EINVAL, "a layer needs blob and root")
					  : 0;
}

int layer_main(int news, char **words, size_t n)
{
	struct layer l = { .blob = -EBADF, .root = -EBADF };
	struct layer_sum sum;
	struct err err = { 0 };
	char what[200] = "";
	int lower[LOWER_MAX], r;

	/* Names are bytes; libarchive wants to see text in them. */
	setlocale(LC_CTYPE, "C.UTF-8");
	r = parse(words, n, &l, lower, &err);
	if (r == 0)
		r = layer_apply(&l, &sum, &err);
	if (r == 0)
		snprintf(what, sizeof(what), "%s %llu", sum.digest, (unsigned long long)sum.size);
	return helper_answer(news, &err, what);
}
