/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Spool: see the header. splice(2) moves between a pipe and something else, so there is a pipe between the terminal and the file. It
 * is empty but for the moment between two calls; what is found there later than that is younger than what is in the file.
 *
 * What surprises: the pipe that is drained into gets the pages of the file and no copies of them. So none is ever written twice:
 * when all has been taken the file is cut to nothing, which leaves such pages to the pipe as they are, and begins anew with others.
 */
#include "supervisor/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/kernel.h"
#include "base/mem.h"

#define CHUNK (16 << 10) /* the kernel allocates pages for as much as is asked */

static int open_again(int fd, int flags)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return fd_open(path, flags, 0);
}

static int make_pipe(void)
{
	int p[2], both;

	if (pipe2(p, O_CLOEXEC) < 0)
		return -errno;
	both = open_again(p[0], O_RDWR | O_NONBLOCK);
	fd_close(p[0]);
	fd_close(p[1]);
	return both;
}

/* Kernels from 6.3 warn when neither flag is given, older ones refuse both. */
static int make_file(void)
{
	int fd = memfd_create("terminal", MFD_CLOEXEC | MFD_NOEXEC_SEAL);

	if (fd < 0 && errno == EINVAL)
		fd = memfd_create("terminal", MFD_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int spool_make(struct spool *ret, struct err *err)
{
	auto_close int pipe = make_pipe();
	auto_close int in = make_file();
	auto_close int out = in < 0 ? in : open_again(in, O_RDONLY);

	if (pipe < 0)
		return err_code(err, pipe, "make a pipe for what a terminal says");
	if (out < 0)
		return err_code(err, out, "make a file for what a terminal says");
	*ret = (struct spool){ take_fd(&pipe), take_fd(&in), take_fd(&out), 0, 0, 0 };
	return 0;
}

/* Its order is what spool_resume() goes by. */
static int begin_anew(struct spool *s)
{
	if (ftruncate(s->in, 0) < 0 || lseek(s->in, 0, SEEK_SET) < 0 ||
		lseek(s->out, 0, SEEK_SET) < 0)
		return -errno;
	s->begin = s->end = 0;
	return 0;
}

int spool_resume(struct spool *s)
{
	int piped = 0;

	s->end = lseek(s->in, 0, SEEK_CUR);
	s->begin = lseek(s->out, 0, SEEK_CUR);
	if (s->end < 0 || s->begin < 0 || ioctl(s->pipe, FIONREAD, &piped) < 0)
		return -errno;
	s->piped = piped;
	/* Behind the end: cut short in begin_anew(). */
	return s->begin >= s->end ? begin_anew(s) : 0;
}

size_t spool_bytes(const struct spool *s)
{
	return (size_t)(s->end - s->begin + s->piped);
}

static ssize_t store(struct spool *s)
{
	ssize_t n = splice(s->pipe, NULL, s->in, NULL, (size_t)s->piped, SPLICE_F_NONBLOCK);

	if (n <= 0)
		return n < 0 ? -errno : -EAGAIN;
	s->piped -= n;
	s->end += n;
	return n;
}

ssize_t spool_fill(struct spool *s, int terminal)
{
	int64_t room = SPOOL_SIZE - s->end;
	ssize_t n;

	if (s->piped > 0)
		return store(s);
	if (room <= 0)
		return -EAGAIN;
	n = splice(terminal, NULL, s->pipe, NULL, room < CHUNK ? (size_t)room : CHUNK,
		SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
	if (n <= 0)
		return n < 0 ? -errno : -EAGAIN;
	s->piped = n;
	return store(s);
}

ssize_t spool_drain(struct spool *s, int pipe)
{
	bool from_file = s->begin < s->end;
	int64_t left = from_file ? s->end - s->begin : s->piped;
	ssize_t n = splice(from_file ? s->out : s->pipe, NULL, pipe, NULL, (size_t)left,
		SPLICE_F_NONBLOCK | SPLICE_F_MOVE);

	if (n <= 0)
		return n < 0 ? -errno : -EAGAIN;
	if (!from_file) {
		s->piped -= n;
		return n;
	}
	s->begin += n;
	if (s->begin == s->end)
		(void)begin_anew(s);
	return n;
}
