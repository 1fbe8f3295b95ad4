/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Native: the back end that is the OCI runtime in this process (src/container). One state directory
 * per namespace and per root that a client asks for; what is known of the host is found out once.
 *
 * Owner    native_new() gives the `arg` of all its operations; ended with native_free() after every
 *          container is freed.
 * Errors   As backend.h.
 * Blocks   As backend.h.
 * Context  Parent, on the loop's thread.
 */
#include "base/err.h"
#include "base/log.h"
#include "container/reaper.h"
#include "event/loop.h"
#include "supervisor/backend.h"

struct native;

struct native_config {
	struct loop *loop;
	struct log *log;
	struct reaper reaper; /* of the exit source: who reaps hooks and the like */
	pid_t parent_pid;     /* the guardian that is to be parent of containers; 0: we are */
	/* STATE_ROOT/NAMESPACE/ID is a container's; NULL: the default. */
	const char *state_root;
};

#define NATIVE_STATE_ROOT "/run/containerd/reeve"

extern const struct backend native_backend;

int native_new(const struct native_config *config, struct native **ret, struct err *err);
/* What it found out about the machine, for who starts children beside it. */
const struct host *native_host(const struct native *n);
/* Give back what only makes the next of several requests faster. */
void native_quiet(struct native *n);
void native_free(struct native *n);
