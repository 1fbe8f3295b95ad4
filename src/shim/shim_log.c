/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bundle that was made by hand may have a plain file there; that is appended to. Nothing else is
 * written to: a device or socket of that name is a mistake.
 */
#include "shim/shim_log.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"

int shim_log_open(int bundle)
{
	auto_close int fd =
		fd_open_at(bundle, "log", O_RDWR | O_NONBLOCK | O_APPEND | O_NOFOLLOW, 0);
	struct stat st;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISFIFO(st.st_mode) && !S_ISREG(st.st_mode))
		return -EINVAL;
	return take_fd(&fd);
}

bool shim_log_follow(struct log *log, const char *bundle)
{
	auto_close int dirfd = -EBADF;
	struct stat st;
	int fd;

	if (!log || str_empty(bundle) ||
		(log->fd >= 0 && fstat(log->fd, &st) == 0 && st.st_nlink > 0))
		return false;
	dirfd = fd_open(bundle, O_PATH | O_DIRECTORY, 0);
	fd = dirfd < 0 ? dirfd : shim_log_open(dirfd);
	if (fd < 0)
		return false;
	fd_close(log->fd);
	log->fd = fd;
	log->torn = false;
	return true;
}
