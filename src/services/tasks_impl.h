/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Tasks, inside: what tasks_object.c and task_wait.c share.
 *
 * Owner    Everything in the struct is its own.
 * Errors   As tasks.h.
 * Blocks   As tasks.h.
 * Context  Parent, on the loop's thread.
 */
#include "services/tasks.h"

struct task_wait;

struct tasks {
	struct tasks_config config;
	struct task_manager *manager;
	struct task_order *orders;
	struct task_wait *waits;
	char *program;
};

/* task_wait.c */
void task_wait_leave(struct tasks *t);
