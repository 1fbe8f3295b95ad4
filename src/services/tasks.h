/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Tasks: the task manager as the services see it: orders that are answered later, and what a task
 * tells by itself as events.
 *
 * Owner    The caller owns *ret and ends it with tasks_free(), outside of the loop's round and after
 *          the doors: tasks and shims stay. An order is its maker's; who is told its end frees it.
 * Errors   0 or negative errno with *err.
 * Blocks   As task_manager.h.
 * Context  Parent, on the loop's thread.
 */
#include "manager/task_manager.h"
#include "services/core.h"

#include "proto/events.pb-c.h"

struct settings;
struct tasks;

struct tasks_config {
	struct core *core;
	const struct settings *settings;        /* borrowed */
	const char *search;                     /* for shims, as $PATH */
	const struct embedded_config *embedded; /* as in task_manager.h */
	void (*loaded)(void *arg); /* what is alive is known: from now on it may be asked for */
	void *arg;
};

int tasks_new(const struct tasks_config *config, struct tasks **ret, struct err *err);
void tasks_free(struct tasks *t);
AUTO_FREE(struct tasks, tasks)

/* Take over what the daemon before has left; once. */
int tasks_load(struct tasks *t, struct err *err);

/* The daemon leaves: waits, which may take days, are ended. */
void tasks_leave(struct tasks *t);

struct task_manager *tasks_manager(struct tasks *t);

/* -EMFILE when there are as many tasks as the settings permit. */
int tasks_check_room(struct tasks *t, struct err *err);

/* ---- orders ---- */

struct task_order;

/* `a` NULL: the daemon ends, there is nobody left to tell. */
typedef void task_answered_fn(struct task_order *o, const struct shim_answer *a);

/* Embedded in what its maker has to remember. */
struct task_order {
	struct task_order *prev, *next;
	struct tasks *tasks;
	task_answered_fn *answered;
};

/* The tag for the manager, which will answer it, perhaps at once. */
uint64_t tasks_order(struct tasks *t, struct task_order *o, task_answered_fn *answered);

/* ---- waits ---- */

/*
 * Answer the call when the process (exec_id "": the init) has ended. Of all who wait for one process the shim
 * knows one; who gives up is forgotten here.
 */
int tasks_wait(struct tasks *t, const struct rpc_request *req, const char *ns, const char *id,
	const char *exec_id, struct err *err);

/* ---- events ---- */

/* An event of a shim is on its way to the subscribers. */
void tasks_note(struct tasks *t, const Pb__Events__Envelope *envelope);
