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
 *          the sink's arg and everything in the config must outlive it.
 * Errors   A request never fails here: every one gets exactly one answer, now or later, unless its
 *          connection closed.
 * Blocks   Never; long work is a source on the loop.
 * Context  Parent, on the loop's thread. The sink's functions must not call back.
 */
#include "base/err.h"
#include "base/mem.h"
#include "supervisor/request.h"
#include "supervisor/supervisor_config.h"

struct supervisor;

int supervisor_new(
	const struct supervisor_config *config, struct supervisor **ret, struct err *err);
void supervisor_free(struct supervisor *sup);
AUTO_FREE(struct supervisor, supervisor)

/* Take a request. Its answer comes to `from` through the sink, maybe before this returns. */
void supervisor_request(struct supervisor *sup, struct task_addr from, const struct request *req);

/* The connection is gone: its open waits are dropped, operations that run go on to their end. */
void supervisor_hangup(struct supervisor *sup, uint64_t conn);

/*
 * With `journaled`: take up what an earlier worker has left in the fd table, or begin a journal when there is none.
 * Once, before the first request and before exits are reported. What cannot be read is logged and left alone; a failure
 * means that nothing is kept.
 */
int supervisor_load(struct supervisor *sup, struct err *err);

/*
 * `delete` may have marked a bundle (bundle_record.h): one whose task has ended already is freed without a request. To be
 * called when a connection has closed, for that is how `delete` knocks.
 */
void supervisor_look_for_marks(struct supervisor *sup);

/* An event that the sink was given has reached its subscriber, and is not to be sent again by a later worker. */
void supervisor_acked(struct supervisor *sup, uint64_t task, uint64_t sequence);

/* The highest connection that a request came from, also to earlier workers: new ones must be above. */
uint64_t supervisor_last_conn(const struct supervisor *sup);

/* Tasks whose Create has succeeded; fn must not call back. */
typedef void supervisor_task_fn(void *arg, const char *ns, const char *id);
void supervisor_each(const struct supervisor *sup, supervisor_task_fn *fn, void *arg);
bool supervisor_has(const struct supervisor *sup, const char *ns, const char *id);
/* It is started, and its exit is not told yet. */
bool supervisor_runs(const struct supervisor *sup, const char *ns, const char *id);
/* Also one that is being created, or removed. */
bool supervisor_knows(const struct supervisor *sup, const char *ns, const char *id);

/* Tasks that are registered or being created. At 0 and without a connection a shim may leave. */
size_t supervisor_count(const struct supervisor *sup);
