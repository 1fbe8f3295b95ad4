/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Worker: what a process that holds tasks behind a guardian is made of, whether it is a shim or reeved: the link, where exits
 * come from, the back ends, the table of descriptors.
 *
 * Owner    The caller's struct, zero at first but for `log`; ended with worker_done(), which accepts half-built ones.
 * Errors   0 or negative errno with *err.
 * Blocks   As guardian_link.h at the beginning.
 * Context  Parent. SIGCHLD is blocked.
 */
#include "base/log.h"
#include "exit/guardian_link.h"
#include "exit/own_children.h"
#include "exit/ring.h"
#include "supervisor/backend_choice.h"
#include "supervisor/exit_reaper.h"
#include "supervisor/fdtable.h"
#include "supervisor/native.h"
#include "supervisor/oci.h"

struct worker {
	struct log *log;
	struct loop *loop;
	struct guardian_link *link;
	struct exit_source *exits;
	struct exit_ring *ring;
	struct own_children *children; /* hooks, loggers and other helpers */
	struct exit_reaper reaper;
	struct native *native;
	struct oci *oci;
	struct backend_choice backends; /* the arg of backend_choice */
	struct fdtable fds;
	struct loop_timer sweep; /* for exits, after the guardian's death */
	uint64_t sweep_until_ns;
};

/* Whether this process was started by a guardian. */
bool worker_has_guardian(void);

/* The loop and the link. */
int worker_begin(struct worker *w, struct err *err);
/* All that containers are made with. state_root as in native.h. */
int worker_make_runtime(struct worker *w, const char *state_root, struct err *err);
struct reaper worker_reaper(struct worker *w);
/* How the worker before this one ended, if there was one. */
void worker_log_restart(const struct worker *w);
/*
 * The guardian is gone: containers have another parent now and are no longer ours to run. Exits that pidfds tell are waited
 * for, within bounds, then the loop is stopped with a failure.
 */
void worker_sweep(struct worker *w);
/* After everything that uses it. */
void worker_done(struct worker *w);

/* What a large request took goes back to the system: glibc would keep up to twice of it for the next one. */
void worker_keep_no_memory(void);
