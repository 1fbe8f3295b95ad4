/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Task manager: all tasks of a daemon, by namespace and id: made, found, listed, deleted, and taken over from the manager
 * before (spec/manager.md section 1). Some are embedded in this process (embedded.h), the others are behind shims; the
 * runtime that a container names decides, and nobody who gives orders sees the difference. It knows nothing of the door
 * through which orders come: an order has a tag, and its end is told with it.
 *
 * Every order is answered exactly once, by ops.answered(), from the loop and also at once. What began goes on when its
 * client has gone: the door forgets the tag.
 *
 * Owner    The caller owns *ret and ends it with task_manager_free(), outside of the loop's round: tasks and shims stay.
 *          What a config points to must live as long; requests are borrowed for the call.
 * Errors   0 or negative errno with *err. Answers have the codes of rpc/status.h and texts without their class; those
 *          of shims pass through.
 * Blocks   Starting programs (until execve) and local file systems; never for another process.
 * Context  Parent, on the loop's thread.
 */
#include "manager/embedded.h"
#include "manager/shim_task.h"

struct task_manager;

struct task_manager_ops {
	/* `payload` is an answer of proto/task.proto, encoded: CreateResponse, DeleteResponse, ... */
	void (*answered)(void *arg, uint64_t tag, const struct shim_answer *a);
	/* The exit and the end of a task whose shim cannot tell them any more. */
	void (*event)(void *arg, const struct shim_event *e);
	/* The load is over: what is alive is in the list. */
	void (*loaded)(void *arg);
	/* Of a container in the store: its runtime's name, heap. -ENOENT: not known. NULL: there is no store. */
	int (*runtime_of)(void *arg, const char *ns, const char *id, char **ret);
	/* Any event of an embedded task. May be NULL where there are none. */
	void (*published)(void *arg, const Pb__Events__Envelope *e);
};

struct task_manager_config {
	struct loop *loop;
	struct log *log;
	struct reaper reaper;
	struct command_outside outside; /* where shims are started */
	const char *root;               /* of what outlives a reboot; absolute */
	const char *state;              /* of what does not */
	const char *grpc_address;
	const char *ttrpc_address; /* where shims send their events */
	const char *program;       /* our own, absolute: what shims are told to publish with */
	const char *search;        /* where shims are looked for, as $PATH; then beside `program` */
	bool debug;
	struct shim_limits limits;              /* 0: the usual */
	const struct embedded_config *embedded; /* NULL: all tasks are behind shims */
	const struct task_manager_ops *ops;
	void *arg;
};

int task_manager_new(
	const struct task_manager_config *config, struct task_manager **ret, struct err *err);
void task_manager_free(struct task_manager *m);
AUTO_FREE(struct task_manager, task_manager)

/*
 * Take over what is in the directories: once, before anything else. Every shim is asked at the same time, and
 * ops.loaded() comes within limits.load_ns, whatever they do. Dead ones are cleaned up meanwhile and after.
 */
int task_manager_load(struct task_manager *m, struct err *err);

struct task_manager_create {
	const char *ns;
	const char *id;
	const char *runtime;      /* of the container: a name, or an absolute path */
	const char *runtime_path; /* of the task: goes before it; NULL or "" */
	const void *spec;         /* the container's spec: config.json */
	size_t spec_size;
	const Pb__Any *runtime_options;         /* of the container; NULL */
	const Pb__Task__CreateRequest *request; /* rootfs, stdio, checkpoint, options */
	const char *take_checkpoint;            /* as in bundle.h; NULL */
	uint64_t deadline_boot_ns;              /* 0: none */
};

/* CreateResponse. An id that is in use, also by one that is being cleaned up, is ALREADY_EXISTS. */
void task_manager_create(
	struct task_manager *m, uint64_t tag, const struct task_manager_create *req);

/* Where the directory that it takes is then: what the request has for `checkpoint`. Heap; NULL: no memory. */
char *task_manager_checkpoint(const struct task_manager *m, const char *ns, const char *id);

/* DeleteResponse, of the task as a whole (an exec is deleted by task_manager_call). */
void task_manager_delete(struct task_manager *m, uint64_t tag, const char *ns, const char *id);

/*
 * Any other method of the Task service: State, Start, Kill, Exec, Wait, Pids, Pause, Resume, Update, Stats, CloseIO,
 * ResizePty, Checkpoint, Connect, Delete of an exec. The request names the same id. A shim that has no version 3 is
 * asked in version 2.
 */
void task_manager_call(struct task_manager *m, uint64_t tag, const char *ns, const char *id,
	const char *method, const ProtobufCMessage *request, uint64_t deadline_boot_ns);

/*
 * RuntimeInfo (proto/bootstrap.proto) of a runtime that a container may name; options NULL: none. Of those that are
 * embedded it is ours, of others what their program prints for -info.
 */
void task_manager_info(
	struct task_manager *m, uint64_t tag, const char *runtime, const Pb__Any *options);

/* The tasks that clients see; ns NULL: of all namespaces. fn must not change the list. */
typedef void task_manager_task_fn(void *arg, const char *ns, const char *id);
void task_manager_each(
	const struct task_manager *m, const char *ns, task_manager_task_fn *fn, void *arg);
bool task_manager_has(const struct task_manager *m, const char *ns, const char *id);
/* How many are embedded, those being made included. */
size_t task_manager_embedded(const struct task_manager *m);
/* For tests and reports: "live", "embedded", NULL when there is none. Also of those that clients do not see. */
const char *task_manager_state(const struct task_manager *m, const char *ns, const char *id);

/* The door has passed on a shim's own event of an init's exit. */
void task_manager_note_exit(
	struct task_manager *m, const char *ns, const char *id, const struct shim_exit *exit);
