/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Task manager, inside: what manager_*.c share.
 *
 * Owner    The manager owns everything in its struct.
 * Errors   As manager.h.
 * Blocks   As manager.h.
 * Context  Parent, on the loop's thread.
 */
#include "manager/task_manager.h"

#define TASK_MANAGER_BUCKETS 512

struct task_manager_info;

struct task_manager {
	struct task_manager_config config;
	struct bundle_store store;
	struct shim_host host;
	struct embedded *embedded; /* NULL: there are none */
	char *beside;              /* directory of our own program */
	struct shim_task *buckets[TASK_MANAGER_BUCKETS];
	struct loop_timer load_timer;
	struct loop_deferred load_end;
	size_t loading;                  /* tasks that have not settled */
	bool loads;                      /* loaded() is still to come */
	struct task_manager_info *infos; /* programs that are asked */
};

/* task_manager_info.c */
void task_manager_infos_free(struct task_manager *m);

/* task_manager_table.c */
struct shim_task *task_manager_find(const struct task_manager *m, const char *ns, const char *id);
void task_manager_add(struct task_manager *m, struct shim_task *t);
void task_manager_remove(struct task_manager *m, struct shim_task *t);

/* task_manager_load.c */
void task_manager_settled(void *arg, struct shim_task *t);
