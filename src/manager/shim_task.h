/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Shim task: one task behind a v2 shim, from the launch of the shim to the removal of the bundle (spec/manager.md
 * 1.5-1.9). It is a machine whose inputs are the ends of its own steps: a process that ended, an answer, a connection
 * that closed, a timer. The table of its states is in shim_task_object.c.
 *
 * Owner    A task frees itself at the end of the round in which it is GONE; host.gone() is its last word. Before,
 *          shim_task_abandon() ends it without touching anything but our own memory and descriptors.
 * Errors   Functions that take *err tell what kept them from beginning; everything after that is told to host.answered().
 * Blocks   Starting programs (until execve) and file systems; never for another process.
 * Context  Parent, on the loop's thread.
 */
#include <stdbool.h>
#include <stdint.h>

#include "manager/bundle.h"
#include "manager/shim_call.h"
#include "rpc/status.h"

#include "proto/task.pb-c.h"

struct shim_task;

/* An end of an order. `payload` is the answer of a shim's Task service, encoded. */
struct shim_answer {
	enum status_code code;
	const char *text; /* "" with RPC_OK */
	const void *payload;
	size_t size;
};

struct shim_exit {
	bool known; /* else there is no number and no time yet */
	uint32_t pid;
	uint32_t status;
	uint64_t wall_ns;
};

enum shim_event_kind { SHIM_EVENT_EXIT, SHIM_EVENT_DELETE };

/* What nobody but us can tell, for the shim is dead. */
struct shim_event {
	enum shim_event_kind kind;
	const char *ns;
	const char *id;
	struct shim_exit exit;
};

struct shim_limits {
	uint64_t start_ns;    /* of the program `start` */
	uint64_t create_ns;   /* Create, where the client sets no limit */
	uint64_t delete_ns;   /* Delete for a client, who may have gone long before */
	uint64_t undo_ns;     /* Delete of a create that failed */
	uint64_t shutdown_ns; /* Shutdown */
	uint64_t clean_ns;    /* of the program `delete` */
	uint64_t load_ns;     /* all of a load */
	uint64_t silent_ns; /* how long a shim may be silent after that, before it counts as dead */
	uint64_t retry_ns;  /* between two clean-ups; doubles */
	uint64_t retry_max_ns;
	unsigned int cleaners; /* programs `delete` at a time */
};

/* What all tasks of a manager share. */
struct shim_host {
	struct loop *loop;
	struct log *log;
	struct shim_call_env call;
	struct bundle_store *store;
	struct shim_limits limits;
	void *arg;
	void (*answered)(void *arg, uint64_t tag, const struct shim_answer *a);
	void (*event)(void *arg, const struct shim_event *e);
	void (*gone)(void *arg, struct shim_task *t);
	/* One that is being loaded is known to live, to be dead, or to be silent. */
	void (*settled)(void *arg, struct shim_task *t);
	/* shim_task_end.c's: who runs `delete`, and who waits for it. */
	unsigned int cleaning;
	struct shim_task *queue;
	struct loop_deferred turn;
};

/* Its place in the manager's table. */
struct shim_place {
	struct shim_task *next;
};

struct shim_create {
	const char *ns;
	const char *id;
	const char *runtime; /* as the container names it */
	const char *binary;  /* what that is */
	const void *spec;    /* config.json */
	size_t spec_size;
	const Pb__Any *runtime_options; /* of the container, where the task has none; NULL */
	const Pb__Task__CreateRequest *request; /* id and bundle are ours to fill in */
	const char *take_checkpoint;            /* as in bundle.h; NULL */
	uint64_t deadline_boot_ns;              /* 0: none */
};

/* Make the bundle, start the shim, create the task; the answer is a CreateResponse. */
int shim_task_create(struct shim_host *host, const struct shim_create *req, uint64_t tag,
	struct shim_task **ret, struct err *err);

/* A bundle that is there. `binary` is where the bundle does not say it; NULL: nobody knows. settled() comes later. */
int shim_task_load(struct shim_host *host, const char *ns, const char *id, const char *binary,
	struct shim_task **ret, struct err *err);
/* The time for loading is over. */
void shim_task_load_late(struct shim_task *t);

/* Delete; the answer is a DeleteResponse. Whoever asked may go away: it comes to its end. */
void shim_task_delete(struct shim_task *t, uint64_t tag);

/* Any other call of the Task service, as it is. */
void shim_task_call(struct shim_task *t, uint64_t tag, const char *method, const void *payload,
	size_t size, uint64_t deadline_boot_ns);

/* The shim itself has told the exit of the init: it is not told again. */
void shim_task_note_exit(struct shim_task *t, const struct shim_exit *exit);

void shim_task_abandon(struct shim_task *t);

const char *shim_task_ns(const struct shim_task *t);
const char *shim_task_id(const struct shim_task *t);
/* Whether clients see it. */
bool shim_task_visible(const struct shim_task *t);
struct shim_place *shim_task_place(struct shim_task *t);
/* For logs and tests: "live". */
const char *shim_task_state(const struct shim_task *t);
