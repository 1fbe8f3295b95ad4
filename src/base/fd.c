/* SPDX-License-Identifier: Apache-2.0 */
/*
 * File descriptors: opening, whole reads and writes, memfds, messages with fds, unix sockets.
 *
 * Everything is CLOEXEC from birth. Socket paths are limited to 107 bytes while our directories may
 * be deep, so bind and connect go through /proc/self/fd of an opened directory. What surprises: the
 * mode of a socket file is set by fchmod() of the unbound socket, since bind() takes it from there;
 * a chmod afterwards would leave a moment in which others may connect.
 */
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/kernel.h"
#include "base/mem.h"

#define SCM_MAX 253 /* SCM_MAX_FD of the kernel */

int fd_close(int fd)
{
	int saved = errno;

	if (fd >= 0)
		close(fd);
	errno = saved;
	return -EBADF;
}

static bool has(const int *fds, size_t n, int fd)
{
	for (size_t i = 0; i < n; i++)
		if (fds[i] == fd)
			return true;
	return false;
}

/* -1: none */
static int lowest_above(const int *fds, size_t n, int after)
{
	int low = -1;

	for (size_t i = 0; i < n; i++)
		if (fds[i] > after && (low < 0 || fds[i] < low))
			low = fds[i];
	return low;
}

void fd_close_all(const int *fds, size_t n)
{
	int after = -1, low, high;

	/* From the lowest on; there are few. */
	while ((low = lowest_above(fds, n, after)) >= 0) {
		for (high = low; has(fds, n, high + 1);)
			high++;
		if (high == low || syscall(SYS_close_range, low, high, 0) < 0)
			for (int fd = low; fd <= high; fd++)
				fd_close(fd);
		after = high;
	}
}

void fd_spend(struct fd_spent *s, int fd)
{
	if (!s || fd < 0) {
		fd_close(fd);
		return;
	}
	if (s->n == sizeof(s->fd) / sizeof(s->fd[0]))
		fd_spent_close(s);
	s->fd[s->n++] = fd;
}

void fd_spent_close(struct fd_spent *s)
{
	int saved = errno;

	if (!s)
		return;
	fd_close_all(s->fd, s->n);
	s->n = 0;
	errno = saved;
}

void fd_closep(int *fd)
{
	*fd = fd_close(*fd);
}

int fd_open_at(int dirfd, const char *path, int flags, mode_t mode)
{
	int fd;

	do
		fd = openat(dirfd, path, flags | O_CLOEXEC | O_NOCTTY, mode);
	while (fd < 0 && errno == EINTR);
	return fd < 0 ? -errno : fd;
}

int fd_open(const char *path, int flags, mode_t mode)
{
	return fd_open_at(AT_FDCWD, path, flags, mode);
}

ssize_t fd_read_full(int fd, void *data, size_t size)
{
	size_t done = 0;

	while (done < size) {
		ssize_t n = read(fd, (char *)data + done, size - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

int fd_write_full(int fd, const void *data, size_t size)
{
	size_t done = 0;

	while (done < size) {
		ssize_t n = write(fd, (const char *)data + done, size - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EIO;
		done += (size_t)n;
	}
	return 0;
}

/* The size of a regular file saves growing, and looking for its end; procfs says 0 and is read until its end. */
static size_t known_size(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size <= 0)
		return 0;
	return (size_t)st.st_size;
}

/* A file of `size` bytes (0: not known). */
static int read_file(int fd, size_t size, size_t max, char **ret_data, size_t *ret_size)
{
	auto_free char *data = NULL;
	size_t cap = 0, len = 0, want = size ? size : 4096;
	ssize_t n;

	if (want > max)
		want = max;

	for (;;) {
		/* One byte beyond tells a file of just that size from a longer one, one more is for
		 * the NUL. */
		if (mem_grow(&data, &cap, want + 2, 1) < 0)
			return -ENOMEM;
		n = read(fd, data + len, want + 1 - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		len += (size_t)n;
		if (n == 0 || (len == size && len <= want))
			break;
		if (len <= want)
			continue;
		if (want >= max)
			return -EFBIG;
		want = want < max / 2 ? want * 2 : max;
	}
	data[len] = '\0';
	*ret_data = take_ptr(data);
	if (ret_size)
		*ret_size = len;
	return 0;
}

int fd_read_file(int fd, size_t max, char **ret_data, size_t *ret_size)
{
	return read_file(fd, known_size(fd), max, ret_data, ret_size);
}

int fd_read_spend_at(struct fd_spent *spent, int dirfd, const char *path, size_t max,
	char **ret_data, size_t *ret_size)
{
	int fd = fd_open_at(dirfd, path, O_RDONLY, 0);
	bool sized = strncmp(path, "/proc/", 6) != 0;
	int r = fd < 0 ? fd : read_file(fd, sized ? known_size(fd) : 0, max, ret_data, ret_size);

	fd_spend(spent, fd);
	return r;
}

int fd_read_file_at(int dirfd, const char *path, size_t max, char **ret_data, size_t *ret_size)
{
	return fd_read_spend_at(NULL, dirfd, path, max, ret_data, ret_size);
}

int fd_read_regular_at(int dirfd, const char *path, size_t max, char **ret_data, size_t *ret_size)
{
	auto_close int fd = fd_open_at(dirfd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
	struct stat st;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	return read_file(fd, (size_t)st.st_size, max, ret_data, ret_size);
}

int fd_write_file_at(int dirfd, const char *path, const char *data)
{
	auto_close int fd = fd_open_at(dirfd, path, O_WRONLY, 0);
	size_t len = strlen(data);
	ssize_t n;

	if (fd < 0)
		return fd;
	do
		n = write(fd, data, len);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EIO;
}

/* Kernels from 6.3 warn when neither flag is given, older ones refuse both. */
static int memfd_open(const char *name, unsigned int exec_flag)
{
	unsigned int flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
	int fd = memfd_create(name, flags | exec_flag);

	if (fd < 0 && errno == EINVAL)
		fd = memfd_create(name, flags);
	return fd < 0 ? -errno : fd;
}

/* Leaves the offset at 0. */
static int write_at_start(int fd, const char *data, size_t size)
{
	for (size_t done = 0; done < size;) {
		ssize_t n = pwrite(fd, data + done, size - done, (off_t)done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		done += (size_t)n;
	}
	return 0;
}

static int memfd_fill(const char *name, const void *data, size_t size, unsigned int exec_flag)
{
	auto_close int fd = memfd_open(name, exec_flag);
	int r;

	if (fd < 0)
		return fd;
	r = write_at_start(fd, data, size);
	if (r < 0)
		return r;
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		return -errno;
	return take_fd(&fd);
}

int fd_memfd(const char *name, const void *data, size_t size)
{
	return memfd_fill(name, data, size, MFD_NOEXEC_SEAL);
}

int fd_memfd_exec(const char *name, const void *data, size_t size)
{
	return memfd_fill(name, data, size, MFD_EXEC);
}

int fd_send(int sock, const void *data, size_t size, const int *fds, size_t n_fds)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int) * SCM_MAX)];
	struct iovec iov = { .iov_base = (void *)(uintptr_t)data, .iov_len = size };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *c;
	ssize_t n;

	if (n_fds > SCM_MAX)
		return -EINVAL;
	if (n_fds > 0) {
		memset(control, 0, CMSG_SPACE(sizeof(int) * n_fds));
		msg.msg_control = control;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * n_fds);
	}
	for (;;) {
		n = sendmsg(sock, &msg, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if ((size_t)n >= iov.iov_len)
			return 0;
		/* A stream took a part; the fds went with its first byte. */
		iov.iov_base = (char *)iov.iov_base + n;
		iov.iov_len -= (size_t)n;
		msg.msg_control = NULL;
		msg.msg_controllen = 0;
	}
}

/* Move fds out of the control data: the first `max` to `fds`, close the rest. */
static size_t collect_fds(struct msghdr *msg, int *fds, size_t max)
{
	size_t got = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		size_t n;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (got < max)
				fds[got++] = fd;
			else
				close(fd);
		}
	}
	return got;
}

ssize_t fd_recv(int sock, void *data, size_t size, int *fds, size_t *n_fds, int flags)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int) * SCM_MAX) + 64];
	struct iovec iov = { .iov_base = data, .iov_len = size };
	struct msghdr msg = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control) };
	size_t max = n_fds ? *n_fds : 0, got;
	ssize_t n;

	do
		n = recvmsg(sock, &msg, flags | MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	got = collect_fds(&msg, fds, max);
	if (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
		while (got > 0)
			close(fds[--got]);
		return -EBADMSG;
	}
	if (n_fds)
		*n_fds = got;
	return n;
}

/* One call for what usually holds: an fd that is not open is one that cannot be polled. */
static bool all_open(void)
{
	struct pollfd p[3] = { { .fd = 0 }, { .fd = 1 }, { .fd = 2 } };

	return poll(p, 3, 0) >= 0 && !((p[0].revents | p[1].revents | p[2].revents) & POLLNVAL);
}

int fd_ensure_stdio(void)
{
	if (all_open())
		return 0;
	for (int fd = 0; fd <= 2; fd++) {
		int null;

		if (fcntl(fd, F_GETFD) >= 0)
			continue;
		/* The lowest free number is this one. Not CLOEXEC: programs that we start expect
		 * 0-2 open. */
		null = open("/dev/null", O_RDWR | O_NOCTTY);
		if (null < 0)
			return -errno;
		if (null != fd) {
			close(null);
			return -EBADF;
		}
	}
	return 0;
}

static int set_flag(int fd, int get, int set, int flag, bool on)
{
	int flags = fcntl(fd, get);
	int want;

	if (flags < 0)
		return -errno;
	want = on ? flags | flag : flags & ~flag;
	if (want != flags && fcntl(fd, set, want) < 0)
		return -errno;
	return 0;
}

int fd_set_nonblock(int fd, bool on)
{
	return set_flag(fd, F_GETFL, F_SETFL, O_NONBLOCK, on);
}

int fd_set_cloexec(int fd, bool on)
{
	return set_flag(fd, F_GETFD, F_SETFD, FD_CLOEXEC, on);
}

static int unix_address(int dirfd, const char *name, struct sockaddr_un *ret)
{
	int n;

	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (dirfd == AT_FDCWD)
		n = snprintf(ret->sun_path, sizeof(ret->sun_path), "%s", name);
	else
		n = snprintf(
			ret->sun_path, sizeof(ret->sun_path), "/proc/self/fd/%d/%s", dirfd, name);
	if (n < 0 || (size_t)n >= sizeof(ret->sun_path))
		return -ENAMETOOLONG;
	return *name ? 0 : -EINVAL;
}

int fd_unix_listen_at(int dirfd, const char *name, int type, mode_t mode)
{
	auto_close int fd = -EBADF;
	struct sockaddr_un address;
	int r;

	r = unix_address(dirfd, name, &address);
	if (r < 0)
		return r;
	fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (fchmod(fd, mode) < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	/* Give back what the umask took. */
	if (fchmodat(dirfd, name, mode, 0) < 0 || (type != SOCK_DGRAM && listen(fd, 128) < 0)) {
		r = -errno;
		unlinkat(dirfd, name, 0);
		return r;
	}
	return take_fd(&fd);
}

int fd_unix_connect_at(int dirfd, const char *name, int type)
{
	auto_close int fd = -EBADF;
	struct sockaddr_un address;
	int r;

	r = unix_address(dirfd, name, &address);
	if (r < 0)
		return r;
	fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	do
		r = connect(fd, (struct sockaddr *)&address, sizeof(address));
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return -errno;
	return take_fd(&fd);
}

int fd_unix_connect(const char *path, int type)
{
	auto_close int dirfd = -EBADF;
	auto_free char *dir = NULL;
	const char *slash = strrchr(path, '/');

	if (!slash || strlen(path) < sizeof(((struct sockaddr_un *)0)->sun_path))
		return fd_unix_connect_at(AT_FDCWD, path, type);
	dir = strndup(path, (size_t)(slash - path) + 1);
	if (!dir)
		return -ENOMEM;
	dirfd = fd_open(dir, O_PATH | O_DIRECTORY, 0);
	if (dirfd < 0)
		return dirfd;
	return fd_unix_connect_at(dirfd, slash + 1, type);
}
