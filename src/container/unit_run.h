/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Unit run: one order to systemd by reeve-helper (unit_wire.h), as a source on the loop.
 *
 * To start a scope systemd must be given a process. It is the helper: it stays in the scope's cgroup until
 * unit_run_leave(), that is until the container's own process is there; and leaves when we die, upon which systemd removes
 * the empty scope.
 *
 * Owner    The run is the caller's, ended with unit_run_free(), also in its handler.
 * Errors   Negative errno with *err, or in `done`.
 * Blocks   Never.
 * Context  Parent, on the loop's thread.
 */
#include "base/err.h"
#include "base/mem.h"
#include "container/helper_run.h"
#include "container/host.h"

struct unit_run;

struct unit_run_handler {
	void *arg;
	/* The unit is there; `done` follows when the helper has left it. */
	void (*started)(void *arg, const char *cgroup, const char *invocation);
	void (*done)(void *arg, const struct err *err);
};

int unit_run_start(const struct host *h, const struct helper_words *order,
	const struct unit_run_handler *handler, struct unit_run **ret, struct err *err);
/* Of the helper. */
pid_t unit_run_pid(const struct unit_run *r);
/* Idempotent. */
void unit_run_leave(struct unit_run *r);
void unit_run_free(struct unit_run *r); /* accepts NULL */
AUTO_FREE(struct unit_run, unit_run)
