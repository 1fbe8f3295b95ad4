/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Task calls: what the files of the Tasks service share.
 *
 * Owner    As core.h.
 * Errors   As core.h, texts as containerd's.
 * Blocks   On the store.
 * Context  Parent.
 */
#include "services/core.h"
#include "services/tasks.h"

#include "proto/api.pb-c.h"
#include "proto/tasks.pb-c.h"

/* How long one shim may take to say how its task is. */
#define TASK_STATE_NS (2 * NS_PER_SEC)

/* -ENOENT: there is no such container, or it has no task. */
int task_call_find(struct core_call *c, const char *id);

/* Its record. */
int task_call_container(struct core_call *c, const char *id, Pb__Api__Container **ret);

/* As a client sees it; *ret is complete, in the arena. */
int task_call_process(
	const struct shim_answer *a, const char *id, struct arena *arena, Pb__Tasks__Process **ret);

/* Methods in files of their own. */
int task_call_list(struct core_call *c);
int task_call_metrics(struct core_call *c);
