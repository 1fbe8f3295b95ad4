/* SPDX-License-Identifier: Apache-2.0 */
/*
 * It is opened to read and write: then its writers never wait for us, and it does not end when the last of them has
 * gone. A shim that says more than we care for in one round is heard in the next: others come first.
 */
#include "manager/log_fifo.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"

#define NAME "log"
#define READ_MAX 4096

static void say(struct log_fifo *f, const char *line, size_t n)
{
	while (n > 0 && (line[n - 1] == '\r' || line[n - 1] == '\n'))
		n--;
	if (n > 0)
		log_write(f->log, LOG_INFO_, "shim of '%s/%s': %.*s", f->ns, f->id, (int)n, line);
}

static void on_log(struct loop_fd *source, uint32_t events)
{
	struct log_fifo *f = container_of(source, struct log_fifo, source);
	char data[READ_MAX];
	ssize_t n = read(source->fd, data, sizeof(data));
	char *at = data;

	(void)events;
	if (n < 0 && errno != EAGAIN && errno != EINTR)
		return log_fifo_close(f);
	for (char *end; n > 0; n -= end - at, at = end) {
		char *newline = memchr(at, '\n', (size_t)n);

		end = newline ? newline + 1 : at + n;
		say(f, at, (size_t)(end - at));
	}
}

int log_fifo_open(struct log_fifo *f, struct loop *loop, struct log *log, int bundle,
	const char *ns, const char *id, struct err *err)
{
	struct stat st;
	int fd, r;

	*f = (struct log_fifo){ .log = log, .ns = ns, .id = id };
	if (mkfifoat(bundle, NAME, 0700) < 0 && errno != EEXIST)
		return err_sys(err, "make the fifo '" NAME "'");
	if (fstatat(bundle, NAME, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISFIFO(st.st_mode))
		return err_set(err, -EINVAL, "'" NAME "' in the bundle is no fifo");
	fd = fd_open_at(bundle, NAME, O_RDWR | O_NONBLOCK | O_NOFOLLOW, 0);
	if (fd < 0)
		return err_code(err, fd, "open the fifo '" NAME "'");
	r = loop_fd_add(loop, &f->source, fd, EPOLLIN, on_log);
	if (r < 0) {
		fd_close(fd);
		return err_code(err, r, "read the fifo '" NAME "'");
	}
	f->source.fd = fd;
	f->open = true;
	return 0;
}

void log_fifo_close(struct log_fifo *f)
{
	int fd = f->source.fd;

	if (!f->open)
		return;
	loop_fd_remove(&f->source);
	fd_close(fd);
	f->open = false;
}
