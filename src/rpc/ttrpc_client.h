/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * ttrpc client: one connection on the loop, unary calls in any number at a time.
 *
 * A call is known by the tag that its caller chose. Every call is told its end exactly once: an
 * answer, its deadline, or the end of the connection, unless the client is freed before.
 *
 * Owner    The caller owns *ret and ends it with ttrpc_client_free(), which is allowed in closed(),
 *          not in answer(). fds are taken over where a name says so.
 * Errors   0 or negative errno with *err.
 * Blocks   Never: a server whose backlog is full is -EAGAIN.
 * Context  Parent, on the loop's thread.
 */
#include <protobuf-c/protobuf-c.h>

#include "base/err.h"
#include "event/loop.h"
#include "rpc/status.h"

struct ttrpc_client;

enum ttrpc_end {
	TTRPC_ANSWERED, /* code, and text or payload, are the server's */
	TTRPC_TIMEOUT,  /* the deadline has passed; the server may act or have acted on the call */
	TTRPC_LOST,     /* the connection has ended; as above */
};

struct ttrpc_answer {
	enum ttrpc_end end;
	enum status_code code; /* RPC_DEADLINE_EXCEEDED and RPC_UNAVAILABLE for the last two */
	const char *text;      /* "" with RPC_OK */
	const uint8_t *payload;
	size_t size;
};

struct ttrpc_client_ops {
	void (*answer)(void *arg, uint64_t tag, const struct ttrpc_answer *a);
	/* The connection has ended by itself and every call was told: the last word of the client.
	 */
	void (*closed)(void *arg);
};

/*
 * Connect to a unix socket: an absolute path of any length, "unix://" before it or not; anything
 * else without "://" is a name in the abstract namespace, as containerd's dialer has it.
 */
int ttrpc_connect(const char *address, int *ret_fd, struct err *err);

/* A client on a connected socket, which is taken over in any case. first_stream: 0 for a new
 * connection, else ttrpc_client_next_stream() of the client that had it before. */
int ttrpc_client_new_take_fd(struct loop *loop, int fd, uint32_t first_stream,
	const struct ttrpc_client_ops *ops, void *arg, struct ttrpc_client **ret, struct err *err);
void ttrpc_client_free(struct ttrpc_client *c);
AUTO_FREE(struct ttrpc_client, ttrpc_client)

/*
 * Send a call. deadline_boot_ns: absolute, 0 for none. -ENOTCONN when the connection has ended,
 * -ENOBUFS when the server has not read for long; then answer() is not called.
 */
int ttrpc_client_call(struct ttrpc_client *c, uint64_t tag, const char *service, const char *method,
	const ProtobufCMessage *input, uint64_t deadline_boot_ns, struct err *err);
/* The same with an encoded message. */
int ttrpc_client_call_bytes(struct ttrpc_client *c, uint64_t tag, const char *service,
	const char *method, const void *payload, size_t size, uint64_t deadline_boot_ns,
	struct err *err);

uint32_t ttrpc_client_next_stream(const struct ttrpc_client *c);
