/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Streams: a client begins one under a name (service Streaming), and names it then in a call that
 * sends or receives through it. Until then nothing but its beginning may come.
 *
 * Owner    Who has taken a stream ends it with stream_end(), also when its client has gone. The
 *          client's end of one that nobody has taken is the end of it.
 * Errors   Negative errno with *err.
 * Blocks   Never.
 * Context  Parent, on the loop's thread.
 */
#include "services/core.h"

struct core_stream;

/* Each is called from the loop, never from inside a function of this header. */
struct stream_user {
	void (*message)(void *arg, const Pb__Any *m);
	/* The client has said all (whole), or has gone; nothing comes any more. */
	void (*closed)(void *arg, bool whole);
	void (*room)(void *arg); /* little of what was sent is left to go */
};

/* The stream that the client has begun in this namespace; members of `user` may be NULL. -ENOENT: there is none, or
 * another call has it. */
int stream_take(struct core *core, const char *ns, const char *id, const struct stream_user *user,
	void *arg, struct core_stream **ret, struct err *err);
/* -ENOENT: the client has gone; what rpc_send() says. */
int stream_send(struct core_stream *s, const char *type, const ProtobufCMessage *m);
size_t stream_unsent(const struct core_stream *s);
/* Accepts NULL. */
void stream_end(struct core_stream *s);
/* Of a core that ends; those that somebody has are his. */
void streams_end(struct core *core);
