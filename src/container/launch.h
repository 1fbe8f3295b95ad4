/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Launch: one plan on its way, from the executor's start to the program. Speaks the protocol of bare/plan.h, answers
 * its barriers, and turns what comes back into calls of the handler from the loop.
 *
 * Phases   set-up -> ready (all but the program is done; the caller makes its record) -> launch_release() -> running
 *          (the sync socket ended: execve happened, or init waits for `start`). A failure may come in every phase.
 * Owner    The launch is the caller's, ended with launch_free() (also inside a handler). It owns plan and socket.
 * Errors   failed() gets one text that names the step and the object.
 * Blocks   Never.
 * Context  Parent.
 *
 * A launcher that goes away before the release ends the process: end of file at its barrier.
 */
#include "base/pidref.h"
#include "container/hook.h"
#include "container/host.h"
#include "container/net_device.h"
#include "container/plan_builder.h"
#include "oci/spec.h"

struct launch;

struct launch_handler {
	void *arg;
	void (*started)(void *arg, const struct pidref *process); /* optional: the process exists */
	void (*console)(void *arg, int master);                   /* takes the fd */
	/* optional: hand the seccomp filter's listener, this fd of `process`, to its agent; a failure ends the launch */
	int (*listener)(void *arg, const struct pidref *process, int fd, struct err *err);
	void (*ready)(void *arg);
	void (*running)(void *arg);
	void (*failed)(void *arg, const struct err *err);
};

struct launch_request {
	struct plan *plan; /* moved into the launch */
	int stdio[3];      /* -EBADF: /dev/null */
	const int *keep;   /* further fds that slots of the plan name */
	size_t n_keep;
	int cgroup_dir; /* that the plan's first process is born in, where it is open already (taken over); else <= 0 */
	bool stage_in_cgroup; /* the executor begins there already, and what it clones is there with it; else -EAGAIN */
	unsigned preserve_fds;
	/* id maps, written at PLAN_GO_MAPS */
	const struct spec_id_mapping *uid_maps, *gid_maps;
	size_t n_uid_maps, n_gid_maps;
	const struct net_device *net_devices; /* moved at PLAN_GO_NET_DEVICES */
	size_t n_net_devices;
	const struct spec_rlimit
		*rlimits; /* set by us on the waiting process, as late as possible */
	size_t n_rlimits;
	/* at PLAN_GO_HOOKS: makes the request for prestart and createRuntime (state text needs the pid) */
	int (*hooks)(void *arg, const struct pidref *process, struct hook_request ret[2],
		size_t *ret_n, struct err *err);
};

/* *ret is written before the handler is called: started(), or its failure, may come from within this call. */
int launch_start(const struct host *h, struct launch_request *req,
	const struct launch_handler *handler, struct launch **ret, struct err *err);
/*
 * Go on with a process that waits in LISTEN: `sync` (taken over) is a connection to its start.sock. Tells it to start;
 * running() or failed() follows; failed() with -ECONNRESET when another one was faster or the process is gone.
 */
int launch_attach(const struct host *h, int sync, const struct launch_handler *handler,
	struct launch **ret, struct err *err);
/*
 * Go on with a process that an earlier launcher made and left at its last barrier, or had released already: `sync` (taken
 * over) is the earlier one's socket, whose end then says that the program runs. Phase: ready.
 */
int launch_adopt(const struct host *h, int sync, const struct pidref *process,
	const struct launch_handler *handler, struct launch **ret, struct err *err);
/* The socket, the launch's; -EBADF when it has ended. A process waits at its barrier while a copy of it is open: make one. */
int launch_sync(struct launch *l);
const struct pidref *launch_process(const struct launch *l);
/* Hand the identity over. The launch goes on using it: its new owner ends it after launch_free(), and not in that round. */
struct pidref launch_give_process(struct launch *l);
/* Whom the events of the next phase reach. */
void launch_set_handler(struct launch *l, const struct launch_handler *handler);
/* Ready -> the program (or `start`'s socket). */
int launch_release(struct launch *l, struct err *err);
/* Ends what is not released: the process sees the end of file. Reaps the process when the reaper is our own. */
void launch_free(struct launch *l);
