/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Manager: reeved without its process: the store, the services, and the doors that they stand
 * behind.
 *
 * Below `root` it has the store (meta.db) and a lock that keeps a second daemon out. The gRPC socket
 * is at `address`; beside it, with ".ttrpc" behind, the one on which shims tell events.
 *
 * Tasks, and whatever else stands on containers, come as further tables in the config; they get at
 * the store and the events by manager_core().
 *
 * Owner    The caller owns *ret and ends it with manager_free(), outside of the loop's round.
 * Errors   0 or negative errno with *err; -EBUSY when another daemon has the root.
 * Blocks   On the disk.
 * Context  Parent, on the loop's thread.
 */
#include "base/err.h"
#include "base/log.h"
#include "container/reaper.h"
#include "event/loop.h"
#include "rpc/service.h"

struct core;
struct manager;

struct manager_config {
	struct loop *loop;
	struct log *log;
	const char *root;               /* absolute; made when it is missing */
	const char *state;              /* likewise */
	const char *address;            /* absolute path of the socket */
	const struct rpc_service *more; /* behind the gRPC door too; rows with their own arg */
	size_t n_more;
	struct reaper
		reaper; /* of our short-lived children; zero: they are waited for one by one */
	void (*drained)(void *arg); /* after manager_leave() */
	void *arg;
};

int manager_new(const struct manager_config *config, struct manager **ret, struct err *err);
void manager_free(struct manager *m);
AUTO_FREE(struct manager, manager)

struct core *manager_core(struct manager *m);

/* Take the sockets away and end what can be ended; drained() when the last client has gone. */
void manager_leave(struct manager *m);
