/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Conn: one end of a ttrpc connection: a socket, what has come in and not been looked at, and the
 * frames that have to go out. Both server and client stand on it.
 *
 * Owner    Owns the fd and both boxes; ended with conn_done(), which accepts zero and done ones.
 * Errors   Negative errno. After one other than -EAGAIN the connection is of no more use.
 * Blocks   Never: the socket is non-blocking.
 * Context  Parent.
 */
#include <stddef.h>
#include <stdint.h>

#include "rpc/frame.h"

struct conn {
	int fd;
	struct frame_skip skip;
	struct buf in;
	size_t in_used; /* bytes at the front of `in` that conn_next() is done with */
	struct buf out;
	size_t out_head; /* where the first unsent frame starts */
	size_t out_sent; /* bytes of it that have gone */
};

/* Takes the fd over and makes it non-blocking. */
int conn_take_fd(struct conn *c, int fd);

/* Read once what is there. Returns the bytes, 0 at the end of the stream. */
int conn_receive(struct conn *c);

/* The next frame; its data is valid until the next call of conn_next() or conn_receive(). */
enum frame_result conn_next(struct conn *c, struct frame *ret);

/*
 * Append a frame whose data the caller writes to c->out in between (frame.h). conn_end() returns
 * -EMSGSIZE or -ENOMEM when it did not get in; the connection stays good.
 */
size_t conn_begin(struct conn *c);
int conn_end(struct conn *c, size_t at, uint32_t stream, enum frame_type type);

/* Send, frame by frame. 0 when all has gone, -EAGAIN when some is left. */
int conn_flush(struct conn *c);

/* Bytes not sent yet. */
size_t conn_unsent(const struct conn *c);

void conn_done(struct conn *c);
