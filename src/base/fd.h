/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * File descriptors: every one is CLOEXEC from birth.
 *
 * Owner    The caller owns every fd that is returned. fds start as -EBADF.
 * Errors   Negative errno; no err text, the caller knows what it did.
 * Blocks   Only where said.
 * Context  Parent.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Close if >= 0; keeps errno; returns -EBADF for `fd = fd_close(fd)`. */
int fd_close(int fd);
/* All of them, some of which may be negative; those that lie side by side in one call. */
void fd_close_all(const int *fds, size_t n);

/*
 * Fds that have done their work, to be closed together at a moment that costs nobody time. A command has one; where
 * there is none (NULL) fd_spend() closes at once.
 */
struct fd_spent {
	int fd[32];
	size_t n;
};

void fd_spend(struct fd_spent *s, int fd);
void fd_spent_close(struct fd_spent *s); /* accepts NULL */

/* openat with O_CLOEXEC | O_NOCTTY added, EINTR repeated. */
int fd_open_at(int dirfd, const char *path, int flags, mode_t mode);
int fd_open(const char *path, int flags, mode_t mode);

/* Whole-length read and write on blocking fds. fd_read_full returns the bytes read (short only at
 * EOF). */
ssize_t fd_read_full(int fd, void *data, size_t size);
int fd_write_full(int fd, const void *data, size_t size);

/* Read a file of at most `max` bytes into a NUL-terminated heap string; -EFBIG beyond. Regular or
 * procfs. */
int fd_read_file(int fd, size_t max, char **ret_data, size_t *ret_size);
int fd_read_file_at(int dirfd, const char *path, size_t max, char **ret_data, size_t *ret_size);
int fd_read_spend_at(struct fd_spent *spent, int dirfd, const char *path, size_t max,
	char **ret_data, size_t *ret_size);
/* The same for one that others name or write: -EINVAL for a fifo, a device or the like, which could
 * hold us up. */
int fd_read_regular_at(int dirfd, const char *path, size_t max, char **ret_data, size_t *ret_size);

/* Write a short string to an existing file in one write (cgroup, procfs). */
int fd_write_file_at(int dirfd, const char *path, const char *data);

/* Sealed memfd (F_SEAL_WRITE|SHRINK|GROW|SEAL) of data with these bytes, offset 0. */
int fd_memfd(const char *name, const void *data, size_t size);
/* The same for a program: fd_memfd's cannot be executed on Linux 6.3 and later (MFD_NOEXEC_SEAL). */
int fd_memfd_exec(const char *name, const void *data, size_t size);

/*
 * SOCK_SEQPACKET / SOCK_STREAM messages with fds. fd_send: all of data in one message,
 * MSG_NOSIGNAL. fd_recv: returns bytes (0 = end of file); takes at most `max_fds`, surplus fds are
 * closed, truncation is -EBADMSG; *n_fds is in/out.
 */
int fd_send(int sock, const void *data, size_t size, const int *fds, size_t n_fds);
ssize_t fd_recv(int sock, void *data, size_t size, int *fds, size_t *n_fds, int flags);

/* Open /dev/null on every closed one of 0, 1, 2. Call first in main(): else a state file becomes
 * stdout. */
int fd_ensure_stdio(void);

int fd_set_nonblock(int fd, bool on);
int fd_set_cloexec(int fd, bool on);

/* Bind/connect a unix socket at a path of any length, through /proc/self/fd of its opened
 * directory. One of datagrams is bound, and has nothing to listen for. */
int fd_unix_listen_at(int dirfd, const char *name, int type, mode_t mode);
int fd_unix_connect(const char *path, int type);
int fd_unix_connect_at(int dirfd, const char *name, int type);
