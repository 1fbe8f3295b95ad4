/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A copy of the fd is watched, for the log's may be closed for another one. A log that nobody has open for reading is ready
 * for ever: it is watched again when the next line is lost.
 */
#include "event/log_room.h"

#include <fcntl.h>
#include <sys/epoll.h>

#include "base/fd.h"
#include "base/mem.h"

static void stop(struct log_room *r)
{
	int fd = r->source.fd;

	if (!r->source.loop)
		return;
	loop_fd_remove(&r->source);
	fd_close(fd);
}

static void on_room(struct loop_fd *source, uint32_t events)
{
	struct log_room *r = container_of(source, struct log_room, source);

	if (log_say_lost(r->log) == 0 || events & (EPOLLERR | EPOLLHUP))
		stop(r);
}

static void on_lost(void *arg)
{
	struct log_room *r = arg;
	int fd;

	if (r->source.loop)
		return;
	fd = fcntl(r->log->fd, F_DUPFD_CLOEXEC, 3);
	if (fd >= 0 && loop_fd_add(r->loop, &r->source, fd, EPOLLOUT, on_room) < 0)
		fd_close(fd);
}

void log_room_begin(struct log_room *r, struct loop *loop, struct log *log)
{
	*r = (struct log_room){ .loop = loop, .log = log };
	if (!log)
		return;
	log->lost = on_lost;
	log->lost_arg = r;
}

void log_room_moved(struct log_room *r)
{
	stop(r);
	if (r->log && r->log->unsaid > 0 && log_say_lost(r->log) < 0)
		on_lost(r);
}

void log_room_done(struct log_room *r)
{
	if (r->log)
		r->log->lost = NULL;
	stop(r);
	*r = (struct log_room){ 0 };
}
