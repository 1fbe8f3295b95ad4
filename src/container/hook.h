/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Hooks that run in the runtime's namespaces: prestart, createRuntime, poststart, poststop (spec/oci-runtime.md 3.4).
 *
 * Owner    A struct hook_run belongs to its caller until `done` ran; hooks and state text must live as long.
 * Errors   The first hook that fails ends the list: its path, exit and last output are the text, the code is -EIO whatever it met.
 * Blocks   Never: hooks are watched from the loop; a timeout kills the hook's process group.
 * Context  Parent.
 */
#include "base/err.h"
#include "container/host.h"
#include "oci/spec.h"

struct hook_run;
typedef void hook_done_fn(void *arg, const struct err *err); /* err NULL: all of them succeeded */

struct hook_request {
	const struct spec_hook *hooks;
	size_t n_hooks;
	const char *state; /* JSON for stdin */
	const char *cwd;   /* the bundle */
	const char *kind;  /* as in config.json, for messages; NULL: programs of ours */
	bool best_effort;  /* a failure is logged and the list goes on (poststop) */
};

/* n_hooks may be 0: then done is called at the end of this round. */
int hook_start(const struct host *h, const struct hook_request *req, hook_done_fn *done, void *arg,
	struct hook_run **ret, struct err *err);
/* Kill what runs and forget it; done is not called. Accepts NULL. */
void hook_cancel(struct hook_run *run);
