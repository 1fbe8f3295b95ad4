/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state directory: who may be called what, and who may change it.
 *
 * A container's directory is made under a temporary name with its lock held and a record inside, then renamed to its id
 * without replacing: the rename decides between two creators, and nobody ever sees a container without a record or
 * without its creator's lock. Removal goes the same way back: renamed away under the lock, then taken apart. So a lock
 * says something only if the directory still has its name, which everybody who waited for one checks.
 *
 * What surprises: creators hold the root directory itself locked (shared) until their temporary one is locked, so that a
 * sweep (exclusive) cannot take it for one that a crash left.
 */
#include "container/state.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/path.h"

#define LOCK_PATIENCE_NS (10 * NS_PER_SEC)
#define PAUSE_MAX_NS (50 * NS_PER_MS)
#define OPEN_TRIES 16 /* deleted and made again under us */
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
			"invalid container ID format: '%s': letters, digits, '_', '+', '.' and '-' "
			"only",
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

static int check_root(int fd, const char *path, struct err *err)
{
	struct stat st, slash;
	struct statfs fs;

	if (fstat(fd, &st) < 0 || stat("/", &slash) < 0 || fstatfs(fd, &fs) < 0)
		return err_sys(err, "look at root '%s'", path);
	if (st.st_dev == slash.st_dev && st.st_ino == slash.st_ino)
		return err_set(err, -EINVAL, "root '%s' is the root directory", path);
	if (st.st_uid != geteuid() && st.st_uid != 0)
		return err_set(err, -EPERM, "root '%s' belongs to user %u", path, st.st_uid);
	if (st.st_mode & S_IWOTH)
		return err_set(err, -EPERM, "root '%s' is writable for everybody", path);
	if (fs.f_type == NFS_SUPER_MAGIC)
		return err_set(err, -ENOTSUP, "root '%s' is on NFS, where locks do not hold", path);
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
	r = check_root(fd, path, err);
	if (r < 0)
		return r;
	/* Whatever cleans a user's runtime directory of old files spares what is sticky; only a wish. */
	if (!root && create && strcmp(path, STATE_DEFAULT_ROOT) != 0)
		(void)!fchmod(fd, S_ISVTX | 0700);
	*ret = (struct state_dir){ .fd = take_fd(&fd), .path = take_ptr(path) };
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
	s->lock = fd_close(s->lock);
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

/* With the root locked exclusively no creator is between mkdir and lock: a free or missing lock means that it died. */
static void sweep_one(struct state_dir *d, const char *name)
{
	auto_close int dirfd = -EBADF, lock = -EBADF;

	if (is_temporary(name)) {
		dirfd = fd_open_at(d->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
		if (dirfd < 0)
			return;
		lock = fd_open_at(dirfd, "lock", O_RDWR | O_NOFOLLOW, 0);
		if (lock >= 0 && file_lock(lock, true, false) < 0)
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
	/* A lock of its own, given back by closing: others of this process may hold d->fd's. */
	auto_close int root = fd_open_at(d->fd, ".", O_RDONLY | O_DIRECTORY, 0);

	if (root < 0 || file_lock(root, true, false) < 0)
		return;
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

/* Nothing here is synced to a disk: no container outlives the machine, and a rename survives the death of a process. */
int state_put_file(struct state *s, const char *name, const void *data, size_t size)
{
	assert(s->lock >= 0);
	return file_replace_at(s->dirfd, name, data, size, 0600);
}

static int save_record(int dirfd, struct state_record *r)
{
	auto_done(buf) struct buf out = { 0 };
	int code;

	r->generation++;
	code = state_record_write(r, &out);
	if (code == 0 && out.len > STATE_RECORD_MAX)
		code = -EFBIG;
	if (code == 0)
		code = file_replace_at(dirfd, "state", out.data, out.len, 0600);
	if (code < 0)
		r->generation--;
	return code;
}

int state_save(struct state *s, struct err *err)
{
	int r;

	assert(s->lock >= 0);
	r = save_record(s->dirfd, &s->record);
	return r < 0 ? err_code(err, r, "save state of container '%s'", s->record.id) : 0;
}

static int load_record(int dirfd, const char *id, struct state_record *ret, struct err *err)
{
	struct state_record record;
	auto_free char *data = NULL;
	size_t size;
	int r;

	r = fd_read_file_at(dirfd, "state", STATE_RECORD_MAX, &data, &size);
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

static void random_name(const char *prefix, char out[NAME_SIZE])
{
	uint64_t n = 0;

	/* Never blocks after the machine's first seconds; then the clock is good enough, names are tried. */
	if (getrandom(&n, sizeof(n), GRND_NONBLOCK) != sizeof(n))
		n = clock_boot_ns() ^ (uint64_t)getpid() << 40;
	snprintf(out, NAME_SIZE, "%s%016llx", prefix, (unsigned long long)n);
}

/* Make ROOT/.tmp.RANDOM with its lock held; the root is locked (shared) meanwhile, see the top. */
static int make_temporary(struct state_dir *d, char name[NAME_SIZE], struct state *s)
{
	int r;

	do {
		random_name(".tmp.", name);
		r = mkdirat(d->fd, name, 0700) < 0 ? -errno : 0;
	} while (r == -EEXIST);
	if (r < 0)
		return r;
	s->dirfd = fd_open_at(d->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	if (s->dirfd < 0)
		return s->dirfd;
	s->lock = fd_open_at(s->dirfd, "lock", O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
	if (s->lock < 0)
		return s->lock;
	return file_lock(s->lock, true, false);
}

static int make_locked_temporary(struct state_dir *d, char name[NAME_SIZE], struct state *s)
{
	auto_close int root = fd_open_at(d->fd, ".", O_RDONLY | O_DIRECTORY, 0);
	int r;

	*name = '\0';
	if (root < 0)
		return root;
	r = lock_patiently(root, false);
	return r < 0 ? r : make_temporary(d, name, s);
}

static int first_record(const struct state_dir *d, struct state *s, const char *id)
{
	struct state_record *r = &s->record;

	r->id = state_record_string(r, id);
	r->created_ns = clock_wall_ns();
	r->owner = getuid();
	r->status = STATE_CREATING;
	if (!r->id)
		return -ENOMEM;
	return save_record(s->dirfd, r);
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

int state_create(struct state_dir *d, const char *id, struct state *ret, struct err *err)
{
	auto_done(state) struct state s = STATE_NULL;
	char name[NAME_SIZE];
	int r;

	r = state_id_check(id, err);
	if (r < 0)
		return r;
	r = make_locked_temporary(d, name, &s);
	if (r == 0)
		r = first_record(d, &s, id);
	if (r == 0)
		r = claim(d, name, id);
	if (r < 0) {
		/* Only what we made ourselves: the id may be another's. */
		if (*name)
			(void)file_remove_tree_at(d->fd, name);
		if (r == -EEXIST)
			return err_set(err, r, "container with given ID already exists: '%s'", id);
		return err_code(err, r, "make state of container '%s'", id);
	}
	s.dir = d;
	*ret = s;
	s = STATE_NULL;
	return 0;
}

/* ---- opening one ---- */

/* 0: locked, and still the container of that name. -EAGAIN: it went away while we waited. */
static int lock_one(struct state_dir *d, const char *id, int dirfd, int *ret_lock)
{
	auto_close int lock = fd_open_at(dirfd, "lock", O_RDWR | O_NOFOLLOW, 0);
	int r;

	if (lock == -ENOENT && !file_same_at(dirfd, d->fd, id))
		return -EAGAIN;
	if (lock < 0)
		return lock;
	r = lock_patiently(lock, true);
	if (r < 0)
		return r;
	if (!file_same_at(dirfd, d->fd, id))
		return -EAGAIN;
	*ret_lock = take_fd(&lock);
	return 0;
}

/* Lock files are made with their directory; one that is missing was removed by hand. Salvage makes do. */
static int lock_salvaged(struct state_dir *d, const char *id, int dirfd, int *ret_lock)
{
	int lock = fd_open_at(dirfd, "lock", O_RDWR | O_CREAT | O_NOFOLLOW, 0600);

	if (lock < 0)
		return lock;
	fd_close(lock);
	return lock_one(d, id, dirfd, ret_lock);
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
		r = lock_one(d, id, s->dirfd, &s->lock);
		if (r == -ENOENT && access == STATE_SALVAGE)
			r = lock_salvaged(d, id, s->dirfd, &s->lock);
		if (r < 0)
			return r == -EAGAIN ? r : err_code(err, r, "lock container '%s'", id);
	}
	r = load_record(s->dirfd, id, &s->record, err);
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

int state_relock(struct state *s, struct err *err)
{
	struct state_record now;
	int r;

	assert(s->lock < 0);
	r = lock_one(s->dir, s->record.id, s->dirfd, &s->lock);
	if (r == -EAGAIN)
		return no_container(err, s->record.id);
	if (r < 0)
		return err_code(err, r, "lock container '%s'", s->record.id);
	r = load_record(s->dirfd, s->record.id, &now, err);
	if (r < 0) {
		state_unlock(s);
		return r;
	}
	if (now.generation == s->record.generation) {
		state_record_done(&now);
		return 0;
	}
	state_record_done(&s->record);
	s->record = now;
	return 0;
}

/* ---- removing one ---- */

int state_remove(struct state *s, struct err *err)
{
	char name[NAME_SIZE];
	int r;

	assert(s->lock >= 0);
	do {
		random_name(".del.", name);
		r = renameat2(s->dir->fd, s->record.id, s->dir->fd, name, RENAME_NOREPLACE) < 0
			    ? -errno
			    : 0;
		if (r == -EINVAL)
			r = renameat(s->dir->fd, s->record.id, s->dir->fd, name) < 0 ? -errno : 0;
	} while (r == -EEXIST);
	if (r < 0 && r != -ENOENT)
		return err_code(err, r, "remove state of container '%s'", s->record.id);
	state_unlock(s);
	/* From here the container does not exist; what cannot be removed now, a sweep removes. */
	if (r == 0)
		(void)file_remove_tree_at(s->dir->fd, name);
	return 0;
}

void state_done(struct state *s)
{
	if (!s)
		return;
	/* 0 is a standard stream, so the fds of a zeroed struct are none of ours. */
	if (s->dirfd > 0)
		fd_close(s->dirfd);
	if (s->lock > 0)
		fd_close(s->lock);
	state_record_done(&s->record);
	*s = STATE_NULL;
}
