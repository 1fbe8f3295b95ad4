/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Inside the container module: the object, shared by the files that hold one operation each.
 *
 * Owner, Errors, Blocks, Context: container.h.
 */
#include "container/cgroup.h"
#include "container/compile.h"
#include "container/container.h"
#include "container/launch.h"
#include "container/seccomp.h"
#include "container/state.h"

struct container {
	const struct host *host;
	struct state state; /* directory, lock and record */
	struct spec *spec;
	struct cgroup *cgroup; /* NULL: none was made */
	struct pidref init;
	struct launch *launch;
	struct hook_run *hooks;
	struct container_handler handler; /* of the operation that runs */
	struct container_handler outer;   /* of a start that has become a delete */
	char *hook_state;                 /* text for the hooks that run */
	struct err failure;               /* kept while what it broke is undone */
	struct loop_deferred release;
	bool start_by_socket;
	bool starts_at_once;
	bool exited; /* init, reaped if it was to be */
	bool freed;
};

/* End the operation that runs: the handler is called once. err NULL: success. */
void container_done(struct container *c, const struct err *err);

/* What has just been reached, into the debug log: its times show where a start spends its own (`./dev run`). */
void container_trace(const struct container *c, const char *what);

/* State JSON for hooks with this status; `pid` 0 leaves it out. Heap or NULL. */
char *container_hook_state(const struct container *c, const char *status, pid_t pid);

/* Compiled filter of the spec, from the cache when it has it. *ret is empty without a profile. */
int container_filter(const struct container *c, struct seccomp_filter *ret, struct err *err);

/* How a new process enters the cgroup; `dirs` has room for CGROUP_HIERARCHIES_MAX. */
struct compile_cgroup container_cgroup_entry(struct cgroup *cg, const char **dirs);

/* Init never was or has ended. */
bool container_gone(const struct container *c);

bool container_is_abandoned(struct container *c);

/* Kill what is left, wait, free all kernel objects and the state directory; what is gone already is fine. */
int container_destroy(struct container *c, struct err *err);
