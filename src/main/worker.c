/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The order of the parts is that in which they need each other; worker_done() ends them the other way round, with one
 * round of the loop in between for what was put off to its end.
 */
#include "main/worker.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "bare/guardian.h"
#include "base/clock.h"
#include "base/fd.h"
#include "exit/pidfd_info.h"

/* After the guardian's death the dead must first be reaped by their new parent. */
#define SWEEP_MAX_NS (500 * NS_PER_MS)
#define SWEEP_AGAIN_NS (5 * NS_PER_MS)

bool worker_has_guardian(void)
{
	int type = 0;
	socklen_t size = sizeof(type);

	return getsockopt(GUARDIAN_FD, SOL_SOCKET, SO_TYPE, &type, &size) == 0 &&
	       type == SOCK_SEQPACKET;
}

static void on_refused(void *arg, const char *name, int code)
{
	struct worker *w = arg;

	log_write(w->log, LOG_WARN_, "'%s' will not outlive a restart: %s", name, strerror(-code));
}

int worker_begin(struct worker *w, struct err *err)
{
	int r = loop_new(&w->loop);

	if (r < 0)
		return err_code(err, r, "make the loop");
	fd_set_cloexec(GUARDIAN_FD, true);
	r = guardian_link_open(w->loop, GUARDIAN_FD, &w->link, err);
	if (r < 0)
		return r;
	guardian_link_on_refused(w->link, on_refused, w);
	w->fds.link = w->link;
	return 0;
}

/* Containers of the runtime in process, and of those that clients name. */
static int make_backends(struct worker *w, struct err *err)
{
	const struct oci_config config = {
		.loop = w->loop,
		.log = w->log,
		.reaper = worker_reaper(w),
		.exits = w->exits,
		.orphans_to = guardian_link_pid(w->link),
		.search = getenv("PATH"),
	};
	int r;

	w->backends = (struct backend_choice){
		.native = &native_backend,
		.native_arg = w->native,
		.oci = &oci_backend,
		.search = config.search,
	};
	r = oci_new(&config, &w->oci, err);
	w->backends.oci_arg = w->oci;
	return r;
}

int worker_make_runtime(struct worker *w, const char *state_root, struct err *err)
{
	struct native_config config = {
		.loop = w->loop,
		.log = w->log,
		.parent_pid = guardian_link_pid(w->link),
		.state_root = state_root,
	};
	int r;

	r = exit_source_new(w->loop, &w->exits);
	if (r == 0)
		r = own_children_new(w->loop, w->exits, &w->children);
	if (r < 0)
		return err_code(err, r, "watch for exits");
	r = exit_ring_new(w->loop, w->exits, w->link, &w->ring, err);
	if (r < 0)
		return r;
	w->reaper.exits = w->exits;
	config.reaper = worker_reaper(w);
	r = native_new(&config, &w->native, err);
	return r < 0 ? r : make_backends(w, err);
}

struct reaper worker_reaper(struct worker *w)
{
	return exit_reaper_table(&w->reaper);
}

void worker_log_restart(const struct worker *w)
{
	uint32_t n = guardian_link_restarts(w->link);
	int status = guardian_link_last_status(w->link);
	bool killed = WIFSIGNALED(status);

	if (n > 0)
		log_write(w->log, LOG_WARN_, "restart %u: the worker before %s %d", n,
			killed ? "was killed by signal" : "ended with status",
			killed ? WTERMSIG(status) : WEXITSTATUS(status));
}

static void on_sweep(struct loop_timer *t)
{
	struct worker *w = container_of(t, struct worker, sweep);

	if (exit_pidfd_sweep(w->exits) == 0 || clock_boot_ns() >= w->sweep_until_ns ||
		loop_timer_set(w->loop, t, clock_boot_ns() + SWEEP_AGAIN_NS, on_sweep) < 0)
		loop_stop(w->loop, EXIT_FAILURE);
}

void worker_sweep(struct worker *w)
{
	w->sweep_until_ns = clock_boot_ns() + SWEEP_MAX_NS;
	on_sweep(&w->sweep);
}

void worker_done(struct worker *w)
{
	fdtable_done(&w->fds);
	oci_free(w->oci);
	native_free(w->native);
	/* Releases what was put off to the end of a round. */
	if (w->loop)
		(void)loop_round(w->loop, 0);
	loop_timer_cancel(&w->sweep);
	exit_reaper_done(&w->reaper);
	exit_ring_free(w->ring);
	own_children_free(w->children);
	exit_source_free(w->exits);
	guardian_link_free(w->link);
	loop_free(w->loop);
}

void worker_keep_no_memory(void)
{
#ifdef __GLIBC__
	mallopt(M_MMAP_THRESHOLD, 64 << 10);
	mallopt(M_TRIM_THRESHOLD, 128 << 10);
#endif
}
