/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Record: a task as data: its states, its processes, its open requests.
 *
 *              create             start               pause
 *      NEW --> CREATING --> CREATED --> STARTING --> RUNNING --> PAUSING --> PAUSED
 *                 | |        | |  ^---------' ^         |  ^--------'         |  ^
 *                 | |        | |    failed    |         |  ^------ RESUMING <-'  |
 *          failed | |  delete| '-- ENDING     |         |              '---------'
 *                 | '-> RESTORABLE -----------'         | exit
 *                 |          | delete                   v
 *               GONE <-- DELETING <-- STOPPED <---- DRAINING
 *                            delete       no exec is left
 *
 *      An exit leads to DRAINING from CREATED, ENDING, RUNNING, PAUSING, PAUSED and RESUMING.
 *
 * What is true in a state, checked by task_check():
 *   CREATING    one create is with the back end; for everybody else the task does not exist yet
 *   CREATED     a process waits at its barrier; TaskCreate has been published
 *   RESTORABLE  as CREATED, from a checkpoint: no process exists
 *   STARTING    one start is with the back end; an exit that comes now is kept until its outcome
 *   ENDING      never started, killed by Delete; its exit is due
 *   PAUSING     execs that were admitted finish their start first, then the freezer works; no new
 *               start
 *   DRAINING    the init's exit is recorded and waiters know it; TaskExit waits until no exec is
 *               live
 *   STOPPED     TaskExit has been published; nothing is live and nobody waits
 *   DELETING    one Delete drains output, then frees; others wait for its end
 *
 * An exec is live from the moment its start is admitted until it has exited or failed to start:
 * `live` is the only source for "is something left".
 *
 * Owner    The caller owns the struct and its two tables. Nobody but src/task writes to them.
 * Errors   None.
 * Blocks   Never.
 * Context  Any.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/rule.h"
#include "task/effect.h"
#include "task/input.h"
#include "task/terms.h"

#define TASK_ID_MAX 127 /* containerd allows 76 */
#define TASK_EXECS_MAX 4096
#define TASK_OPS_MAX 8192
#define TASK_WAITS_MAX \
	8128 /* of them: Waits last for long, and must not shut out Kill and Delete */

// clang-format off
#define TASK_STATES(_) \
	_(NEW,        "new") \
	_(CREATING,   "creating") \
	_(CREATED,    "created") \
	_(RESTORABLE, "restorable") \
	_(STARTING,   "starting") \
	_(RUNNING,    "running") \
	_(PAUSING,    "pausing") \
	_(PAUSED,     "paused") \
	_(RESUMING,   "resuming") \
	_(ENDING,     "ending") \
	_(DRAINING,   "draining") \
	_(STOPPED,    "stopped") \
	_(DELETING,   "deleting") \
	_(GONE,       "gone")

#define EXEC_STATES(_) \
	_(FREE,     "free")      /* the slot holds no exec */ \
	_(ADDED,    "added")     /* id reserved, no process */ \
	_(STARTING, "starting")  /* admitted: live */ \
	_(RUNNING,  "running")   /* live */ \
	_(FAILED,   "failed")    /* the start failed; may be tried again; the id stays taken until Delete */ \
	_(STOPPED,  "stopped")   /* TaskExit has been published */ \
	_(DELETING, "deleting")  /* output drains */
// clang-format on

enum task_state {
#define TASK_STATE_ENUM(name, text) TASK_##name,
	TASK_STATES(TASK_STATE_ENUM)
#undef TASK_STATE_ENUM
		TASK_STATES_,
};

enum exec_state {
#define EXEC_STATE_ENUM(name, text) EXEC_##name,
	EXEC_STATES(EXEC_STATE_ENUM)
#undef EXEC_STATE_ENUM
		EXEC_STATES_,
};

/* The init's or an exec's process. */
struct task_proc {
	uint64_t token; /* of the process that exists or is being made; exits are matched by it */
	uint32_t pid;   /* host pid, kept after the exit for answers; 0 = never had one */
	bool exited; /* the exit below has come: handled now, or after the outcome of its start */
	bool stdin_closed;
	int32_t wait_status;
	uint64_t exit_boot_ns;
	uint64_t exit_wall_ns;
};

struct task_exec {
	enum exec_state state;
	struct task_proc proc;
	char id[TASK_ID_MAX + 1];
};

/* How far a Delete or the start of an exec is; others have one phase. */
enum op_phase {
	PHASE_WAIT,  /* Delete: until the exit has been published, or another Delete has ended */
	PHASE_KILL,  /* the init was never started: it is being killed */
	PHASE_DRAIN, /* output is on its way to its readers */
	PHASE_READY, /* drained; other operations have to end first */
	PHASE_FREE,  /* the back end frees */
	PHASE_MADE, /* start of an exec: its process is known, and released unless it was cancelled */
};

/* A request that has not been answered yet. */
struct task_op {
	uint32_t id; /* never 0, never used twice in a task */
	enum input_type request;
	uint32_t exec; /* slot, or TASK_INIT */
	enum op_phase phase;
	bool issued;     /* with the back end: an outcome is due */
	bool cancelled;  /* its deadline has passed */
	bool all;        /* of a Kill */
	uint32_t signal; /* of a Kill */
	struct task_addr addr;
};

struct task {
	enum task_state state;
	char id[TASK_ID_MAX + 1];
	struct task_proc init;
	bool restore;      /* created from a checkpoint */
	bool shared_pidns; /* what is left when the init exits must be killed */
	bool killed;       /* SIGKILL has reached the init: it must not stay frozen */
	bool oom;          /* an OOM kill is to be published as soon as the order allows */
	uint32_t live;     /* execs that are admitted: EXEC_STARTING or EXEC_RUNNING */
	uint32_t issued;   /* ops with an outcome due */
	uint32_t last_op;
	uint64_t last_token;
	uint64_t events; /* sequence of the last event */

	struct task_exec *execs; /* slots; the place of an exec does not change */
	uint32_t n_execs;        /* slots in use or free below the highest one in use */
	uint32_t cap_execs;
	struct task_op *ops; /* in the order of arrival, without gaps */
	uint32_t n_ops;
	uint32_t cap_ops;
};

static inline bool exec_is_live(const struct task_exec *x)
{
	return (RULE(admitted_execs_count) && x->state == EXEC_STARTING) ||
	       x->state == EXEC_RUNNING;
}
