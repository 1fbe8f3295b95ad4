/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * ttrpc server: listeners and connections on the loop, calls handed to tables of methods (service.h),
 * answers sent later (spec/shim.md section 2). Only RPC_UNARY methods can be called.
 *
 * Owner    The caller owns *ret and ends it with ttrpc_server_free(), outside of the loop's round.
 *          The services must outlive it. It takes over fds where a name says so.
 * Errors   0 or negative errno with *err. What clients do wrong is answered, not reported.
 * Blocks   Never. A client that does not read its answers is not read from either; others do not
 *          notice.
 * Context  Parent, on the loop's thread.
 */
#include "base/log.h"
#include "event/loop.h"
#include "rpc/service.h"

#define TTRPC_STREAMS_MAX 10000u /* calls in progress per connection; more are refused */

struct ttrpc_server;

struct ttrpc_server_config {
	struct loop *loop;
	struct log *log; /* NULL: nowhere */
	const struct rpc_service *services;
	size_t n_services;
	void *arg; /* for closed(), and for handlers of services without one */
	/* The connection is gone; its calls in progress need no answer. NULL: do not tell. */
	void (*closed)(void *arg, uint64_t conn);
	uint64_t first_conn;    /* number of the first connection; 0: 1 */
	size_t max_connections; /* more wait in the backlog; 0: 4096 */
};

int ttrpc_server_new(
	const struct ttrpc_server_config *config, struct ttrpc_server **ret, struct err *err);
void ttrpc_server_free(struct ttrpc_server *s);
AUTO_FREE(struct ttrpc_server, ttrpc_server)

/* Accept on a listening unix socket, which is taken over in any case. Only our own uid and gid may
 * connect. */
int ttrpc_server_listen_take_fd(struct ttrpc_server *s, int fd, uint32_t listener, struct err *err);
/* Close all listeners; connections stay. */
void ttrpc_server_unlisten(struct ttrpc_server *s);

/*
 * Serve a connected socket, which is taken over in any case, as the connection that `record` tells
 * of; no record (size 0): a new one of this listener. -EBADMSG: not a record. -EEXIST: its number
 * is taken.
 */
int ttrpc_server_adopt_take_fd(struct ttrpc_server *s, int fd, uint32_t listener,
	const void *record, size_t size, uint64_t *ret_conn, struct err *err);
/* Append the record of a connection. -ENOENT, -ENOMEM. */
int ttrpc_server_save(const struct ttrpc_server *s, uint64_t conn, struct buf *out);
/* The number that the next connection will have: what first_conn of a successor must be. */
uint64_t ttrpc_server_next_conn(const struct ttrpc_server *s);

size_t ttrpc_server_connections(const struct ttrpc_server *s);

/* As the door of the calls. */
struct rpc_door *ttrpc_server_door(struct ttrpc_server *s);

/* rpc_reply() for who knows the server and not the call's door. */
void ttrpc_reply(struct ttrpc_server *s, struct rpc_addr to, enum status_code code,
	const char *text, const void *payload, size_t size);
void ttrpc_reply_message(
	struct ttrpc_server *s, struct rpc_addr to, const ProtobufCMessage *payload);
