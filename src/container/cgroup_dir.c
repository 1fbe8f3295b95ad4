/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files and subdirectories of a cgroup.
 *
 * A value is one open, one write and one close, by the whole path: few files of a directory are
 * touched, and opening the directory first would be two calls more. The walk
 * goes up by "..": cgroupfs has no links and no moves between directories, and a hostile container
 * may nest deeper than there are fds or stack. kernfs counts subdirectories in st_nlink, which
 * saves reading a directory that has none.
 */
#include "container/cgroup_dir.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"

#define WALK_DEPTH_MAX 8192
#define PROCS_MAX (64u << 20) /* bytes of one cgroup.procs: more than pid_max can fill */

static const struct {
	const char *v1;
	const char *v2;
} controller_names[] = {
#define X(id, v1, v2) [CGROUP_##id] = { v1, v2 },
	CGROUP_CONTROLLERS(X)
#undef X
};

const char *cgroup_controller_name(enum cgroup_controller c, bool v2)
{
	return v2 ? controller_names[c].v2 : controller_names[c].v1;
}

uint32_t cgroup_controllers_parse(const char *list, const char *separators, bool v2)
{
	uint32_t bits = 0;

	for (list += strspn(list, separators); *list; list += strspn(list, separators)) {
		size_t len = strcspn(list, separators);

		for (unsigned int i = 0; i < CGROUP_N_CONTROLLERS; i++) {
			const char *name = cgroup_controller_name(i, v2);

			if (name && strlen(name) == len && memcmp(name, list, len) == 0)
				bits |= CGROUP_BIT(i);
		}
		list += len;
	}
	return bits;
}

int cgroup_dir_fd(struct cgroup_dir *d)
{
	if (d->fd < 0)
		d->fd = fd_open(d->path, O_PATH | O_DIRECTORY, 0);
	return d->fd;
}

/* PATH of the directory `up` levels above, then "/FILE" unless file is NULL. */
static int make_path(
	const struct cgroup_dir *d, unsigned int up, const char *file, char path[PATH_MAX])
{
	size_t len = strlen(d->path);

	if (up > d->depth)
		return -EINVAL;
	for (; up > 0; up--)
		while (len > 0 && d->path[--len] != '/')
			continue;
	if (len + (file ? strlen(file) + 1 : 0) >= PATH_MAX)
		return -ENAMETOOLONG;
	memcpy(path, d->path, len);
	path[len] = '\0';
	if (file)
		snprintf(path + len, PATH_MAX - len, "/%s", file);
	return 0;
}

int cgroup_dir_open_up(const struct cgroup_dir *d, unsigned int up)
{
	char path[PATH_MAX];
	int r = make_path(d, up, NULL, path);

	return r < 0 ? r : fd_open(path, O_PATH | O_DIRECTORY, 0);
}

int cgroup_file_open(const struct cgroup_dir *d, unsigned int up, const char *file, int flags)
{
	char path[PATH_MAX];
	int r;

	if (d->fake && (flags & O_ACCMODE) == O_WRONLY)
		flags |= O_CREAT | O_APPEND;
	if (d->fd >= 0 && up == 0)
		return fd_open_at(d->fd, file, flags, 0644);
	r = make_path(d, up, file, path);
	return r < 0 ? r : fd_open(path, flags, 0644);
}

static int put_open(int fd, const char *value, bool fake)
{
	size_t size = strlen(value);
	ssize_t n;

	if (fd < 0)
		return fd;
	do
		n = write(fd, value, size);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if ((size_t)n != size)
		return -EIO;
	return fake ? fd_write_full(fd, "\n", 1) : 0; /* every write stays readable */
}

int cgroup_put_open(const struct cgroup_dir *d, int fd, const char *value)
{
	return put_open(fd, value, d->fake);
}

int cgroup_put_at(int dirfd, const char *file, const char *value)
{
	auto_close int fd = fd_open_at(dirfd, file, O_WRONLY, 0);

	return put_open(fd, value, false);
}

int cgroup_put_up(const struct cgroup_dir *d, unsigned int up, const char *file, const char *value)
{
	int fd = cgroup_file_open(d, up, file, O_WRONLY);
	int r = put_open(fd, value, d->fake);

	fd_spend(d->spent, fd);
	return r;
}

int cgroup_put(const struct cgroup_dir *d, const char *file, const char *value)
{
	if (d->before_put)
		d->before_put(d->before_put_arg, d, file, value);
	return cgroup_put_up(d, 0, file, value);
}

int cgroup_get_open(int fd, char value[CGROUP_VALUE_SIZE])
{
	ssize_t n;

	if (fd < 0)
		return fd;
	do
		n = read(fd, value, CGROUP_VALUE_SIZE);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if (n == CGROUP_VALUE_SIZE)
		return -EFBIG;
	if (n > 0 && value[n - 1] == '\n')
		n--;
	value[n] = '\0';
	return 0;
}

int cgroup_get_at(int dirfd, const char *file, char value[CGROUP_VALUE_SIZE])
{
	auto_close int fd = fd_open_at(dirfd, file, O_RDONLY, 0);

	return cgroup_get_open(fd, value);
}

int cgroup_get_up(const struct cgroup_dir *d, unsigned int up, const char *file,
	char value[CGROUP_VALUE_SIZE])
{
	int fd = cgroup_file_open(d, up, file, O_RDONLY);
	int r = cgroup_get_open(fd, value);

	fd_spend(d->spent, fd);
	return r;
}

int cgroup_get(const struct cgroup_dir *d, const char *file, char value[CGROUP_VALUE_SIZE])
{
	return cgroup_get_up(d, 0, file, value);
}

int cgroup_keyed(const char *text, const char *key, uint64_t *ret)
{
	size_t len = strlen(key);

	while (*text) {
		const char *end = strchrnul(text, '\n');

		if (strncmp(text, key, len) == 0 && text[len] == ' ') {
			char number[24];
			size_t n = (size_t)(end - (text + len + 1));

			if (n >= sizeof(number))
				return -EBADMSG;
			memcpy(number, text + len + 1, n);
			number[n] = '\0';
			return str_to_u64(number, UINT64_MAX, ret) < 0 ? -EBADMSG : 0;
		}
		text = *end ? end + 1 : end;
	}
	return -ENOENT;
}

int cgroup_set_failed(
	int code, const char *field, const char *file, const char *value, struct err *err)
{
	/* Engines read "no such file or directory" as a program that was not found. */
	if (code == -ENOENT)
		return err_set(err, code,
			"linux.resources.%s: write %s to %s: this kernel has no such setting",
			field, value, file);
	return err_code(err, code, "linux.resources.%s: write %s to %s", field, value, file);
}

int cgroup_set(struct cgroup_dir *d, const char *field, const char *file, const char *value,
	struct err *err)
{
	int r = cgroup_put(d, file, value);

	return r < 0 ? cgroup_set_failed(r, field, file, value, err) : 0;
}

int cgroup_set_number(
	struct cgroup_dir *d, const char *field, const char *file, int64_t value, struct err *err)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRId64, value);
	return cgroup_set(d, field, file, text, err);
}

void cgroup_settings_add(
	struct cgroup_settings *s, const char *field, const char *file, const char *fmt, ...)
{
	struct cgroup_setting *one = &s->s[s->n++];
	va_list ap;

	assert(s->n <= CGROUP_SETTINGS_MAX);
	*one = (struct cgroup_setting){ .field = field, .file = file };
	va_start(ap, fmt);
	vsnprintf(one->value, sizeof(one->value), fmt, ap);
	va_end(ap);
}

int cgroup_settings_write(struct cgroup_dir *d, struct cgroup_settings *s, struct err *err)
{
	struct cgroup_setting *refused;
	bool progress;

	do {
		refused = NULL;
		progress = false;
		for (size_t i = 0; i < s->n; i++) {
			struct cgroup_setting *one = &s->s[i];
			int r = one->done ? 0 : cgroup_put(d, one->file, one->value);

			if (r < 0 && r != -EINVAL)
				return cgroup_set_failed(r, one->field, one->file, one->value, err);
			if (r < 0 && !refused)
				refused = one;
			progress |= r == 0 && !one->done;
			one->done |= r == 0;
		}
	} while (refused && progress);
	return refused ? cgroup_set_failed(
				 -EINVAL, refused->field, refused->file, refused->value, err)
		       : 0;
}

/* ---- the walk ---- */

struct frame {
	struct buf names; /* of the subdirectories, each with its NUL */
	size_t at;        /* the next one */
};

struct walk_state {
	struct frame *frames;
	size_t n;
	size_t cap;
	int cur; /* the directory of the last frame */
};

static int list_subdirectories(int dirfd, struct buf *names)
{
	struct dirent *e;
	struct stat st;
	DIR *dir;
	int fd;

	if (fstat(dirfd, &st) < 0)
		return -errno;
	if (st.st_nlink == 2)
		return 0;
	fd = fd_open_at(dirfd, ".", O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return fd;
	dir = fdopendir(fd);
	if (!dir) {
		fd_close(fd);
		return -ENOMEM;
	}
	while ((e = readdir(dir)))
		if (e->d_type == DT_DIR && !str_eq(e->d_name, ".") && !str_eq(e->d_name, ".."))
			buf_add(names, e->d_name, strlen(e->d_name) + 1);
	closedir(dir);
	return buf_ok(names);
}

/* Make `fd` (taken over) the current directory. */
static int walk_push(struct cgroup_walk *w, struct walk_state *s, int fd)
{
	int r;

	fd_close(s->cur);
	s->cur = fd;
	if (s->n == WALK_DEPTH_MAX)
		return -ELOOP;
	if (mem_grow(&s->frames, &s->cap, s->n + 1, sizeof(*s->frames)) < 0)
		return -ENOMEM;
	s->frames[s->n++] = (struct frame){ 0 };
	r = list_subdirectories(fd, &s->frames[s->n - 1].names);
	if (r == 0 && w->enter)
		r = w->enter(w, fd);
	return r == -ENOENT || r == -ENODEV ? 0 : r; /* removed under our feet */
}

static int walk_up(struct cgroup_walk *w, struct walk_state *s)
{
	struct frame *f;
	const char *name;
	int up;

	buf_done(&s->frames[--s->n].names);
	if (s->n == 0)
		return 0;
	up = fd_open_at(s->cur, "..", O_RDONLY | O_DIRECTORY, 0);
	if (up < 0)
		return up;
	fd_close(s->cur);
	s->cur = up;
	f = &s->frames[s->n - 1];
	name = f->names.data + f->at;
	f->at += strlen(name) + 1;
	return w->leave ? w->leave(w, up, name) : 0;
}

static int walk_step(struct cgroup_walk *w, struct walk_state *s)
{
	struct frame *f = &s->frames[s->n - 1];
	int fd;

	if (f->at >= f->names.len)
		return walk_up(w, s);
	fd = fd_open_at(s->cur, f->names.data + f->at, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	if (fd == -ENOENT || fd == -ENODEV) {
		f->at += strlen(f->names.data + f->at) + 1;
		return 0;
	}
	return fd < 0 ? fd : walk_push(w, s, fd);
}

int cgroup_walk(struct cgroup_walk *w, const char *top)
{
	struct walk_state s = { .cur = -EBADF };
	int r = fd_open(top, O_RDONLY | O_DIRECTORY, 0);

	if (r < 0)
		return r;
	r = walk_push(w, &s, r);
	while (r >= 0 && s.n > 0)
		r = walk_step(w, &s);
	while (s.n > 0)
		buf_done(&s.frames[--s.n].names);
	free(s.frames);
	fd_close(s.cur);
	return r < 0 ? r : 0;
}

/* ---- pids ---- */

int cgroup_pids_at(int dirfd, struct cgroup_pid_list *list)
{
	auto_free char *text = NULL;
	char *line, *next;
	int r = fd_read_file_at(dirfd, "cgroup.procs", PROCS_MAX, &text, NULL);

	if (r == -EOPNOTSUPP) /* a threaded cgroup: its domain above lists them */
		return 0;
	if (r < 0)
		return r;
	for (line = text; *line; line = next) {
		uint32_t pid;

		next = strchrnul(line, '\n');
		if (*next)
			*next++ = '\0';
		r = str_to_u32(line, &pid);
		if (r < 0)
			return -EBADMSG;
		if (pid == 0) /* of a pid namespace that is not ours or below */
			continue;
		if (mem_grow(&list->pid, &list->cap, list->n + 1, sizeof(*list->pid)) < 0)
			return -ENOMEM;
		list->pid[list->n++] = (pid_t)pid;
	}
	return 0;
}

struct pids_walk {
	struct cgroup_walk walk;
	struct cgroup_pid_list *list;
};

static int pids_enter(struct cgroup_walk *w, int dirfd)
{
	return cgroup_pids_at(dirfd, container_of(w, struct pids_walk, walk)->list);
}

int cgroup_pids_below(const char *top, struct cgroup_pid_list *list)
{
	struct pids_walk w = { .walk.enter = pids_enter, .list = list };

	return cgroup_walk(&w.walk, top);
}
