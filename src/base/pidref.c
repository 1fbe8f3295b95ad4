/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Process identity.
 *
 * The pidfd is opened first and names one process for ever; what is then read through /proc/PID
 * belongs to it only if it was not reaped meanwhile, which a signal 0 through the pidfd tells (a
 * zombie still counts as there). The inode of a pidfd names the process for the life of the machine
 * from Linux 6.9 on, and then nothing else is read; before, all pidfds share one inode, so the file
 * system's type decides whether it says something.
 */
#include "base/pidref.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/fd.h"
#include "base/kernel.h"
#include "base/mem.h"
#include "base/str.h"

static uint64_t pidfd_inode(int pidfd)
{
	struct statfs fs;
	struct stat st;

	if (fstat(pidfd, &st) < 0)
		return 0;
	/* The shared inode of before is 0600; a mode of pidfs that we do not know is asked about. */
	if ((st.st_mode & 07777) == 0700)
		return st.st_ino;
	if (fstatfs(pidfd, &fs) < 0 || (unsigned long)fs.f_type != PID_FS_MAGIC)
		return 0;
	return st.st_ino;
}

/* False once it was reaped: then its number may belong to another process. */
static bool number_is_held(int pidfd)
{
	return kernel_pidfd_send_signal(pidfd, 0, NULL, 0) != -ESRCH;
}

int pidref_read_start_time(pid_t pid, uint64_t *ret)
{
	char path[32], stat[2048], *p, *end;
	auto_close int fd = -EBADF;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	fd = fd_open(path, O_RDONLY, 0);
	if (fd < 0)
		return fd == -ENOENT ? -ESRCH : fd;
	n = fd_read_full(fd, stat, sizeof(stat) - 1);
	if (n < 0)
		return (int)n;
	stat[n] = '\0';
	/* The name may hold blanks, parentheses and newlines: field 3 starts after the last ')'. */
	p = strrchr(stat, ')');
	for (int field = 2; p && field < 22; field++)
		p = strchr(p + 1, ' ');
	if (!p)
		return -EINVAL;
	p++;
	end = p + strspn(p, "0123456789");
	*end = '\0';
	return str_to_u64(p, UINT64_MAX, ret);
}

int pidref_take(pid_t pid, int pidfd, struct pidref *ret)
{
	auto_close int fd = pidfd;
	uint64_t inode, start_time = 0;

	if (pid <= 0 || fd < 0)
		return -EINVAL;
	inode = pidfd_inode(fd);
	if (!inode && (pidref_read_start_time(pid, &start_time) < 0 || !number_is_held(fd)))
		start_time = 0;
	*ret = (struct pidref){ .pid = pid, .inode = inode, .start_time = start_time };
	ret->fd = take_fd(&fd);
	return 0;
}

static int open_number(pid_t pid, struct pidref *ret)
{
	int fd = pid <= 0 ? -ESRCH : kernel_pidfd_open(pid, 0);

	return fd < 0 ? fd : pidref_take(pid, fd, ret);
}

int pidref_open(pid_t pid, struct pidref *ret)
{
	struct pidref p;
	int r = open_number(pid, &p);

	if (r < 0)
		return r;
	if (!number_is_held(p.fd)) {
		pidref_done(&p);
		return -ESRCH;
	}
	*ret = p;
	return 0;
}

static bool has_start_time(const struct pidref *p, uint64_t start_time)
{
	uint64_t now = p->start_time;

	return (now || (pidref_read_start_time(p->pid, &now) == 0 && number_is_held(p->fd))) &&
	       now == start_time;
}

int pidref_reopen(pid_t pid, uint64_t inode, uint64_t start_time, struct pidref *ret)
{
	struct pidref p;
	bool same;
	int r;

	/* Who it is the comparison says; that it has ended meanwhile its user sees as he would an end a moment later. */
	r = open_number(pid, &p);
	if (r < 0)
		/* A thread's number (-EINVAL, -ENOENT) is no process of ours either. */
		return r == -EINVAL || r == -ENOENT ? -ESRCH : r;
	if (inode && p.inode)
		same = inode == p.inode;
	else
		same = start_time && has_start_time(&p, start_time);
	if (!same) {
		pidref_done(&p);
		return -ESRCH;
	}
	*ret = p;
	return 0;
}

int pidref_kill(const struct pidref *p, int sig)
{
	if (p->fd < 0)
		return -ESRCH;
	return kernel_pidfd_send_signal(p->fd, sig, NULL, 0);
}

bool pidref_exited(const struct pidref *p)
{
	struct pollfd poll_fd = { .fd = p->fd, .events = POLLIN };
	int n;

	if (p->fd < 0)
		return true;
	do
		n = poll(&poll_fd, 1, 0);
	while (n < 0 && errno == EINTR);
	return n > 0 && poll_fd.revents & (POLLIN | POLLHUP);
}

void pidref_done(struct pidref *p)
{
	if (!p)
		return;
	/* A zeroed struct is valid, but fd 0 is a standard stream and no pidfd. */
	if (p->pid > 0)
		fd_close(p->fd);
	*p = PIDREF_NULL;
}
