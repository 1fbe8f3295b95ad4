/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Both trees are walked side by side, names in order, and what differs is written as it is met: what is new or changed
 * with the directories that lead to it, what is gone as a whiteout. Opaque marks are none: readers have to know them,
 * writers are asked not to use them (OCI layer.md), and containerd does not.
 *
 * What surprises: with a guide both trees are still those that overlayfs shows, for it knows what its marks mean
 * (opaque and renamed directories, data that is below); the uppermost directory says only which names to look at.
 */
#include "helper/diff.h"

#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "base/path.h"
#include "helper/diff_file.h"
#include "helper/diff_links.h"
#include "helper/helper_answer.h"
#include "helper/overlay_view.h"
#include "helper/path_set.h"

#define DIRS_MAX 500
#define DEPTH_MAX 1000
#define READ_BYTES (256u << 10)
#define WHITEOUT ".wh."

/* A directory that is being walked. */
struct level {
	struct level *above;
	int left, right, guide;       /* -EBADF: not there; guide: all names are looked at */
	const struct diff_file *file; /* in `right`; NULL for the root */
	size_t path_len;
	unsigned int depth;
	bool told; /* its own entry is in the tar */
};

struct walk {
	const struct diff *diff;
	struct tar_out *tar;
	struct archive_entry *entry;
	struct diff_links links;
	struct path_set dirs; /* whose own entry is in the tar */
	int right;            /* the root */
	struct buf path;      /* of what is looked at, without a slash in front */
	time_t whiteout_time;
	char box[READ_BYTES];
	struct err *err;
};

/* ---- entries ---- */

static time_t time_of(const struct walk *w, time_t t)
{
	return w->diff->has_epoch && t > w->diff->epoch ? (time_t)w->diff->epoch : t;
}

static void set_attributes(struct archive_entry *e, const struct buf *list)
{
	for (size_t at = 0; at < list->len;) {
		const char *name = list->data + at;
		uint32_t size;

		at += strlen(name) + 1;
		memcpy(&size, list->data + at, sizeof(size));
		at += sizeof(size);
		archive_entry_xattr_add_entry(e, name, list->data + at, size);
		at += size;
	}
}

/* hardlink NULL: none. */
static int set_entry(
	struct walk *w, const char *path, const struct diff_file *f, const char *hardlink)
{
	auto_done(buf) struct buf attributes = { 0 };
	struct archive_entry *e = archive_entry_clear(w->entry);
	char target[PATH_MAX];
	ssize_t n;
	int r;

	archive_entry_set_pathname(e, path);
	archive_entry_set_mode(e, f->st.st_mode);
	archive_entry_set_uid(e, f->st.st_uid);
	archive_entry_set_gid(e, f->st.st_gid);
	archive_entry_set_mtime(e, time_of(w, f->st.st_mtim.tv_sec), 0);
	archive_entry_set_size(e, S_ISREG(f->st.st_mode) && !hardlink ? f->st.st_size : 0);
	if (S_ISCHR(f->st.st_mode) || S_ISBLK(f->st.st_mode))
		archive_entry_set_rdev(e, f->st.st_rdev);
	if (hardlink) {
		archive_entry_set_hardlink(e, hardlink);
		return 0;
	}
	if (S_ISLNK(f->st.st_mode)) {
		n = readlinkat(f->fd, "", target, sizeof(target) - 1);
		if (n < 0)
			return err_sys(w->err, "read the link '%s'", path);
		target[n] = '\0';
		archive_entry_set_symlink(e, target);
	}
	r = diff_file_attributes(f, &attributes, w->err);
	if (r < 0)
		return err_in(w->err, "'%s'", path);
	set_attributes(e, &attributes);
	return 0;
}

static int write_bytes(struct walk *w, const char *path, const struct diff_file *f)
{
	auto_close int fd = diff_file_reopen(f);
	uint64_t left = (uint64_t)f->st.st_size;

	if (fd < 0)
		return err_code(w->err, fd, "open '%s'", path);
	while (left > 0) {
		size_t want = left < READ_BYTES ? (size_t)left : READ_BYTES;
		ssize_t n = fd_read_full(fd, w->box, want);
		int r;

		if (n < 0)
			return err_code(w->err, (int)n, "read '%s'", path);
		if ((size_t)n < want)
			return err_set(w->err, -EAGAIN, "'%s' has become shorter meanwhile", path);
		r = tar_out_data(w->tar, w->box, want, w->err);
		if (r < 0)
			return r;
		left -= want;
	}
	return 0;
}

static int tell_dir(struct walk *w, const char *path, const struct diff_file *f)
{
	int r = path_set_add_all(&w->dirs, path) < 0 ? err_oom(w->err) : 0;

	if (r == 0)
		r = set_entry(w, path, f, NULL);
	return r < 0 ? r : tar_out_entry(w->tar, w->entry, w->err);
}

/* The directories that lead to an entry stand before it, each once. */
static int tell_above(struct walk *w, struct level *l)
{
	char kept;
	int r;

	if (!l->file || l->told)
		return 0;
	r = tell_above(w, l->above);
	if (r < 0)
		return r;
	l->told = true;
	kept = w->path.data[l->path_len];
	w->path.data[l->path_len] = '\0';
	if (!path_set_has(&w->dirs, w->path.data))
		r = tell_dir(w, w->path.data, l->file);
	w->path.data[l->path_len] = kept;
	return r;
}

/* The same for a name that was walked past; a directory that is none any more leads to nothing. */
static int tell_above_name(struct walk *w, const char *name)
{
	auto_free char *path = strdup(name);
	int r = 0;

	if (!path)
		return err_oom(w->err);
	for (char *p = strchr(path, '/'); p && r == 0; p = strchr(p + 1, '/')) {
		auto_done(diff_file) struct diff_file f = DIFF_FILE_NULL;

		*p = '\0';
		if (!path_set_has(&w->dirs, path)) {
			f.fd = path_open_in_root(
				w->right, path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
			if (f.fd >= 0 && fstat(f.fd, &f.st) == 0)
				r = tell_dir(w, path, &f);
		}
		*p = '/';
	}
	return r;
}

static int tell_gone(struct walk *w, struct level *l, const char *name)
{
	auto_done(buf) struct buf path = { 0 };
	struct archive_entry *e;
	int r = tell_above(w, l);

	if (r < 0)
		return r;
	buf_add(&path, w->path.data ? w->path.data : "", l->path_len);
	buf_addf(&path, "%s" WHITEOUT "%s", l->path_len ? "/" : "", name);
	if (buf_ok(&path) < 0)
		return err_oom(w->err);
	e = archive_entry_clear(w->entry);
	archive_entry_set_pathname(e, path.data);
	archive_entry_set_filetype(e, AE_IFREG);
	archive_entry_set_perm(e, 0);
	archive_entry_set_size(e, 0);
	archive_entry_set_mtime(e, w->whiteout_time, 0);
	return tar_out_entry(w->tar, e, w->err);
}

/* Names of the same file that stand unchanged in both trees: they are linked to what has been told of it now. */
static int tell_names(struct walk *w, const struct diff_file *f, struct diff_link *link)
{
	int r = 0;

	for (size_t i = 0; i < link->n_names && r == 0; i++) {
		r = tell_above_name(w, link->names[i]);
		if (r == 0)
			r = set_entry(w, link->names[i], f, link->told);
		if (r == 0)
			r = tar_out_entry(w->tar, w->entry, w->err);
	}
	diff_link_forget_names(link);
	return r;
}

static int tell_file(struct walk *w, struct level *l, const struct diff_file *f)
{
	struct diff_link *link = NULL;
	const char *source = NULL;
	int r = 0;

	if (!S_ISDIR(f->st.st_mode) && f->st.st_nlink > 1) {
		r = diff_links_at(&w->links, &f->st, &link);
		if (r < 0)
			return err_oom(w->err);
		source = link->told;
	}
	r = tell_above(w, l);
	if (r == 0 && S_ISDIR(f->st.st_mode))
		return tell_dir(w, w->path.data, f);
	if (r == 0)
		r = set_entry(w, w->path.data, f, source);
	if (r == 0)
		r = tar_out_entry(w->tar, w->entry, w->err);
	if (r < 0 || source)
		return r;
	if (S_ISREG(f->st.st_mode))
		r = write_bytes(w, w->path.data, f);
	if (r < 0 || !link)
		return r;
	link->told = strdup(w->path.data);
	return link->told ? tell_names(w, f, link) : err_oom(w->err);
}

/* One that is as it was: a name more for what another name may tell of yet, or has told of. */
static int note_file(struct walk *w, struct level *l, const struct diff_file *f)
{
	struct diff_link *link;

	if (S_ISDIR(f->st.st_mode) || f->st.st_nlink < 2)
		return 0;
	if (diff_links_at(&w->links, &f->st, &link) < 0)
		return err_oom(w->err);
	if (link->told)
		return tell_file(w, l, f);
	return diff_link_add_name(link, w->path.data) < 0 ? err_oom(w->err) : 0;
}

/* ---- names ---- */

struct names {
	char **name;
	size_t n, cap;
};

static void names_done(struct names *list)
{
	for (size_t i = 0; i < list->n; i++)
		free(list->name[i]);
	free(list->name);
}

static int names_read(struct walk *w, int dir, struct names *list)
{
	int fd = dir < 0 ? -EBADF : fd_open_at(dir, ".", O_RDONLY | O_DIRECTORY, 0);
	const struct dirent *e;
	DIR *d;
	int r = 0;

	if (dir < 0)
		return 0;
	d = fd < 0 ? NULL : fdopendir(fd);
	if (!d) {
		fd_close(fd);
		return err_set(w->err, fd < 0 ? fd : -ENOMEM, "read the directory '%s'",
			w->path.len ? w->path.data : "/");
	}
	while (r == 0 && (errno = 0, e = readdir(d))) {
		if (str_eq(e->d_name, ".") || str_eq(e->d_name, ".."))
			continue;
		if (mem_grow(&list->name, &list->cap, list->n + 1, sizeof(*list->name)) < 0 ||
			!(list->name[list->n] = strdup(e->d_name)))
			r = err_oom(w->err);
		else
			list->n++;
	}
	if (r == 0 && errno)
		r = err_sys(w->err, "read the directory '%s'", w->path.len ? w->path.data : "/");
	closedir(d);
	return r;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int names_of(struct walk *w, const struct level *l, struct names *list)
{
	int r;

	if (l->guide >= 0) {
		r = names_read(w, l->guide, list);
	} else {
		r = names_read(w, l->left, list);
		if (r == 0)
			r = names_read(w, l->right, list);
	}
	if (r == 0 && list->n > 1)
		qsort(list->name, list->n, sizeof(*list->name), compare_names);
	return r;
}

/* ---- the walk ---- */

static int walk_dir(struct walk *w, struct level *l);

static bool has_mark(int fd, const char *name)
{
	char value[2];

	return fgetxattr(fd, name, value, sizeof(value)) >= 0 || errno == ERANGE;
}

/* One that has all to itself, or another name below, says not what to look at. */
static int open_guide(const struct level *l, const char *name)
{
	int fd = l->guide < 0 ? -EBADF
			      : fd_open_at(l->guide, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);

	if (fd < 0)
		return -EBADF;
	if (has_mark(fd, "trusted.overlay.opaque") || has_mark(fd, "trusted.overlay.redirect") ||
		has_mark(fd, "user.overlay.opaque") || has_mark(fd, "user.overlay.redirect"))
		return fd_close(fd);
	return fd;
}

static int go_down(struct walk *w, struct level *l, const char *name, const struct diff_file *left,
	const struct diff_file *right, bool told)
{
	auto_close int from = -EBADF, to = diff_file_reopen(right), guide = -EBADF;
	struct level below = { l, -EBADF, to, -EBADF, right, w->path.len, l->depth + 1, told };

	if (to < 0)
		return err_code(w->err, to, "open the directory '%s'", w->path.data);
	if (below.depth > DEPTH_MAX)
		return err_set(w->err, -ELOOP, "'%.200s...' is too deep", w->path.data);
	if (diff_file_is_dir(left)) {
		below.left = from = diff_file_reopen(left);
		if (from < 0)
			return err_code(w->err, from, "open the directory '%s'", w->path.data);
		guide = open_guide(l, name);
		below.guide = guide;
	}
	return walk_dir(w, &below);
}

static int compare(struct walk *w, struct level *l, const char *name, const struct diff_file *left,
	const struct diff_file *right)
{
	bool dir = diff_file_is_dir(right);
	int same = left->fd < 0 ? 0 : diff_file_same(left, right, w->err);
	int r;

	if (same < 0)
		return err_in(w->err, "'%s'", w->path.data);
	if (same)
		r = note_file(w, l, right);
	else
		r = tell_file(w, l, right);
	return r == 0 && dir ? go_down(w, l, name, left, right, !same) : r;
}

/* What hides a name is not there, wherever it is met; nor is a socket, which no tar can have. */
static int open_file(int dir, const char *name, struct diff_file *f)
{
	int r = diff_file_open(dir, name, f);

	if (r == 0 && (S_ISSOCK(f->st.st_mode) || (S_ISCHR(f->st.st_mode) && f->st.st_rdev == 0)))
		diff_file_done(f);
	return r == -ENOENT ? 0 : r;
}

/* A file that is called like a whiteout cannot be in a layer. */
static int look_at(struct walk *w, struct level *l, const char *name)
{
	auto_done(diff_file) struct diff_file left = DIFF_FILE_NULL;
	auto_done(diff_file) struct diff_file right = DIFF_FILE_NULL;
	int r = open_file(l->left, name, &left);

	if (r == 0)
		r = open_file(l->right, name, &right);
	if (r < 0)
		return err_code(w->err, r, "open '%s'", w->path.data);
	if ((left.fd < 0 && right.fd < 0) || str_starts(name, WHITEOUT))
		return 0;
	return right.fd < 0 ? tell_gone(w, l, name) : compare(w, l, name, &left, &right);
}

static int walk_dir(struct walk *w, struct level *l)
{
	auto_done(names) struct names list = { 0 };
	int r = names_of(w, l, &list);

	for (size_t i = 0; i < list.n && r == 0; i++) {
		if (i > 0 && str_eq(list.name[i], list.name[i - 1]))
			continue;
		buf_addf(&w->path, "%s%s", l->path_len ? "/" : "", list.name[i]);
		r = buf_ok(&w->path) < 0 ? err_oom(w->err) : look_at(w, l, list.name[i]);
		if (w->path.data) {
			w->path.len = l->path_len;
			w->path.data[l->path_len] = '\0';
		}
	}
	return r;
}

/* ---- the two trees ---- */

static int open_tree_of(const struct diff *d, const int *dirs, size_t n, int *ret, struct err *err)
{
	if (n > 1)
		return overlay_view_open(dirs, n, d->userxattr, ret, err);
	*ret = n == 0 ? -EBADF : fd_open_at(dirs[0], ".", O_RDONLY | O_DIRECTORY, 0);
	return n > 0 && *ret < 0 ? err_code(err, *ret, "open a directory") : 0;
}

static int walk_trees(struct walk *w)
{
	const struct diff *d = w->diff;
	auto_close int left = -EBADF, right = -EBADF;
	struct level root = { .left = -EBADF, .right = -EBADF, .guide = -EBADF };
	int r = open_tree_of(d, d->left, d->n_left, &left, w->err);

	if (r == 0)
		r = open_tree_of(d, d->right, d->n_right, &right, w->err);
	if (r < 0)
		return r;
	root.left = left;
	root.right = w->right = right;
	if (d->guide)
		root.guide = d->right[0];
	return walk_dir(w, &root);
}

int diff_write(const struct diff *d, struct diff_sums *ret, struct err *err)
{
	struct walk *w = mem_calloc(1, sizeof(*w));
	int r;

	if (!w)
		return err_oom(err);
	w->diff = d;
	w->err = err;
	w->whiteout_time = d->has_epoch ? (time_t)d->epoch : time(NULL);
	w->entry = archive_entry_new();
	r = w->entry ? tar_out_new(d->out, d->pack, &w->tar, err) : err_oom(err);
	if (r == 0)
		r = walk_trees(w);
	if (r == 0)
		r = tar_out_end(w->tar, &ret->file, &ret->tar, err);
	tar_out_free(w->tar);
	archive_entry_free(w->entry);
	diff_links_done(&w->links);
	path_set_done(&w->dirs);
	buf_done(&w->path);
	free(w);
	return r;
}

/* ---- the program ---- */

struct dirs {
	int left[DIRS_MAX], right[DIRS_MAX];
};

static int parse_word(const char *word, struct diff *d, struct dirs *dirs)
{
	if (helper_fd_word(word, "out", &d->out) == 0)
		return 0;
	if (d->n_left < DIRS_MAX && helper_fd_word(word, "left", &dirs->left[d->n_left]) == 0)
		return d->n_left++, 0;
	if (d->n_right < DIRS_MAX && helper_fd_word(word, "right", &dirs->right[d->n_right]) == 0)
		return d->n_right++, 0;
	if (str_eq(word, "guide"))
		return d->guide = true, 0;
	if (str_eq(word, "userxattr"))
		return d->userxattr = true, 0;
	if (str_eq(word, "gzip"))
		return d->pack = TAR_GZIP, 0;
	if (str_eq(word, "zstd"))
		return d->pack = TAR_ZSTD, 0;
	if (!str_starts(word, "epoch="))
		return -EINVAL;
	d->has_epoch = true;
	return str_to_i64(word + strlen("epoch="), &d->epoch);
}

static int parse(char **words, size_t n, struct diff *d, struct dirs *dirs, struct err *err)
{
	for (size_t i = 0; i < n; i++)
		if (parse_word(words[i], d, dirs) < 0)
			return err_set(err, -EINVAL, "unknown word '%s'", words[i]);
	d->left = dirs->left;
	d->right = dirs->right;
	return d->out < 0 || d->n_right == 0 ? err_set(err, -EINVAL, "a diff needs out and right")
					     : 0;
}

/* Each directory on the way down has up to four descriptors. */
static void want_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

int diff_main(int news, char **words, size_t n)
{
	struct diff d = { .out = -EBADF };
	struct diff_sums sums;
	struct err err = { 0 };
	char what[200] = "";
	struct dirs dirs;
	int r;

	/* Names are bytes; libarchive wants to see text in them. */
	setlocale(LC_CTYPE, "C.UTF-8");
	want_descriptors();
	r = parse(words, n, &d, &dirs, &err);
	if (r == 0)
		r = diff_write(&d, &sums, &err);
	if (r == 0)
		snprintf(what, sizeof(what), "%s %llu %s", sums.file.digest,
			(unsigned long long)sums.file.size, sums.tar.digest);
	return helper_answer(news, &err, what);
}
