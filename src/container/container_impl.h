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
#include "container/unit_run.h"
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

/* What create or restore goes on with when the cgroups are made. */
struct container_plan {
	struct container_create req;
	const struct container_criu *criu;
	int (*next)(struct container *c, const struct container_plan *p, struct err *err);
};

struct container {
	const struct host *host;
	struct state state; /* directory, lock and record */
	struct spec *spec;
	struct cgroup *cgroup;  /* NULL: none was made */
	struct cgroup *payload; /* the one below that init enters while it is created; NULL: none */
	struct pidref init;
	struct launch *launch;
	struct hook_run *hooks;
	struct notify_socket *notify; /* of the program that is being started */
	const char *manager;          /* the service manager's socket; heap */
	struct arena devices_arena;
	struct net_device *net_devices; /* that init gets */
	struct criu_run *criu;          /* of a checkpoint or restore */
	struct unit_run *unit;          /* order to systemd that is under way */
	void (*unit_left)(struct container *c);
	void (*unit_done)(struct container *c, const struct err *err);
	struct container_plan *plan;      /* waits for the unit; heap, with copies of the streams */
	struct container_update *update;  /* under way */
	struct container_handler updater; /* whom its end reaches */
	struct container_handler handler; /* of the operation that runs */
	struct container_handler outer;   /* of a start that has become a delete */
	struct container_freezer freezer;
	struct container_destroyer destroyer;
	char *hook_state;         /* text for the hooks that run */
	struct err failure;       /* kept while what it broke is undone */
	struct wait_until ending; /* of an init whose start has failed */
	struct loop_deferred release;
	unsigned null_stdio; /* num[0] of PLAN_NULL_STDIO */
	bool was_paused;     /* before its checkpoint */
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

/* "MUST be logged as a warning": capabilities that no kernel knows, or that cannot be granted. */
void container_warn_of_caps(const struct container *c, const struct plan *plan);

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

/*
 * Of a create or a restore: the id claimed, the cgroups made, then plan->next. With a systemd unit that comes from the loop.
 * plan->req.spec is taken over in every case.
 */
int container_begin(const struct host *h, const struct container_plan *plan,
	const struct container_handler *handler, struct container **ret, struct err *err);
/* The cgroups made and plan->next, now that the unit has started. */
int container_go_on(struct container *c, struct err *err);
/* Ends a create or restore that got no further than its cgroups, or its launch. */
void container_create_failed(struct container *c, const struct err *e);
/* The cgroup's lines in the record, which is not saved. */
int container_record_cgroup(struct container *c, struct err *err);
void container_plan_free(struct container_plan *p);

/* ---- the systemd unit ---- */

bool container_has_unit(const struct container *c);
/* It ended with init, and by now its name and cgroup may be another's. */
bool container_unit_is_free(const struct container *c);
/* Its name on record, if the request wants one. */
int container_unit_name(struct container *c, const struct container_create *req, struct err *err);
/* Then container_go_on() or container_create_failed(). */
int container_unit_start(struct container *c, const struct container_create *req, struct err *err);
/* The container's own process is in the cgroup. False: nobody else is; else `left` (may be NULL) follows. */
bool container_unit_leave(struct container *c, void (*left)(struct container *c));
/* done: -ESTALE when a unit of that name is there that is not ours. */
int container_unit_stop(struct container *c,
	void (*done)(struct container *c, const struct err *err), struct err *err);
/* The properties that say these limits. */
int container_unit_set(struct container *c, const struct spec_resources *res,
	void (*done)(struct container *c, const struct err *err), struct err *err);

void container_update_stop(struct container *c);

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
