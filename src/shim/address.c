/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Several starts of one group may run at a time, and one may meet a server that is about to leave.
 * All of them and the leaving server change names in the directory under its lock, so that nobody
 * removes what another has just bound. A shim of another make does not take the lock; against it we
 * are as safe as it is against itself.
 *
 * What surprises: a server whose backlog is full is alive (EAGAIN), only slow; a connection attempt
 * never waits.
 */
#include "shim/address.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "supervisor/group.h"

static int check_dir(const char *path, struct err *err)
{
	auto_close int fd = -EBADF;
	struct stat st;
	int r;

	if (*path != '/')
		return err_set(err, -EINVAL, "socket directory '%s' is not absolute", path);
	if (strlen(path) + 1 + SHA256_HEX_SIZE > ADDRESS_PATH_SIZE)
		return err_set(err, -ENAMETOOLONG, "socket directory '%s' is too long", path);
	r = file_mkdirs_at(AT_FDCWD, path, 0700);
	if (r < 0)
		return err_code(err, r, "make socket directory '%s'", path);
	fd = fd_open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	if (fd < 0)
		return err_code(err, fd, "open socket directory '%s'", path);
	if (fstat(fd, &st) < 0)
		return err_sys(err, "look at socket directory '%s'", path);
	if (st.st_uid != geteuid() || (st.st_mode & (S_IWGRP | S_IWOTH)))
		return err_set(err, -EPERM,
			"socket directory '%s' belongs to or is writable for others", path);
	return 0;
}

static int try_dir(char ret_dir[ADDRESS_PATH_SIZE], struct err *err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static int try_dir(char ret_dir[ADDRESS_PATH_SIZE], struct err *err, const char *fmt, ...)
{
	char path[ADDRESS_PATH_SIZE];
	va_list ap;
	int n, r;

	va_start(ap, fmt);
	n = vsnprintf(path, sizeof(path), fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(path))
		return err_set(err, -ENAMETOOLONG, "socket directory '%s' is too long", path);
	r = check_dir(path, err);
	if (r == 0)
		memcpy(ret_dir, path, sizeof(path));
	return r;
}

int address_dir(const char *wanted, const char *runtime_dir, char ret_dir[ADDRESS_PATH_SIZE],
	struct err *err)
{
	unsigned int uid = geteuid();
	int r;

	if (!str_empty(wanted))
		return try_dir(ret_dir, err, "%s", wanted);
	r = try_dir(ret_dir, err, "%s", GROUP_SOCKET_DIR);
	if (r == 0 || uid == 0)
		return r;
	if (!str_empty(runtime_dir) && try_dir(ret_dir, err, "%s/containerd/s", runtime_dir) == 0)
		return 0;
	if (try_dir(ret_dir, err, "/run/%u/containerd/s", uid) == 0)
		return 0;
	return try_dir(ret_dir, err, "/tmp/containerd-s-%u", uid);
}

static bool is_alive(const char *path)
{
	int fd = fd_unix_connect(path, SOCK_STREAM | SOCK_NONBLOCK);
	bool alive = fd >= 0 || fd == -EAGAIN;

	fd_close(fd);
	return alive;
}

int address_bind(const char *dir, const char *name, int *ret_fd, char ret_path[ADDRESS_PATH_SIZE],
	struct err *err)
{
	auto_close int dirfd = fd_open(dir, O_RDONLY | O_DIRECTORY, 0);
	char path[ADDRESS_PATH_SIZE];
	int r;

	if (dirfd < 0)
		return err_code(err, dirfd, "open socket directory '%s'", dir);
	if (snprintf(path, sizeof(path), "%s/%s", dir, name) >= (int)sizeof(path))
		return err_set(err, -ENAMETOOLONG, "socket '%s/%s': path is too long", dir, name);
	r = file_lock(dirfd, true, true);
	if (r < 0)
		return err_code(err, r, "lock socket directory '%s'", dir);
	r = fd_unix_listen_at(AT_FDCWD, path, SOCK_STREAM | SOCK_NONBLOCK, 0600);
	if (r == -EADDRINUSE && is_alive(path)) {
		memcpy(ret_path, path, sizeof(path));
		*ret_fd = -EBADF;
		return 0;
	}
	if (r == -EADDRINUSE) {
		if (unlinkat(dirfd, name, 0) < 0 && errno != ENOENT)
			return err_sys(err, "remove stale socket '%s'", path);
		r = fd_unix_listen_at(AT_FDCWD, path, SOCK_STREAM | SOCK_NONBLOCK, 0600);
	}
	if (r < 0)
		return err_code(err, r, "listen at '%s'", path);
	memcpy(ret_path, path, sizeof(path));
	*ret_fd = r;
	return 0;
}

int address_of_fd(int fd, struct address_own *ret)
{
	struct sockaddr_un address = { 0 };
	socklen_t size = sizeof(address);
	struct address_own own = { 0 };
	struct stat st;

	if (getsockname(fd, (struct sockaddr *)&address, &size) < 0)
		return -errno;
	if (address.sun_family != AF_UNIX || address.sun_path[0] != '/')
		return -ENOENT;
	memcpy(own.path, address.sun_path, sizeof(address.sun_path));
	own.path[sizeof(own.path) - 1] = '\0';
	if (lstat(own.path, &st) < 0)
		return -errno;
	own.dev = st.st_dev;
	own.ino = st.st_ino;
	*ret = own;
	return 0;
}

/* The directory of a name, locked until *ret_dirfd is closed. -ENOENT: gone. */
static int lock_dir_of(const char *path, int *ret_dirfd, struct err *err)
{
	auto_free char *dir = strndup(path, (size_t)(path_basename(path) - path));
	auto_close int dirfd = -EBADF;
	int r;

	if (!dir)
		return err_oom(err);
	dirfd = fd_open(dir, O_RDONLY | O_DIRECTORY, 0);
	r = dirfd < 0 ? dirfd : file_lock(dirfd, true, true);
	if (r < 0)
		return err_code(err, r, "lock socket directory '%s'", dir);
	*ret_dirfd = take_fd(&dirfd);
	return 0;
}

int address_unlink(const struct address_own *own, struct err *err)
{
	auto_close int dirfd = -EBADF;
	struct stat st;
	int r = lock_dir_of(own->path, &dirfd, err);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (lstat(own->path, &st) < 0 || st.st_dev != own->dev || st.st_ino != own->ino)
		return 0;
	if (unlink(own->path) < 0 && errno != ENOENT)
		return err_sys(err, "remove socket '%s'", own->path);
	return 0;
}

int address_remove_stale(const char *path, struct err *err)
{
	auto_close int dirfd = -EBADF;
	struct stat st;
	int r = lock_dir_of(path, &dirfd, err);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (lstat(path, &st) < 0 || !S_ISSOCK(st.st_mode) || is_alive(path))
		return 0;
	if (unlink(path) < 0 && errno != ENOENT)
		return err_sys(err, "remove socket '%s'", path);
	return 0;
}
