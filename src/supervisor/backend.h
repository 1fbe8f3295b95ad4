/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Back end: how containers are made and driven, as a table of operations: native (the runtime in
 * this process), an OCI runtime's binary, another shim, a simulated one in tests. No rule of a
 * task's life is in one: it is told what to do.
 *
 * Every operation with a call ends in exactly one done(), unless it returned an error at once;
 * done() may come before the operation returns. It comes within bounds whatever the container does.
 *
 * Owner    Containers and processes are the back end's objects, the caller's by pointer until
 *          free() and exec_free(), which leave the container itself alone. A call is the caller's
 *          and valid until its done(). Strings, specs and fds of a request are borrowed for the
 *          operation's start.
 * Errors   Negative errno with *err, or in the outcome, without a prefix: "exec: \"x\": executable
 *          file not found in $PATH". A failed create or exec has left nothing behind and no process
 *          alive.
 * Blocks   Never longer than a system call does.
 * Context  Parent, on the loop's thread.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/pidref.h"
#include "supervisor/request.h"

struct backend_call;
struct backend_container;
struct backend_process;

struct backend_outcome {
	const struct err *err;        /* NULL: success */
	const struct pidref *process; /* of create and of a restoring start: borrowed */
	bool shared_pidns; /* of create: what the init leaves behind must be killed (4.13) */
};

struct backend_call {
	/* The master of its terminal; taken over. create, restoring start, exec; before done(). */
	void (*console)(struct backend_call *call, int master);
	/* An exec waits at its barrier: it runs after exec_release(), and done() comes after
	 * that. */
	void (*made)(struct backend_call *call, const struct pidref *process);
	void (*done)(struct backend_call *call, const struct backend_outcome *outcome);
};

/* News of a container that nobody asked for; from the loop, until free(). */
struct backend_notice {
	void (*oom)(struct backend_notice *n); /* oom_kills() has grown */
};

struct backend_create {
	struct backend_notice *notice; /* the caller's */
	const char *ns;
	const char *id;
	const struct request_create *request;
	const int *stdio; /* three fds that become 0-2; -EBADF: /dev/null; unused with a terminal */
};

struct backend_exec {
	const char *exec_id;
	const struct request_exec *request;
	const int *stdio;
};

struct backend_adopt {
	struct backend_notice *notice; /* the caller's */
	const char *ns;
	const char *id;
	const struct request_create *request; /* that it was made from */
	const struct pidref *init; /* its identity, without a pidfd; pid 0: none is on record */
	int barrier; /* what barrier() told of its init, which waits for start(); -EBADF: it has run on */
};

struct backend {
	const char *name;

	/* To `created`: its process waits. From a checkpoint: nothing runs until start(). */
	int (*create)(void *arg, const struct backend_create *req, struct backend_call *call,
		struct backend_container **ret, struct err *err);
	int (*start)(struct backend_container *c, struct backend_call *call, struct err *err);
	/* ret: valid from here on, also before made(). */
	int (*exec)(struct backend_container *c, const struct backend_exec *req,
		struct backend_call *call, struct backend_process **ret, struct err *err);
	int (*exec_release)(struct backend_process *p, struct err *err);

	/*
	 * The fd behind which the init (p NULL) or exec waits for its release: while a copy of it is open the process
	 * goes on waiting, whatever becomes of us. Borrowed; -EBADF: it waits for nothing.
	 */
	int (*barrier)(struct backend_container *c, struct backend_process *p);
	/*
	 * A container that an earlier worker has made, or had begun to make. A start() that was ordered already may be
	 * repeated. -ENOENT: nothing of it is left.
	 */
	int (*adopt)(void *arg, const struct backend_adopt *req, struct backend_container **ret,
		struct err *err);
	/* The init that adopt() has found; borrowed. NULL: none. Optional. */
	const struct pidref *(*init)(struct backend_container *c);
	/* An exec of it, between made() and exec_release(), which may be repeated. */
	int (*adopt_exec)(struct backend_container *c, const struct pidref *process, int barrier,
		struct backend_call *call, struct backend_process **ret, struct err *err);

	/* The create (p NULL) or exec that is under way is no longer wanted: let it fail soon. */
	void (*cancel)(struct backend_container *c, struct backend_process *p);

	/* -ESRCH: finished already; -ENOENT: no such container. */
	int (*kill)(struct backend_container *c, int sig, bool all, struct backend_call *call,
		struct err *err);
	int (*pause)(struct backend_container *c, struct backend_call *call, struct err *err);
	int (*resume)(struct backend_container *c, struct backend_call *call, struct err *err);
	int (*update)(struct backend_container *c, const char *resources, size_t size,
		struct backend_call *call, struct err *err);
	/* -EOPNOTSUPP: not by this back end. */
	int (*checkpoint)(struct backend_container *c, const struct request_checkpoint *req,
		struct backend_call *call, struct err *err);
	/* Free all of a stopped container; what is gone already is success. */
	int (*delete_)(struct backend_container *c, struct backend_call *call, struct err *err);

	/* The init is gone: SIGKILL to what is left; best effort, no waiting. */
	void (*kill_all)(struct backend_container *c);
	/* Undo a freeze; best effort. */
	void (*thaw)(struct backend_container *c);

	/* Host pids, heap array; empty when it has stopped. */
	int (*pids)(struct backend_container *c, pid_t **ret, size_t *ret_n, struct err *err);
	/* Valid until the next call. -ENOENT: no cgroup. */
	int (*stats)(struct backend_container *c, const struct stats **ret, struct err *err);
	/* OOM kills in the container so far; 0 when that cannot be told. */
	uint64_t (*oom_kills)(struct backend_container *c);

	/* Where the container's state is, for who cleans up after us; NULL: nowhere. */
	const char *(*state_root)(struct backend_container *c);
	/* May be NULL. The runtime's binary to be asked for that; NULL: the state is our own. */
	const char *(*program)(struct backend_container *c);

	void (*exec_free)(struct backend_process *p); /* accepts NULL */
	void (*free)(struct backend_container *c);    /* accepts NULL */
};
