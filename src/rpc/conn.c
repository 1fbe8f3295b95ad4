/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each frame is sent by a call of its own. A unix socket takes one that fits into half of its send
 * buffer as a whole or not at all, so in nearly every case the stream stands between two frames,
 * whenever this process ends: a successor may send a frame again, but never the rest of one.
 *
 * Idle connections are the normal case and there may be thousands: an empty box gives its memory
 * back.
 */
#include "rpc/conn.h"

#include <errno.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/mem.h"

#define RECEIVE_BYTES 16384
#define KEEP_BYTES 2048 /* a box of at most this is kept while empty */

int conn_take_fd(struct conn *c, int fd)
{
	int r = fd_set_nonblock(fd, true);

	*c = (struct conn){ .fd = fd };
	return r;
}

static void release(struct buf *b)
{
	b->len = 0;
	if (b->cap > KEEP_BYTES)
		buf_done(b);
}

int conn_receive(struct conn *c)
{
	uint8_t bytes[RECEIVE_BYTES];
	ssize_t n;

	do
		n = recv(c->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if (c->in_used == c->in.len)
		release(&c->in);
	else
		buf_consume(&c->in, c->in_used);
	c->in_used = 0;
	buf_add(&c->in, bytes, (size_t)n);
	if (buf_ok(&c->in) < 0)
		return -ENOMEM;
	return (int)n;
}

enum frame_result conn_next(struct conn *c, struct frame *ret)
{
	enum frame_result r = FRAME_PARTIAL;
	size_t used;

	if (c->in.len > c->in_used) {
		r = frame_read(
			&c->skip, c->in.data + c->in_used, c->in.len - c->in_used, &used, ret);
		c->in_used += used;
	}
	if (r == FRAME_PARTIAL && c->in_used == c->in.len) {
		release(&c->in);
		c->in_used = 0;
	}
	return r;
}

size_t conn_begin(struct conn *c)
{
	if (c->out_head > c->out.len / 2) {
		buf_consume(&c->out, c->out_head);
		c->out_head = 0;
	}
	return frame_begin(&c->out);
}

int conn_end(struct conn *c, size_t at, uint32_t stream, enum frame_type type)
{
	return frame_end(&c->out, at, stream, type, 0);
}

int conn_flush(struct conn *c)
{
	while (c->out_head < c->out.len) {
		const uint8_t *head = (const uint8_t *)c->out.data + c->out_head;
		size_t size = FRAME_HEADER_BYTES + frame_header(head).size;
		ssize_t n = send(
			c->fd, head + c->out_sent, size - c->out_sent, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		c->out_sent += (size_t)n;
		if (c->out_sent < size)
			continue;
		c->out_head += size;
		c->out_sent = 0;
	}
	release(&c->out);
	c->out_head = 0;
	return 0;
}

size_t conn_unsent(const struct conn *c)
{
	return c->out.len - c->out_head - c->out_sent;
}

void conn_done(struct conn *c)
{
	if (!c)
		return;
	c->fd = fd_close(c->fd);
	buf_done(&c->in);
	buf_done(&c->out);
	c->in_used = c->out_head = c->out_sent = 0;
}
