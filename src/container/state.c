/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state directory: who may be called what, and who may change it.
 *
 * A container's directory is made under a temporary name, locked and filled, then renamed to its id without replacing:
 * the rename decides between two creators, and nobody ever sees a container without a record or without its creator's
 * lock. Removal goes the same way back: renamed away under the lock, then taken apart. So a lock says something only if
 * the directory still has its name, which everybody who waited for one checks.
 *
 * What surprises: a sweep may take a temporary directory between its mkdir and its lock for one that a crash left. Its
 * creator notices, by the sweep's lock or by the missing directory, and begins anew.
 *
 * Nothing here is synced to disk: a state says something of processes, which end with the machine.
 */
#include "container/state.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/path.h"

#define LOCK_PATIENCE_NS (10 * NS_PER_SEC)
#define PAUSE_MAX_NS (50 * NS_PER_MS)
#define OPEN_TRIES 16   /* deleted and made again under us */
#define FILES_MAX 4     /* that a creator brings */
#define MAKE_TRIES 1000 /* swept away under us: a sweep in a loop takes most of them */
#define AMBIGUOUS_NAMED 4
#define NAME_SIZE 32

/* ---- ids ---- */

static bool id_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_' || c == '+' || c == '.' || c == '-';
}

int state_id_check(const char *id, struct err *err)
{
	size_t len = 0;

	if (str_empty(id))
		return err_set(err, -EINVAL, "container id cannot be empty");
	for (; id[len]; len++)
		if (len == STATE_ID_MAX || !id_char(id[len]))
			break;
	if (len == STATE_ID_MAX && id[len])
		return err_set(
			err, -EINVAL, "container id is longer than %d characters", STATE_ID_MAX);
	if (id[len])
		return err_set(err, -EINVAL,
			"invalid container ID format: invalid character in '%s': letters, digits, "
			"'_', '+', '.' and '-' only",
			id);
	if (id[0] == '.')
		return err_set(
			err, -EINVAL, "invalid container ID format: '%s' begins with '.'", id);
	return 0;
}

static int no_container(struct err *err, const char *id)
{
	return err_set(err, -ENOENT, "container does not exist: '%s'", id);
}

/* ---- the root directory ---- */

/* A user namespace of somebody has another map than the machine's whole one. */
static bool in_user_namespace(void)
{
	auto_free char *map = NULL;
	unsigned int inside, outside, count;

	if (fd_read_file_at(AT_FDCWD, "/proc/self/uid_map", 4096, &map, NULL) < 0)
		return false;
	if (sscanf(map, "%u %u %u", &inside, &outside, &count) != 3)
		return true;
	return inside != 0 || outside != 0 || count != UINT32_MAX;
}

/* Whether the runtime directory of the user counts, not the machine's. */
static bool is_users(void)
{
	const char *user = getenv("USER");

	if (geteuid() != 0)
		return true;
	return !str_eq(user, "root") && in_user_namespace();
}

int state_default_root(char **ret, struct err *err)
{
	const char *dir = getenv("XDG_RUNTIME_DIR");
	char *root;

	if (!str_empty(dir) && *dir == '/' && is_users())
		root = path_join(dir, "reeve");
	else
		root = strdup(STATE_DEFAULT_ROOT);
	if (!root)
		return err_oom(err);
	*ret = root;
	return 0;
}

static int check_root(int fd, const char *path, bool *ret_in_memory, struct err *err)
{
	struct statfs fs = { 0 };
	struct statx st;

	/* What has a block device below it is neither in memory nor NFS. */
	if (statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &st) < 0 ||
		(st.stx_dev_major == 0 && fstatfs(fd, &fs) < 0))
		return err_sys(err, "look at root '%s'", path);
	/* Also when it is mounted in another place; only a mount's own root can be that. */
	if ((st.stx_attributes & STATX_ATTR_MOUNT_ROOT) && file_same_at(fd, AT_FDCWD, "/"))
		return err_set(err, -EINVAL, "root '%s' is the root directory", path);
	if (st.stx_uid != 0 && st.stx_uid != geteuid())
		return err_set(err, -EPERM, "root '%s' belongs to user %u", path, st.stx_uid);
	if (st.stx_mode & S_IWOTH)
		return err_set(err, -EPERM, "root '%s' is writable for everybody", path);
	if (fs.f_type == NFS_SUPER_MAGIC)
		return err_set(err, -ENOTSUP, "root '%s' is on NFS, where locks do not hold", path);
	*ret_in_memory = fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC;
	return 0;
}

static int open_root(const char *path, bool create, struct err *err)
{
	int fd, r;

	fd = fd_open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	if (fd == -ENOENT && create) {
		r = file_mkdirs_at(AT_FDCWD, path, 0700);
		if (r < 0)
			return err_code(err, r, "make root '%s'", path);
		fd = fd_open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	}
	if (fd == -ENOTDIR || fd == -ELOOP)
		return err_set(
			err, -ENOTDIR, "root '%s' is not a directory, or is a link to one", path);
	return fd < 0 ? err_code(err, fd, "open root '%s'", path) : fd;
}

int state_dir_open(const char *root, bool create, struct state_dir *ret, struct err *err)
{
	auto_free char *path = NULL;
	auto_close int fd = -EBADF;
	bool in_memory;
	int r;

	if (!root)
		r = state_default_root(&path, err);
	else if (!*root)
		r = err_set(err, -EINVAL, "root must not be empty");
	else
		r = (path = path_absolute(root)) ? 0 : err_oom(err);
	if (r < 0)
		return r;
	if (strcmp(path, "/") == 0)
		return err_set(err, -EINVAL, "root '%s' is the root directory", root ? root : path);
	fd = open_root(path, create, err);
	if (fd < 0)
		return fd;
	r = check_root(fd, path, &in_memory, err);
	if (r < 0)
		return r;
	/* Whatever cleans a user's runtime directory of old files spares what is sticky; only a wish. */
	if (!root && create && strcmp(path, STATE_DEFAULT_ROOT) != 0)
		(void)!fchmod(fd, S_ISVTX | 0700);
	*ret = (struct state_dir){
		.fd = take_fd(&fd), .path = take_ptr(path), .in_memory = in_memory
	};
	return 0;
}

void state_dir_done(struct state_dir *d)
{
	if (!d || !d->path)
		return;
	fd_close(d->fd);
	free(d->path);
	*d = STATE_DIR_NULL;
}

/* ---- locks ---- */

/* Bounded: whoever holds a lock for long is stopped or stuck, and must not stop us too. */
static int lock_patiently(int fd, bool exclusive)
{
	uint64_t deadline = clock_boot_ns() + LOCK_PATIENCE_NS, pause = NS_PER_MS / 4;
	int r;

	for (;;) {
		struct timespec ts = { .tv_nsec = (long)pause };

		r = file_lock(fd, exclusive, false);
		if (r != -EWOULDBLOCK)
			return r;
		if (clock_boot_ns() >= deadline)
			return -EBUSY;
		nanosleep(&ts, NULL);
		pause = pause * 2 < PAUSE_MAX_NS ? pause * 2 : PAUSE_MAX_NS;
	}
}

void state_unlock(struct state *s)
{
	if (s->locked)
		flock(s->dirfd, LOCK_UN);
	s->locked = false;
}

bool state_is_locked(const struct state *s)
{
	/* An open file of its own: a lock of s itself would be no obstacle to the same one. */
	auto_close int dirfd = fd_open_at(s->dirfd, ".", O_RDONLY | O_DIRECTORY, 0);

	return dirfd >= 0 && file_lock(dirfd, false, false) == -EWOULDBLOCK;
}

/* ---- sweeping ---- */

static bool is_temporary(const char *name)
{
	return str_starts(name, ".tmp.");
}

static bool is_deleted(const char *name)
{
	return str_starts(name, ".del.");
}

/* The lock is held while it is taken apart: a creator that is only just behind its mkdir must notice. */
static void sweep_one(struct state_dir *d, const char *name)
{
	auto_close int dirfd = -EBADF;

	if (is_temporary(name)) {
		dirfd = fd_open_at(d->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
		if (dirfd < 0 || file_lock(dirfd, true, false) < 0)
			return;
	}
	(void)file_remove_tree_at(d->fd, name);
}

typedef int entry_fn(struct state_dir *d, const struct dirent *entry, void *arg);

static int each_entry(struct state_dir *d, entry_fn *fn, void *arg)
{
	const struct dirent *entry;
	int fd, r = 0;
	DIR *dir;

	/* An open file of its own: the position is not shared with d->fd. */
	fd = fd_open_at(d->fd, ".", O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return fd;
	dir = fdopendir(fd);
	if (!dir) {
		fd_close(fd);
		return -ENOMEM;
	}
	do {
		errno = 0;
		entry = readdir(dir);
		if (entry)
			r = fn(d, entry, arg);
		else
			r = -errno;
	} while (entry && r == 0);
	closedir(dir);
	return r;
}

static int sweep_entry(struct state_dir *d, const struct dirent *entry, void *arg)
{
	const char *name = entry->d_name;

	if (is_temporary(name) || is_deleted(name))
		sweep_one(d, name);
	return 0;
}

void state_sweep(struct state_dir *d)
{
	(void)each_entry(d, sweep_entry, NULL);
}

/* ---- listing ---- */

struct listing {
	char **ids;
	size_t n, cap;
	bool stale;
	const char *prefix;
};

static int list_entry(struct state_dir *d, const struct dirent *entry, void *arg)
{
	const char *name = entry->d_name;
	struct listing *l = arg;
	char *copy;

	if (is_temporary(name) || is_deleted(name))
		l->stale = true;
	if (entry->d_type != DT_DIR && entry->d_type != DT_UNKNOWN)
		return 0;
	if (state_id_check(name, NULL) < 0 || (l->prefix && !str_starts(name, l->prefix)))
		return 0;
	if (mem_grow(&l->ids, &l->cap, l->n + 1, sizeof(*l->ids)) < 0)
		return -ENOMEM;
	copy = strdup(name);
	if (!copy)
		return -ENOMEM;
	l->ids[l->n++] = copy;
	return 0;
}

static int compare_ids(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int list_ids(struct state_dir *d, struct listing *l, struct err *err)
{
	int r = each_entry(d, list_entry, l);

	if (r < 0) {
		state_list_free(l->ids, l->n);
		return err_code(err, r, "read root '%s'", d->path);
	}
	if (l->n)
		qsort(l->ids, l->n, sizeof(*l->ids), compare_ids);
	return 0;
}

int state_list(struct state_dir *d, char ***ret_ids, size_t *ret_n, struct err *err)
{
	struct listing l = { 0 };
	int r;

	r = list_ids(d, &l, err);
	if (r < 0)
		return r;
	if (l.stale)
		state_sweep(d);
	*ret_ids = l.ids;
	*ret_n = l.n;
	return 0;
}

void state_list_free(char **ids, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(ids[i]);
	free(ids);
}

static int ambiguous(struct err *err, const char *id, const struct listing *l)
{
	auto_done(buf) struct buf names = { 0 };

	for (size_t i = 0; i < l->n && i < AMBIGUOUS_NAMED; i++)
		buf_addf(&names, "%s\"%s\"", i ? ", " : "", l->ids[i]);
	if (buf_ok(&names) < 0)
		return err_oom(err);
	return err_set(err, -EINVAL,
		"id \"%s\" is ambiguous and could refer to multiple containers: %s%s", id,
		names.data, l->n > AMBIGUOUS_NAMED ? ", ..." : "");
}

int state_resolve_id(struct state_dir *d, const char *id, size_t min_prefix,
	char ret[STATE_ID_MAX + 1], struct err *err)
{
	struct listing l = { .prefix = id };
	int r;

	r = state_id_check(id, err);
	if (r < 0)
		return r;
	if (faccessat(d->fd, id, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
		memcpy(ret, id, strlen(id) + 1);
		return 0;
	}
	if (min_prefix == 0 || strlen(id) < min_prefix)
		return no_container(err, id);
	r = list_ids(d, &l, err);
	if (r < 0)
		return r;
	if (l.n == 0)
		r = no_container(err, id);
	else if (l.n > 1)
		r = ambiguous(err, id, &l);
	else
		memcpy(ret, l.ids[0], strlen(l.ids[0]) + 1);
	state_list_free(l.ids, l.n);
	return r;
}

/* ---- records on disk ---- */

static int record_bytes(const struct state_record *r, struct buf *out)
{
	int code = state_record_write(r, out);

	return code == 0 && out->len > STATE_RECORD_MAX ? -EFBIG : code;
}

/*
 * What tells one save from another: the number of a file is used again, but not at the same time of the clock. (Where
 * the clock of the file system is coarse, kernels before 6.13, two saves by others would have to fit in one tick.)
 */
static void note_file(struct state *s, const struct stat *st)
{
	s->seen = (struct state_seen){
		.dev = st->st_dev,
		.ino = st->st_ino,
		.written = st->st_mtim,
		.changed = st->st_ctim,
		.size = st->st_size,
	};
}

static void forget_kept(struct state *s)
{
	if (s->kept > 0)
		fd_close(s->kept);
	s->kept = 0;
}

int state_save(struct state *s, struct err *err)
{
	auto_done(buf) struct buf out = { 0 };
	struct stat st;
	int r;

	assert(s->locked);
	s->record.generation++;
	r = record_bytes(&s->record, &out);
	s->seen = (struct state_seen){ 0 };
	forget_kept(s);
	if (r == 0 && s->dir->brief)
		r = file_replace_keep_at(s->dirfd, "state", out.data, out.len, 0600, &s->kept);
	else if (r == 0)
		r = file_replace_at(s->dirfd, "state", out.data, out.len, 0600);
	if (r < 0) {
		s->record.generation--;
		return err_code(err, r, "save state of container '%s'", s->record.id);
	}
	if (s->kept > 0)
		s->seen.size = (off_t)out.len;
	else if (fstatat(s->dirfd, "state", &st, AT_SYMLINK_NOFOLLOW) == 0)
		note_file(s, &st);
	return 0;
}

static int load_record(
	struct state_dir *d, int dirfd, const char *id, struct state_record *ret, struct err *err)
{
	struct state_record record;
	auto_free char *data = NULL;
	size_t size;
	int r;

	r = fd_read_spend_at(d->spent, dirfd, "state", STATE_RECORD_MAX, &data, &size);
	if (r == -EFBIG)
		return err_set(err, -EBADMSG, "state of container '%s' is damaged: too large", id);
	if (r < 0)
		return err_code(err, r, "read state of container '%s'", id);
	r = state_record_parse(data, size, &record, err);
	if (r == -EBADMSG) {
		err_in(err, "state of container '%s' is damaged", id);
		return r;
	}
	if (r < 0)
		return r;
	/* A directory that was copied or renamed by hand: acting on it would act on the other container. */
	if (strcmp(record.id, id) != 0) {
		err_set(err, -EBADMSG, "state of container '%s' is damaged: it is of '%s'", id,
			record.id);
		state_record_done(&record);
		return -EBADMSG;
	}
	*ret = record;
	return 0;
}

/* ---- making one ---- */

/* Names are tried, so it is enough that two processes seldom read the clock in the same nanosecond. */
static void new_name(const char *prefix, char out[NAME_SIZE])
{
	snprintf(out, NAME_SIZE, "%s%016llx", prefix, (unsigned long long)clock_boot_ns());
}

/* Make ROOT/.tmp.NAME and lock it. -EAGAIN: a sweep was faster. */
static int make_temporary(struct state_dir *d, char name[NAME_SIZE], int *ret_dirfd)
{
	auto_close int dirfd = -EBADF;
	int r;

	do {
		new_name(".tmp.", name);
		r = mkdirat(d->fd, name, 0700) < 0 ? -errno : 0;
	} while (r == -EEXIST);
	if (r < 0) {
		*name = '\0';
		return r;
	}
	dirfd = fd_open_at(d->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	if (dirfd < 0)
		return dirfd == -ENOENT ? -EAGAIN : dirfd;
	r = file_lock(dirfd, true, false);
	if (r < 0)
		return r == -EWOULDBLOCK ? -EAGAIN : r;
	*ret_dirfd = take_fd(&dirfd);
	return 0;
}

/* *fd is the caller's to close. */
static int write_new(int dirfd, const char *name, const void *data, size_t size, int *fd)
{
	*fd = fd_open_at(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
	return *fd < 0 ? *fd : fd_write_full(*fd, data, size);
}

static int fill_temporary(struct state_dir *d, int dirfd, const struct state_record *r,
	const struct state_file *files, size_t n_files)
{
	auto_done(buf) struct buf out = { 0 };
	int code = record_bytes(r, &out);
	int fds[1 + FILES_MAX] = { 0 };
	size_t n = 0;

	assert(n_files <= FILES_MAX);
	if (code == 0)
		code = write_new(dirfd, "state", out.data, out.len, &fds[n++]);
	for (size_t i = 0; i < n_files && code == 0; i++)
		code = write_new(dirfd, files[i].name, files[i].data, files[i].size, &fds[n++]);
	for (size_t i = 0; d->spent && i < n; i++)
		fd_spend(d->spent, fds[i]);
	if (!d->spent)
		fd_close_all(fds, n);
	return code;
}

/* The moment of decision between two creators. */
static int claim(struct state_dir *d, const char *name, const char *id)
{
	if (renameat2(d->fd, name, d->fd, id, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL)
		return -errno;
	/* A file system without the flag: mkdir decides, and a rename may replace an empty directory. */
	if (mkdirat(d->fd, id, 0700) < 0)
		return -errno;
	if (renameat(d->fd, name, d->fd, id) < 0) {
		int r = -errno;

		unlinkat(d->fd, id, AT_REMOVEDIR);
		return r;
	}
	return 0;
}

/* -EAGAIN: swept away; try again. Leaves nothing on failure. */
static int create_once(struct state_dir *d, const struct state_record *r,
	const struct state_file *files, size_t n_files, int *ret_dirfd)
{
	auto_close int dirfd = -EBADF;
	char name[NAME_SIZE];
	int code = make_temporary(d, name, &dirfd);

	if (code == 0)
		code = fill_temporary(d, dirfd, r, files, n_files);
	if (code == 0)
		code = claim(d, name, r->id);
	if (code == 0) {
		*ret_dirfd = take_fd(&dirfd);
		return 0;
	}
	/* Only what we made ourselves: the id may be another's. */
	if (*name && code != -EAGAIN)
		(void)file_remove_tree_at(d->fd, name);
	return code == -ENOENT && *name ? -EAGAIN : code;
}

int state_create(struct state_dir *d, struct state *s, const struct state_file *files,
	size_t n_files, struct err *err)
{
	struct state_record *r = &s->record;
	int dirfd = -EBADF, code = -EAGAIN;

	code = state_id_check(r->id, err);
	if (code < 0)
		return code;
	r->generation = 1;
	r->created_ns = clock_wall_ns();
	r->status = STATE_CREATING;
	code = -EAGAIN;
	for (int i = 0; i < MAKE_TRIES && code == -EAGAIN; i++)
		code = create_once(d, r, files, n_files, &dirfd);
	if (code == -EEXIST)
		return err_set(err, code, "container with given ID already exists: '%s'", r->id);
	if (code < 0)
		return err_code(err, code, "make state of container '%s'", r->id);
	s->dir = d;
	s->dirfd = dirfd;
	s->locked = true;
	return 0;
}

/* ---- opening one ---- */

/* 0: locked, and still the container of that name. -EAGAIN: it went away while we waited. */
static int lock_one(struct state_dir *d, const char *id, int dirfd)
{
	int r = lock_patiently(dirfd, true);

	if (r < 0)
		return r;
	if (file_same_at(dirfd, d->fd, id))
		return 0;
	flock(dirfd, LOCK_UN);
	return -EAGAIN;
}

static int open_once(struct state_dir *d, const char *id, enum state_access access, struct state *s,
	struct err *err)
{
	int r;

	s->dirfd = fd_open_at(d->fd, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	if (s->dirfd == -ENOENT)
		return no_container(err, id);
	if (s->dirfd < 0)
		return err_code(err, s->dirfd, "open state of container '%s'", id);
	if (access != STATE_READ) {
		r = lock_one(d, id, s->dirfd);
		if (r < 0)
			return r == -EAGAIN ? r : err_code(err, r, "lock container '%s'", id);
		s->locked = true;
	}
	r = load_record(d, s->dirfd, id, &s->record, err);
	/* A reader comes upon a container that is being taken apart. */
	if (r == -ENOENT && !file_same_at(s->dirfd, d->fd, id))
		return -EAGAIN;
	if (r == -ENOENT)
		r = err_set(err, -EBADMSG, "state of container '%s' is damaged: there is no record",
			id);
	return r;
}

static int salvage(struct state *s, const char *id, struct err *err)
{
	s->damaged = true;
	s->record.id = state_record_string(&s->record, id);
	return s->record.id ? 0 : err_oom(err);
}

int state_open(struct state_dir *d, const char *id, enum state_access access, struct state *ret,
	struct err *err)
{
	int r;

	r = state_id_check(id, err);
	if (r < 0)
		return r;
	for (int i = 0; i < OPEN_TRIES; i++) {
		auto_done(state) struct state s = STATE_NULL;

		r = open_once(d, id, access, &s, err);
		if (r == -EBADMSG && access == STATE_SALVAGE)
			r = salvage(&s, id, err);
		if (r == -EAGAIN)
			continue;
		if (r < 0)
			return r;
		s.dir = d;
		*ret = s;
		s = STATE_NULL;
		return 0;
	}
	return no_container(err, id);
}

/* The record on disk is the one that we saved, and the directory above it has our id. */
static bool is_unchanged(const struct state *s)
{
	char path[STATE_ID_MAX + sizeof("/state")];
	struct stat st;

	/* A record is replaced and removed, never written to: then ours would have no name. */
	if (s->kept > 0)
		return fstat(s->kept, &st) == 0 && st.st_nlink == 1 && st.st_size == s->seen.size;
	snprintf(path, sizeof(path), "%s/state", s->record.id);
	return s->seen.ino && fstatat(s->dir->fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       st.st_ino == s->seen.ino && st.st_dev == s->seen.dev && st.st_size == s->seen.size &&
	       st.st_mtim.tv_sec == s->seen.written.tv_sec &&
	       st.st_mtim.tv_nsec == s->seen.written.tv_nsec &&
	       st.st_ctim.tv_sec == s->seen.changed.tv_sec &&
	       st.st_ctim.tv_nsec == s->seen.changed.tv_nsec;
}

/* Under the lock: the record of the container that is still called so. */
static int refresh(struct state *s, struct err *err)
{
	struct state_record now;
	int r;

	if (!file_same_at(s->dirfd, s->dir->fd, s->record.id))
		return no_container(err, s->record.id);
	r = load_record(s->dir, s->dirfd, s->record.id, &now, err);
	if (r < 0)
		return r;
	if (now.generation == s->record.generation) {
		state_record_done(&now);
		return 0;
	}
	state_record_done(&s->record);
	s->record = now;
	return 0;
}

int state_relock(struct state *s, struct err *err)
{
	int r;

	assert(!s->locked);
	if (s->removed)
		return no_container(err, s->record.id);
	r = lock_patiently(s->dirfd, true);
	if (r < 0)
		return err_code(err, r, "lock container '%s'", s->record.id);
	s->locked = true;
	r = is_unchanged(s) ? 0 : refresh(s, err);
	if (r < 0)
		state_unlock(s);
	return r;
}

/* ---- removing one ---- */

/* Usually there is just this; anything else takes the long way. */
static void take_apart(struct state *s, const char *name)
{
	unlinkat(s->dirfd, "state", 0);
	unlinkat(s->dirfd, "config.json", 0);
	if (unlinkat(s->dir->fd, name, AT_REMOVEDIR) < 0)
		(void)file_remove_tree_at(s->dir->fd, name);
}

int state_remove(struct state *s, struct err *err)
{
	char name[NAME_SIZE];
	int r;

	assert(s->locked);
	do {
		new_name(".del.", name);
		r = renameat2(s->dir->fd, s->record.id, s->dir->fd, name, RENAME_NOREPLACE) < 0
			    ? -errno
			    : 0;
		if (r == -EINVAL)
			r = renameat(s->dir->fd, s->record.id, s->dir->fd, name) < 0 ? -errno : 0;
	} while (r == -EEXIST);
	if (r < 0 && r != -ENOENT)
		return err_code(err, r, "remove state of container '%s'", s->record.id);
	/* From here the container does not exist; what cannot be removed now, a sweep removes. */
	if (r == 0)
		take_apart(s, name);
	/* Who waits for the lock of what is gone waits for the end of a brief command. */
	s->removed = true;
	if (!s->dir->brief)
		s->dirfd = fd_close(s->dirfd);
	s->locked = false;
	return 0;
}

void state_done(struct state *s)
{
	if (!s)
		return;
	/* 0 is a standard stream, so the fds of a zeroed struct are none of ours. */
	if (s->dirfd > 0)
		fd_close(s->dirfd);
	forget_kept(s);
	state_record_done(&s->record);
	*s = STATE_NULL;
}
