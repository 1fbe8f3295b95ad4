/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The protocols are small, and libsystemd cannot be linked into a static program.
 */
#include "base/service.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"

#define FIRST_FD 3
#define MOVED_FROM 10 /* what programs of ours pass to each other is below */

int service_notify(const char *manager, const char *lines)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	auto_close int sock = -EBADF;
	size_t len;

	if (str_empty(manager))
		return 0;
	len = strlen(manager);
	if ((*manager != '/' && *manager != '@') || len >= sizeof(to.sun_path))
		return -EINVAL;
	memcpy(to.sun_path, manager, len);
	if (*manager == '@')
		to.sun_path[0] = '\0';
	sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (sock < 0)
		return -errno;
	if (sendto(sock, lines, strlen(lines), MSG_NOSIGNAL, (const struct sockaddr *)&to,
		    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) < 0)
		return -errno;
	return 0;
}

bool service_is_journal(const char *stream, int fd)
{
	unsigned long long dev, ino;
	struct stat st;
	char end;

	if (!stream || sscanf(stream, "%llu:%llu%c", &dev, &ino, &end) != 2)
		return false;
	return fstat(fd, &st) == 0 && st.st_dev == dev && st.st_ino == ino;
}

static bool is_us(const char *pid)
{
	uint64_t v;

	return pid && str_to_u64(pid, INT32_MAX, &v) == 0 && (pid_t)v == getpid();
}

uint64_t service_watchdog_ns(const char *usec, const char *pid)
{
	uint64_t v;

	if (!usec || (pid && !is_us(pid)) || str_to_u64(usec, UINT64_MAX / 1000, &v) < 0)
		return 0;
	return v * 1000;
}

int service_take_fds(const char *pid, const char *n, int *fds, size_t room, size_t *ret_n)
{
	uint64_t count;

	*ret_n = 0;
	if (!n || !is_us(pid) || str_to_u64(n, 1024, &count) < 0)
		return 0;
	*ret_n = (size_t)count;
	if (count > room)
		return -E2BIG;
	for (int i = 0; i < (int)count; i++) {
		fds[i] = fcntl(FIRST_FD + i, F_DUPFD_CLOEXEC, MOVED_FROM);
		if (fds[i] < 0) {
			int code = -errno;

			fd_close_all(fds, (size_t)i);
			return code;
		}
	}
	for (int i = 0; i < (int)count; i++)
		fd_close(FIRST_FD + i);
	return 0;
}

bool service_listens_at(int fd, const char *path)
{
	struct sockaddr_un at = { 0 };
	socklen_t size = sizeof(at), len = sizeof(int);
	int listens = 0, type = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) < 0 || !listens)
		return false;
	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0 || type != SOCK_STREAM)
		return false;
	/* At most one byte less than the room: its end is a NUL of ours. */
	if (getsockname(fd, (struct sockaddr *)&at, &size) < 0 || at.sun_family != AF_UNIX ||
		size >= sizeof(at))
		return false;
	return str_eq(at.sun_path, path);
}
