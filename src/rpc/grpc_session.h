/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * gRPC session: one connection of the server without its socket: bytes go in, calls come out of
 * them to the handlers of a table, bytes of answers are fetched (spec/manager.md 3.5).
 *
 * Owner    The caller owns *ret and ends it with grpc_session_free(), not from a handler. Tables,
 *          door and budget must outlive it.
 * Errors   What a client does wrong with one call is answered; with the connection: -EPROTO from
 *          grpc_session_feed(), after which what there is to fetch says why, and nothing else may
 *          be fed.
 * Blocks   Never.
 * Context  Parent, on the loop's thread (deadlines).
 */
#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/mem.h"
#include "event/loop.h"
#include "rpc/service.h"

#define GRPC_STREAMS_MAX 16384u /* calls in progress on a connection; more are refused */

struct grpc_session;

/* Bytes that are held for calls, of all sessions that share it. */
struct grpc_budget {
	size_t used, max;
};

struct grpc_session_config {
	struct loop *loop;
	const struct rpc_service *services;
	size_t n_services;
	void *arg; /* for handlers of services without one */
	struct rpc_door *door;
	struct grpc_budget *budget;
	uint64_t conn;
	uint32_t listener;
	void (*wake)(void *arg); /* there may be bytes to fetch */
	void *wake_arg;
};

int grpc_session_new(
	const struct grpc_session_config *config, struct grpc_session **ret, struct err *err);
/* Calls that are in progress are told gone(). */
void grpc_session_free(struct grpc_session *s);
AUTO_FREE(struct grpc_session, grpc_session)

int grpc_session_feed(struct grpc_session *s, const void *data, size_t size);
/* The next bytes to send, valid until the next call; 0: none for now; -EPROTO, -ENOMEM. */
ssize_t grpc_session_fetch(struct grpc_session *s, const uint8_t **ret);
/* Nothing more will be said by either side. */
bool grpc_session_ended(const struct grpc_session *s);

/*
 * Leave in order: the client is told to call elsewhere, and once it has heard that, streams are
 * ended with RPC_UNAVAILABLE and the session ends with its last unary call.
 */
void grpc_session_drain(struct grpc_session *s);

/* As in struct rpc_door, for one stream. */
void grpc_session_reply(struct grpc_session *s, uint32_t stream, enum status_code code,
	const char *text, const void *payload, size_t size);
int grpc_session_attach(
	struct grpc_session *s, uint32_t stream, const struct rpc_call_ops *ops, void *arg);
int grpc_session_send(struct grpc_session *s, uint32_t stream, const void *payload, size_t size);
size_t grpc_session_unsent(struct grpc_session *s, uint32_t stream);
size_t grpc_session_unsent_messages(struct grpc_session *s, uint32_t stream);

size_t grpc_session_calls(const struct grpc_session *s);
