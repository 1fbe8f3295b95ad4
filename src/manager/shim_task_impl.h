/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Shim task, inside: what shim_task_*.c share.
 *
 * Owner    The task owns everything in its struct.
 * Errors   As shim_task.h.
 * Blocks   As shim_task.h.
 * Context  Parent, on the loop's thread.
 */
#include "manager/endpoint.h"
#include "manager/log_fifo.h"
#include "manager/shim_task.h"
#include "rpc/ttrpc_client.h"

// clang-format off
/* State, name, whether clients see the task, whether a connection is open. */
#define SHIM_STATES(X) \
	X(LAUNCH,   "launch",   false, false) /* `start` runs */ \
	X(CREATE,   "create",   false, true)  /* Create is sent */ \
	X(LOAD,     "load",     false, true)  /* Connect or Pids is sent, or there is no connection yet */ \
	X(SILENT,   "silent",   true,  true)  /* the same, but others do not wait for it any more */ \
	X(LIVE,     "live",     true,  true)  \
	X(DELETE,   "delete",   true,  true)  /* Delete is sent for a client */ \
	X(UNDO,     "undo",     false, true)  /* Delete is sent for us: the create failed, or the shim has no task */ \
	X(SHUTDOWN, "shutdown", false, true)  \
	X(CLEAN,    "clean",    false, false) /* `delete` runs, or waits for its turn */ \
	X(RETRY,    "retry",    false, false) /* it failed, or the bundle could not be removed */ \
	X(GONE,     "gone",     false, false)
// clang-format on

enum shim_state {
#define X(state, name, visible, connected) SHIM_##state,
	SHIM_STATES(X)
#undef X
		SHIM_STATES_
};

/* Why it ends, which decides who is told what. */
enum shim_why {
	SHIM_STAYS,
	SHIM_FAILED,  /* its create did: only who asked for it hears of it */
	SHIM_DELETED, /* a client did: its shim has told everything */
	SHIM_DIED,    /* its shim did: seen until it is cleaned up; we tell what it did not */
	SHIM_LEAKED, /* begun by a manager that is dead: a create that nobody has heard of, or a delete */
};

/* A step of ours, or a client's call. */
enum shim_call_kind { SHIM_STEP, SHIM_CLIENT, SHIM_CLIENT_WAIT };

struct shim_pending {
	uint64_t number;
	enum shim_call_kind kind;
	uint64_t tag;
};

typedef void shim_step_fn(struct shim_task *t, const struct ttrpc_answer *a);

struct shim_task {
	struct shim_place place;
	struct shim_host *host;
	char *ns, *id;
	char *binary;  /* NULL: not known */
	char *runtime; /* NULL: not known */
	char *cgroup;  /* NULL: none that we may remove */
	enum shim_state state;
	enum shim_why why;
	struct endpoint endpoint;
	struct ttrpc_client *client;
	struct log_fifo log;
	struct shim_pending *pending;
	size_t n_pending, cap_pending;
	uint64_t last_number;
	shim_step_fn *step;     /* who gets the answer of the step under way; NULL: none is */
	struct shim_call *call; /* while a program runs */
	struct loop_timer timer;
	struct loop_deferred release;
	struct loop_deferred closing; /* the connection, which cannot be closed in an answer */
	struct shim_task *queued;     /* the next that waits to be cleaned up */
	bool waits;                   /* is in that queue */

	bool has_create;
	uint64_t create_tag;
	struct buf create; /* CreateRequest, until it is answered */
	uint64_t deadline_ns;
	uint64_t *deleters; /* tags; the first is who it is done for */
	size_t n_deleters, cap_deleters;
	uint64_t *waiters; /* tags of Waits that the shim did not live to answer */
	size_t n_waiters, cap_waiters;

	struct shim_exit exit;
	bool exit_told, delete_told;
	enum status_code failed; /* of the create or delete; RPC_OK: did not */
	char *failed_text;
	unsigned int tries;
	bool loading;  /* settled() has not been called */
	bool intended; /* the bundle has an intent; else it is a bundle of containerd's */
	enum intent_stage stage;
	uint64_t silent_ns; /* deadline of one that is silent */
};

/* shim_task_object.c */
int shim_task_new(struct shim_host *host, const char *ns, const char *id, struct shim_task **ret,
	struct err *err);
void shim_task_free(struct shim_task *t);
void shim_move(struct shim_task *t, enum shim_state to);
void shim_settle(struct shim_task *t);
void shim_answer(struct shim_task *t, uint64_t tag, enum status_code code, const char *text,
	const void *payload, size_t size);
void shim_fail(struct shim_task *t, enum status_code code, const char *text);
void shim_forget_failure(struct shim_task *t);
int shim_connect(struct shim_task *t, struct err *err);
/* At once; what clients wait for is answered. Not in an answer of the connection. */
void shim_disconnect(struct shim_task *t);
/* A call of ours, whose answer goes to `step`. limit_ns: from now; 0: none. */
void shim_step(struct shim_task *t, const char *method, const ProtobufCMessage *m,
	uint64_t limit_ns, shim_step_fn *step);
void shim_step_bytes(struct shim_task *t, const char *method, const struct buf *m,
	uint64_t deadline_ns, shim_step_fn *step);
/* The service is not there in version 3: take version 2, for good. False: that is no remedy. */
bool shim_lower_version(struct shim_task *t, const struct ttrpc_answer *a);
/* A failure is logged alone where `err` is NULL. */
int shim_save_stage(struct shim_task *t, enum intent_stage stage, struct err *err);
/* The bundle; heap. */
char *shim_bundle(const struct shim_task *t);

/* shim_task_end.c: the ways to the end. */
void shim_undo(struct shim_task *t, enum shim_why why);
void shim_clean(struct shim_task *t, enum shim_why why);
void shim_lost(struct shim_task *t);
