/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Shim server: the long-lived part of a shim: the door (ttrpc), the supervisor behind it, the publisher
 * of its events, and when all of it may end (spec/shim.md 4.8).
 *
 * It ends when a Shutdown came and neither a task nor a sandbox is left; when there is neither of them nor a connection for
 * a while (somebody died before he could say so); when both have been gone for longer, whoever is connected; or when it
 * is told to. Its name is taken away first, then what is queued is sent, and after a sandbox the clients hang up, for a
 * limited time.
 *
 * Owner    The caller owns *ret and ends it with shim_server_free(), outside of the loop's round.
 *          Everything in the config must outlive it; the listener is taken over in any case.
 * Errors   0 or negative errno with *err.
 * Blocks   Never, but for the lock of the socket directory at the end.
 * Context  Parent, on the loop's thread.
 */
#include <stdbool.h>

#include "base/err.h"
#include "base/log.h"
#include "event/loop.h"
#include "supervisor/backend.h"

struct exit_source;
struct fdtable;
struct guardian_link;
struct shim_server;

struct shim_server_config {
	struct loop *loop;
	struct log *log;
	const char *ns;
	const char *events_address; /* of containerd's ttrpc socket; NULL or "": none */
	int listener;               /* -EBADF: none; it serves the connections that it has */
	pid_t shim_pid;             /* what Connect says; 0: ours */
	const struct backend *backend;
	void *backend_arg;
	struct exit_source *exits;
	struct fdtable *fds;
	struct guardian_link *guardian; /* NULL: we have none */
	bool journaled;                 /* what happens outlives this worker, in the fd table */
	bool restarted;          /* it is not the first one: containerd may have given up on it */
	const struct host *host; /* as in the supervisor's config */
	void *arg;
	void (*done)(void *arg);       /* there is nothing left to do; called once */
	void (*unlistened)(void *arg); /* may be NULL: no more connections are wanted */
	void (*log_moved)(void *arg);  /* may be NULL: log->fd is another one */

	/* Zero: the usual values. */
	uint64_t first_idle_ns; /* until somebody connects: 120 s */
	uint64_t idle_ns;       /* without a task and a connection: 10 s */
	uint64_t linger_ns;     /* after the last task, whoever is connected: 60 s */
	uint64_t lease_ns;      /* for a start that asked and is to create: 5 s */
	uint64_t drain_ns;      /* for events and last answers at the end: 5 s */
};

int shim_server_new(
	const struct shim_server_config *config, struct shim_server **ret, struct err *err);
void shim_server_free(struct shim_server *s);
AUTO_FREE(struct shim_server, shim_server)

/* Leave, whatever runs: SIGTERM. containerd cleans up after us. */
void shim_server_stop(struct shim_server *s);

/*
 * Who is parent of the containers is gone: take the name away, accept and send nothing more. What happens to tasks is still
 * written to their bundles, until shim_server_free() closes the connections, which is when containerd begins to clean up.
 */
void shim_server_abandon(struct shim_server *s);

/* What there is, to the log: SIGUSR1. */
void shim_server_dump(const struct shim_server *s);
