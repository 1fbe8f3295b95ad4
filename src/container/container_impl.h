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
#include "container/criu_run.h"
#include "container/launch.h"
#include "container/seccomp_filter.h"
#include "container/state.h"
#include "container/wait_until.h"

/* A pause or resume that is under way. */
struct container_freezer {
	bool busy;
	struct cgroup_freezing freezing;
	struct wait_until wait;
	struct container_handler handler;
};

/* The end of processes and cgroups that is waited for. */
struct container_destroyer {
	struct wait_until wait;
	uint64_t deadline_ns;
	struct err last; /* why the cgroups could not be removed yet, or why it failed */
	struct loop_deferred failed;
	void (*done)(struct container *c, const struct err *err);
};

struct container {
	const struct host *host;
	struct state state; /* directory, lock and record */
	struct spec *spec;
	struct cgroup *cgroup; /* NULL: none was made */
	struct pidref init;
	struct launch *launch;
	struct hook_run *hooks;
	struct notify_socket *notify; /* of the program that is being started */
	const char *manager;          /* the service manager's socket; heap */
	struct arena devices_arena;
	struct net_device *net_devices;   /* that init gets */
	struct criu_run *criu;            /* of a checkpoint or restore */
	struct container_handler handler; /* of the operation that runs */
	struct container_handler outer;   /* of a start that has become a delete */
	struct container_freezer freezer;
	struct container_destroyer destroyer;
	char *hook_state;   /* text for the hooks that run */
	struct err failure; /* kept while what it broke is undone */
	struct loop_deferred release;
	bool was_paused; /* before its checkpoint */
	bool start_by_socket;
	bool starts_at_once;
	bool adopted; /* the launch is of another process, which may have released it */
	bool exited;  /* init, reaped if it was to be */
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

/* We are not root, and the user namespace has our own ids alone. */
bool container_denies_setgroups(const struct spec *s);

/* launch_handler.listener for a process of the container (its init, where `process` has no pid). */
int container_give_listener(struct container *c, const struct pidref *process, const char *status,
	int fd, struct err *err);

/* How a new process enters the cgroup; `dirs` has room for CGROUP_HIERARCHIES_MAX. */
struct compile_cgroup container_cgroup_entry(struct cgroup *cg, const char **dirs);

/* Init never was or has ended. */
bool container_gone(const struct container *c);

bool container_is_abandoned(struct container *c);

/* Of a create or a restore: the id claimed, the cgroups made. req->spec is taken over in every case. */
int container_begin(const struct host *h, const struct container_create *req,
	const struct container_handler *handler, struct container **ret, struct err *err);
/* That, undone: nothing of it has run yet. */
void container_undo(struct container *c);
/* The state directory alone, unless somebody else has taken it away. */
void container_forget(struct container *c);
/* Init and this status on record. */
int container_save_init(struct container *c, enum state_status status, struct err *err);

/*
 * Kill what is left, wait, free the cgroups; what is gone already is fine. `done` comes once: a failure from the
 * loop, a success also from within the call, for mostly there is nothing to wait for.
 */
void container_destroy(struct container *c, uint64_t patience_ns,
	void (*done)(struct container *c, const struct err *err));
/* For who frees the container: nobody hears of what is under way; a freeze is undone. */
void container_destroyer_stop(struct container *c);
void container_freezer_stop(struct container *c);
