/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that survive a crash.
 *
 * A save writes a temporary beside the file and renames it: a reader sees the old or the new bytes,
 * never a part. The temporary has a fixed name, so that a crash leaves at most one, which the next
 * save removes; so two writers of one file need a lock. On tmpfs nothing is synced: a reboot
 * empties it, and the death of a process loses no rename.
 */
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/kernel.h"
#include "base/mem.h"

#define REMOVE_ROUNDS 8 /* a tree that grows faster than we remove it */

bool file_is_volatile(int fd)
{
	struct statfs fs;

	if (fstatfs(fd, &fs) < 0)
		return false;
	return fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC;
}

static int open_temporary(int dirfd, const char *temporary, mode_t mode)
{
	int fd;

	for (int i = 0; i < 2; i++) {
		fd = fd_open_at(dirfd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode);
		if (fd != -EEXIST)
			break;
		/* What a crash left; a directory of this name is somebody else's and stays. */
		if (unlinkat(dirfd, temporary, 0) < 0 && errno != ENOENT)
			return -errno;
	}
	return fd;
}

static int sync_dir(int dirfd)
{
	/* dirfd may be an O_PATH fd, which cannot be synced. */
	auto_close int fd = fd_open_at(dirfd, ".", O_RDONLY | O_DIRECTORY, 0);

	if (fd < 0)
		return fd;
	return fsync(fd) < 0 ? -errno : 0;
}

static int write_temporary(int fd, const void *data, size_t size, mode_t mode, bool sync)
{
	int r;

	r = fd_write_full(fd, data, size);
	if (r < 0)
		return r;
	/* A umask takes from others what the caller wants to give them; nobody's takes anything from the owner. */
	if (mode & 077 && fchmod(fd, mode) < 0)
		return -errno;
	if (sync && fsync(fd) < 0)
		return -errno;
	return 0;
}

/* ret_fd may be NULL. */
static int replace(int dirfd, const char *name, const void *data, size_t size, mode_t mode,
	bool durable, int *ret_fd)
{
	char temporary[NAME_MAX + 1];
	bool sync;
	int fd, n, r;

	n = snprintf(temporary, sizeof(temporary), ".%s.new", name);
	if (n < 0 || (size_t)n >= sizeof(temporary))
		return -ENAMETOOLONG;
	if (!*name || strchr(name, '/'))
		return -EINVAL;
	fd = open_temporary(dirfd, temporary, mode);
	if (fd < 0)
		return fd;
	sync = durable && !file_is_volatile(fd);
	r = write_temporary(fd, data, size, mode, sync);
	if (!ret_fd && close(fd) < 0 && r == 0 && errno != EINTR)
		r = -errno;
	if (r == 0 && renameat(dirfd, temporary, dirfd, name) < 0)
		r = -errno;
	if (r < 0) {
		unlinkat(dirfd, temporary, 0);
		if (ret_fd)
			fd_close(fd);
		return r;
	}
	if (ret_fd)
		*ret_fd = fd;
	return sync ? sync_dir(dirfd) : 0;
}

int file_save_at(int dirfd, const char *name, const void *data, size_t size, mode_t mode)
{
	return replace(dirfd, name, data, size, mode, true, NULL);
}

int file_replace_at(int dirfd, const char *name, const void *data, size_t size, mode_t mode)
{
	return replace(dirfd, name, data, size, mode, false, NULL);
}

int file_replace_keep_at(
	int dirfd, const char *name, const void *data, size_t size, mode_t mode, int *ret_fd)
{
	return replace(dirfd, name, data, size, mode, false, ret_fd);
}

static int make_dir(int dirfd, const char *path, mode_t mode)
{
	struct stat st;

	if (mkdirat(dirfd, path, mode) == 0)
		return 0;
	if (errno != EEXIST)
		return -errno;
	if (fstatat(dirfd, path, &st, 0) < 0)
		return -errno;
	return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

int file_mkdirs_at(int dirfd, const char *path, mode_t mode)
{
	auto_free char *copy = strdup(path);
	int r = 0;

	if (!copy)
		return -ENOMEM;
	for (char *p = copy; *p && r == 0;) {
		char saved;

		p += strspn(p, "/");
		p += strcspn(p, "/");
		saved = *p;
		*p = '\0';
		r = make_dir(dirfd, copy, mode);
		*p = saved;
		p += strspn(p, "/");
	}
	return r;
}

static uint64_t mount_id(int fd)
{
	struct statx stx = { 0 };

	if (statx(fd, "", AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW, STATX_MNT_ID, &stx) < 0)
		return 0;
	return stx.stx_mnt_id;
}

struct removal {
	uint64_t mount; /* that is not left */
	bool empty_only;
};

static int remove_at(int dirfd, const char *name, const struct removal *how);

/* Remove what a directory holds; goes on after a failure and returns the first one. */
static int remove_entries(DIR *dir, const struct removal *how)
{
	const struct dirent *entry;
	int first = 0, r;

	rewinddir(dir);
	for (;;) {
		errno = 0;
		entry = readdir(dir);
		if (!entry)
			return first ? first : -errno;
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		r = remove_at(dirfd(dir), entry->d_name, how);
		if (r < 0 && first == 0)
			first = r;
	}
}

static int remove_dir(int parent, const char *name, const struct removal *how)
{
	int fd, r = 0;
	DIR *dir;

	fd = fd_open_at(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	if (mount_id(fd) != how->mount) {
		fd_close(fd);
		return -EBUSY;
	}
	dir = fdopendir(fd);
	if (!dir) {
		fd_close(fd);
		return -ENOMEM;
	}
	for (int i = 0; i < REMOVE_ROUNDS; i++) {
		r = remove_entries(dir, how);
		if (r < 0)
			break;
		r = unlinkat(parent, name, AT_REMOVEDIR) < 0 ? -errno : 0;
		if (r != -ENOTEMPTY)
			break;
	}
	closedir(dir);
	return r == -ENOENT ? 0 : r;
}

/* Of a directory that is seen when it is gone through. */
static bool holds_something(int dirfd, const char *name)
{
	struct stat st;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno != ENOENT;
	return !S_ISDIR(st.st_mode) && (!S_ISREG(st.st_mode) || st.st_size > 0);
}

static int remove_at(int dirfd, const char *name, const struct removal *how)
{
	if (how->empty_only && holds_something(dirfd, name))
		return -ENOTEMPTY;
	if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR)
		return -errno;
	return remove_dir(dirfd, name, how);
}

static int remove_tree(int dirfd, const char *name, bool empty_only)
{
	auto_close int parent = -EBADF;
	struct removal how = { .empty_only = empty_only };

	if (!*name || strchr(name, '/') || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return -EINVAL;
	/* AT_FDCWD has no mount id of its own. */
	parent = fd_open_at(dirfd, ".", O_PATH | O_DIRECTORY, 0);
	if (parent < 0)
		return parent;
	how.mount = mount_id(parent);
	return remove_at(parent, name, &how);
}

int file_remove_tree_at(int dirfd, const char *name)
{
	return remove_tree(dirfd, name, false);
}

int file_remove_empty_at(int dirfd, const char *name)
{
	return remove_tree(dirfd, name, true);
}

int file_lock(int fd, bool exclusive, bool wait)
{
	int op = (exclusive ? LOCK_EX : LOCK_SH) | (wait ? 0 : LOCK_NB);
	int r;

	do
		r = flock(fd, op);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : 0;
}

bool file_same_at(int fd, int dirfd, const char *name)
{
	struct stat held, named;

	if (fstat(fd, &held) < 0 || fstatat(dirfd, name, &named, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	return held.st_dev == named.st_dev && held.st_ino == named.st_ino;
}
