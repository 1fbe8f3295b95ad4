/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Services: tables of methods with their handlers, and the door that calls come through. The same
 * table can stand behind ttrpc (ttrpc_server.h) and gRPC (grpc_server.h); a handler that answers
 * through the door it was called by serves both.
 *
 * A call is known by its address alone: the number of the connection and the number of the stream.
 * Both only grow, so an address can be kept for ever: an answer to a connection that is gone, or a
 * second answer, goes nowhere.
 *
 * Owner    Tables are constant or outlive the door. What a handler attaches to a call is the
 *          handler's; gone() is the last word about it.
 * Errors   rpc_attach() and rpc_send() return negative errno.
 * Blocks   Never.
 * Context  Parent, on the loop's thread.
 */
#include <protobuf-c/protobuf-c.h>

#include "base/err.h"
#include "rpc/message.h"
#include "rpc/status.h"

struct rpc_door;
struct rpc_method;

struct rpc_addr {
	uint64_t conn; /* from 1 */
	uint32_t stream;
};

struct rpc_request {
	struct rpc_addr addr;
	struct rpc_door *door; /* where the answer goes */
	const char *service;   /* as in the table */
	const struct rpc_method *method;
	uint32_t listener;               /* tag of the listener that accepted the connection */
	uint64_t deadline_boot_ns;       /* 0: none */
	const char *ns;                  /* the client's word for its namespace; NULL: none given */
	const char *lease;               /* likewise; gRPC only */
	const ProtobufCMessage *message; /* of the method's input type; NULL: RPC_DIALOGUE */
};

/* Everything in the request is gone when the handler returns. It may answer at once or later. */
typedef void rpc_handler_fn(void *arg, const struct rpc_request *req);

enum rpc_shape {
	RPC_UNARY,
	RPC_STREAM,   /* one request, any number of answers; gRPC only */
	RPC_DIALOGUE, /* any number of each: called when it begins, without a message; gRPC only */
};

struct rpc_method {
	const char *name;
	const ProtobufCMessageDescriptor *input;
	unsigned int kind; /* the handler's business: what lets one handler serve many rows */
	rpc_handler_fn *handler;
	enum rpc_shape shape;
};

struct rpc_service {
	const char *name; /* "containerd.task.v2.Task" */
	const struct rpc_method *methods;
	size_t n_methods;
	void *arg; /* for its handlers; NULL: the door's */
};

/* What happens to a call that somebody has attached himself to. Each may be NULL. None is called
 * from inside rpc_attach(), rpc_send() or rpc_reply(). */
struct rpc_call_ops {
	void (*message)(void *arg, const ProtobufCMessage *m); /* RPC_DIALOGUE: the next one */
	void (*closed)(void *arg); /* RPC_DIALOGUE: the client has said all */
	void (*room)(void *arg);   /* little of what was sent is left to go */
	void (*gone)(void *arg);   /* the call has ended, by an answer or without one */
};

struct rpc_door {
	void (*reply)(struct rpc_door *d, struct rpc_addr to, enum status_code code,
		const char *text, const void *payload, size_t size);
	/* NULL where there are no streams. */
	int (*attach)(
		struct rpc_door *d, struct rpc_addr to, const struct rpc_call_ops *ops, void *arg);
	int (*send)(struct rpc_door *d, struct rpc_addr to, const void *payload, size_t size);
	size_t (*unsent)(struct rpc_door *d, struct rpc_addr to);
	size_t (*unsent_messages)(struct rpc_door *d, struct rpc_addr to);
};

/*
 * Answer a call and end it: with an encoded message when code is RPC_OK (a stream: without one),
 * else with the text alone, and without what is unsent when that is much. Answers whose address is not open any more are dropped; one that is too
 * long becomes RPC_RESOURCE_EXHAUSTED.
 */
void rpc_reply(struct rpc_door *d, struct rpc_addr to, enum status_code code, const char *text,
	const void *payload, size_t size);
void rpc_reply_message(struct rpc_door *d, struct rpc_addr to, const ProtobufCMessage *payload);
/* The errno and text of a failure, with the class that clients look for. */
void rpc_reply_err(struct rpc_door *d, struct rpc_addr to, int code, const struct err *err);

/* Be told of what happens to a call. -ENOENT: it has ended. */
int rpc_attach(struct rpc_door *d, struct rpc_addr to, const struct rpc_call_ops *ops, void *arg);
/* One message of a stream. -ENOENT: it has ended; -ENOBUFS: the client has not read for long;
 * -EMSGSIZE. */
int rpc_send(struct rpc_door *d, struct rpc_addr to, const ProtobufCMessage *m);
/* Bytes of a stream that wait for the client, and messages that do. */
size_t rpc_unsent(struct rpc_door *d, struct rpc_addr to);
size_t rpc_unsent_messages(struct rpc_door *d, struct rpc_addr to);

const struct rpc_service *rpc_find_service(
	const struct rpc_service *services, size_t n, const char *name);
const struct rpc_method *rpc_find_method(const struct rpc_service *service, const char *name);
