/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * gRPC server: listeners and connections on the loop; each connection is a grpc_session, calls go to
 * tables of methods (service.h), unary calls and streams.
 *
 * Owner    The caller owns *ret and ends it with grpc_server_free(), outside of the loop's round.
 *          The services must outlive it. It takes over fds where a name says so.
 * Errors   0 or negative errno with *err. What clients do wrong is answered, not reported.
 * Blocks   Never. A client that does not read its answers is not read from either; others do not
 *          notice.
 * Context  Parent, on the loop's thread.
 */
#include "base/log.h"
#include "event/loop.h"
#include "rpc/service.h"

struct grpc_server;

struct grpc_server_config {
	struct loop *loop;
	struct log *log; /* NULL: nowhere */
	const struct rpc_service *services;
	size_t n_services;
	void *arg;                  /* for handlers of services without one, and for drained() */
	size_t max_connections;     /* more wait in the backlog; 0: 4096 */
	size_t max_held_bytes;      /* for calls of all connections; 0: 256 MiB */
	void (*drained)(void *arg); /* the last connection has gone after grpc_server_drain() */
	void *drained_arg;
};

int grpc_server_new(
	const struct grpc_server_config *config, struct grpc_server **ret, struct err *err);
void grpc_server_free(struct grpc_server *s);
AUTO_FREE(struct grpc_server, grpc_server)

/* Accept on a listening unix socket, which is taken over in any case. Only our own uid and gid may
 * connect. */
int grpc_server_listen_take_fd(struct grpc_server *s, int fd, uint32_t listener, struct err *err);

/*
 * Leave in order: no new connections; clients are told to go elsewhere, streams end with
 * RPC_UNAVAILABLE, calls in progress are answered. drained() comes from the loop; who waits for a
 * call that may take days sets an end to it.
 */
void grpc_server_drain(struct grpc_server *s);

struct rpc_door *grpc_server_door(struct grpc_server *s);
size_t grpc_server_connections(const struct grpc_server *s);
/* Bytes that are held for calls now. */
size_t grpc_server_held(const struct grpc_server *s);
