/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Supervisor: holds the tasks of one worker, keyed by (namespace, id). It performs the effects that
 * the core (src/task) orders and feeds the outcomes back as inputs; it holds no rule of a task's
 * life itself.
 *
 * Doors call supervisor_request(); answers and events come through the sink, in the order that the
 * core demands: the event that belongs to an answer is handed over before the answer, an exit event
 * after its waiters were answered.
 *
 * Owner    The caller owns *ret and ends it with supervisor_free(), which accepts NULL. The loop,
 * the sink's arg and everything in the config must outlive it. Errors   A request never fails here:
 * every one gets exactly one answer, now or later, unless its connection closed. Blocks   Never;
 * long work is a source on the loop. Context  Parent, on the loop's thread. The sink's functions
 * must not call back into the supervisor.
 */
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "event/loop.h"
#include "supervisor/request.h"

struct backend;
struct exit_source;
struct fdtable;
struct supervisor;

/* Where answers and events go. None may block or call back; arg is the one of the config. */
struct supervisor_sink {
	void (*reply)(void *arg, struct task_addr to, const struct response *r);
	void (*event)(void *arg, const struct event *e);
	/* Shutdown was asked for and no task is left (4.8); its answer has been handed over. */
	void (*shutdown)(void *arg);
};

struct supervisor_config {
	struct loop *loop;
	struct log *log; /* NULL: nowhere */
	const struct supervisor_sink *sink;
	void *sink_arg;
	const struct backend
		*backend;  /* backend.h: how containers are made (native, or a fake one in tests) */
	void *backend_arg; /* given to every operation of the back end */
	struct exit_source *exits; /* where exits come from */
	struct fdtable *fds;       /* streams that outlive a crash are named here */
	uint64_t drain_idle_ns; /* Delete stops waiting for output after this long without a byte; 0
				   = 2 s */
	uint64_t drain_max_ns;  /* and after this long in all; 0 = 8 s, below CRI's 10 s (5.6) */
};

int supervisor_new(
	const struct supervisor_config *config, struct supervisor **ret, struct err *err);
void supervisor_free(struct supervisor *sup);
AUTO_FREE(struct supervisor, supervisor)

/* Take a request. Its answer comes to `from` through the sink, maybe before this returns. */
void supervisor_request(struct supervisor *sup, struct task_addr from, const struct request *req);

/* The connection is gone: its open waits are dropped, operations that run go on to their end. */
void supervisor_hangup(struct supervisor *sup, uint64_t conn);

/* Tasks that are registered or being created. 0 and no connection for a while: the shim may leave
 * by itself. */
size_t supervisor_count(const struct supervisor *sup);
