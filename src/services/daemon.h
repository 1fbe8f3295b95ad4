/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Daemon: reeved without its process: the store, the services, and the doors that they stand
 * behind.
 *
 * Below the settings' root it has the store (meta.db) and a lock that keeps a second daemon out. Of
 * its two sockets, gRPC is spoken on one; on the other, shims tell events by ttrpc.
 *
 * Both sockets exist when daemon_new() returns. Calls are taken from the first one once it is known
 * which tasks the daemon before has left, within seconds: until then clients wait in its backlog.
 *
 * Owner    The caller owns *ret and ends it with daemon_free(), outside of the loop's round.
 * Errors   0 or negative errno with *err; -EBUSY when another daemon has the root.
 * Blocks   On the disk.
 * Context  Parent, on the loop's thread.
 */
#include "base/err.h"
#include "base/log.h"
#include "container/reaper.h"
#include "event/loop.h"
#include "rpc/service.h"
#include "supervisor/command.h"

struct core;
struct daemon;
struct embedded_config;
struct fdtable;
struct settings;

struct daemon_config {
	struct loop *loop;
	struct log *log;
	const struct settings *settings; /* settings_check()ed; borrowed */
	const char *search;              /* where shims are looked for, as $PATH; then beside us */
	/*
	 * Sockets that listen already, at the addresses of the settings; taken over in any case. -EBADF: they are
	 * made, and taken away at the end.
	 */
	int api_listener, events_listener;
	const struct rpc_service *more; /* behind the gRPC door too; rows with their own arg */
	size_t n_more;
	struct reaper
		reaper; /* of our short-lived children; zero: they are waited for one by one */
	struct command_outside outside; /* where shims are started */
	struct fdtable *fds; /* where sockets are kept for the worker after us; NULL: nowhere */
	const struct embedded_config *embedded; /* NULL: all tasks are behind shims */
	void (*serving)(void *arg);             /* calls are taken now; NULL: do not tell */
	void (*failed)(void *arg, const struct err *err); /* it never will */
	void (*drained)(void *arg);                       /* after daemon_leave() */
	void *arg;
};

int daemon_new(const struct daemon_config *config, struct daemon **ret, struct err *err);
void daemon_free(struct daemon *m);
AUTO_FREE(struct daemon, daemon)

struct core *daemon_core(struct daemon *m);

size_t daemon_embedded_tasks(const struct daemon *m);

/* Take the sockets away and end what can be ended; drained() when the last client has gone. */
void daemon_leave(struct daemon *m);
