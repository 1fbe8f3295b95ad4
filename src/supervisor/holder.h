/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Holder: what the files of the supervisor share: the tasks it holds, their processes, operations
 * under way, and the queue of inputs. Private to src/supervisor.
 *
 * Owner    The supervisor owns its tasks, a task its processes and jobs.
 * Errors   As said.
 * Blocks   Never.
 * Context  Parent, on the loop's thread.
 */
#include "container/rootfs_mount.h"
#include "exit/exit.h"
#include "supervisor/backend.h"
#include "supervisor/fdtable.h"
#include "supervisor/journal.h"
#include "supervisor/logger.h"
#include "supervisor/payload.h"
#include "supervisor/process_io.h"
#include "supervisor/supervisor_config.h"
#include "task/task.h"

#define HOLDER_BUCKETS 64
#define JOURNAL_NAME "journal" /* in the fd table */

struct held_task;
struct orphan;
struct supervisor;

/* An input that waits until the effects of another one have been performed. Embedded where it
 * comes from. */
struct held_input {
	struct held_input *next;
	struct held_task *task; /* NULL while not queued */
	struct task_input in;
	void (*fed)(struct held_input *slot); /* may be NULL: the core has read it */
};

/* The init, or one exec by its slot. */
struct held_proc {
	struct held_task *task;
	uint32_t slot;
	struct payload payload; /* the Create, or the Exec */
	struct process_io io;
	struct pidref who;      /* while it lives */
	struct pidref recorded; /* recording.h; without its fd */
	uint64_t token;
	struct exit_watch watch;
	struct held_input exit;
	uint8_t news[PAYLOAD_NEWS_MAX];  /* of the exit */
	struct backend_process *process; /* of an exec */
	struct orphan
		*orphan; /* it has another parent than our guardian; NULL: it is the guardian's */
};

/* One operation that the core has ordered and whose outcome is due. */
struct held_job {
	struct backend_call call;
	struct held_job *next; /* of its task */
	struct held_task *task;
	struct held_proc *proc; /* whom it is about */
	enum effect_type type;
	uint32_t op;
	uint64_t token;
	bool with_backend; /* create, exec: streams are open and the back end is at work */
	bool cancelled;
	bool again;       /* ordered before a reload already */
	bool end_streams; /* when its outcome is on record */
	bool undoing;     /* a create that an earlier worker began */
	struct exit_expect expect;
	struct payload
		payload; /* of the request, when the order cannot do without: Update, Checkpoint */
	struct task_addr addr; /* of its request */
	struct loop_timer deadline;
	struct rootfs_unmounting unmounting;
	struct held_input made;
	struct held_input done;
	struct held_input cancel;
	uint8_t news[PAYLOAD_NEWS_MAX]; /* of the process that was made */
	int failure;                    /* negative errno, while its mounts are undone */
	char text[512];                 /* of a failure */
};

/* The deadline of a Wait that is not answered yet. */
struct held_expiry {
	struct held_expiry *next;
	struct held_task *task;
	struct task_addr addr;
	struct loop_timer timer;
	bool fed_now;
	struct held_input cancel;
};

struct held_task {
	struct supervisor *sup;
	struct held_task *next; /* in its bucket */
	char *ns;
	uint64_t number; /* names its fds and its records in the journal */
	struct task core;
	struct backend_container *container;
	struct held_proc init;
	struct held_proc **execs; /* by slot; as many as core.cap_execs */
	struct held_job *jobs;
	struct held_expiry *expiries;
	struct backend_notice notice;
	struct held_input oom;
	uint8_t oom_news[PAYLOAD_NEWS_MAX];
	struct held_input failure; /* of an order for which there was no memory */
	struct held_input farewell;
	bool mounted;
	bool exit_saved;
	bool known;         /* to whoever created it, for something was asked of it since */
	bool taken_away;    /* deleted from outside, where its end is told if it was known */
	char *checkpoint;   /* where to: of the one under way, for its event */
	uint64_t oom_kills; /* that have been told */
	struct loop_deferred release;
};

struct supervisor {
	struct supervisor_config config;
	struct task nobody; /* what requests for unknown tasks are fed to */
	struct held_task *buckets[HOLDER_BUCKETS];
	struct held_task **numbered; /* all of them, by number */
	size_t n_tasks, cap_numbered;
	struct effects fx;
	bool busy; /* effects are being performed */
	struct held_input *queue, **queue_end;
	struct logger_list loggers;
	struct process_io_env process_io_env;
	struct held_task *leaving; /* gone, to be freed at the end of the round */
	struct loop_deferred trim; /* a task has more room than it needs */
	uint64_t last_number;      /* of a task */
	uint64_t last_conn;        /* highest connection that anything came from */

	struct journal journal;
	uint64_t wall_ns; /* while the journal is read: when what is fed happened; else 0 */
	bool orphaned;    /* what it took up had another guardian, which is gone */
	struct loop_timer unknown; /* exits that nobody has told of */

	/* The request that is being taken, for what it orders. */
	const struct request *request;
	struct payload payload;
	struct task_addr from;
};

/* Feed an input now, or after the one whose effects are being performed. `slot` is where it can
 * wait. */
void held_feed(struct held_task *t, struct held_input *slot, const struct task_input *in);
/* Into the log, with the name of the task. */
void held_warn(const struct held_task *t, const struct err *err);
/* Take it out of the queue, if it is there. */
void held_forget(struct held_input *slot);
/* The call at this address is being answered. */
void held_answered(struct held_task *t, struct task_addr addr);
/* Take a task out of the table; it is freed at the end of the round. */
void held_task_leave(struct held_task *t);

#define HELD_NAME_SIZE 32

/* Of an fd of this process in the table: "7/i/sync", "7/e12/out.pipe"; without `what`: the prefix. */
void held_name(const struct held_proc *p, const char *what, char name[HELD_NAME_SIZE]);

/* Room for what the next input may need; without memory there is none, and the core says so. */
void held_grow_ops(struct held_task *t);
void held_grow_execs(struct held_task *t);
/* At least so many. -ENOMEM. */
int held_make_room(struct held_task *t, uint32_t execs, uint32_t ops);

/* A task in state new, in the table. NULL: no memory, or no id. */
struct held_task *held_task_new(
	struct supervisor *sup, const char *ns, const char *id, uint64_t number);
struct held_task *held_task_find(struct supervisor *sup, uint64_t number);
/* The one with the lowest number above this: a walk that bears tasks that go meanwhile. */
struct held_task *held_task_next(struct supervisor *sup, uint64_t after);
/* The wall clock, or that of the input that is read from the journal. */
uint64_t held_wall_ns(const struct supervisor *sup);

/* The process of a slot. */
struct held_proc *held_proc_of(struct held_task *t, uint32_t slot);
