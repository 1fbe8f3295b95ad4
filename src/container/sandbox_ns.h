/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Namespaces of a sandbox: made and set up without a container, for containers to join. What is not its own is the
 * host's.
 *
 * Owner    The caller's fds; sandbox_ns_done() closes them and accepts zero and done ones.
 * Errors   Negative errno with *err; nothing is left then.
 * Blocks   For the tens of microseconds in which a child without memory of its own does the work.
 * Context  Parent, single thread.
 */
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/pidref.h"

struct sandbox_sysctl {
	const char *key; /* "net.ipv4.ip_forward" */
	const char *value;
	bool if_there; /* a kernel without it will do */
};

struct sandbox_ns_request {
	int net; /* of a network namespace; -EBADF: the host's */
	bool own_ipc;
	bool own_uts;
	const char *hostname; /* NULL or "": as the host; only with own_uts */
	/* Each must belong to a namespace that is the sandbox's own. */
	const struct sandbox_sysctl *sysctls;
	size_t n_sysctls;
};

struct sandbox_ns {
	int net, ipc, uts; /* -EBADF: the host's */
};

#define SANDBOX_NS_NULL ((struct sandbox_ns){ -9, -9, -9 })

int sandbox_ns_make(const struct sandbox_ns_request *req, struct sandbox_ns *ret, struct err *err);
void sandbox_ns_done(struct sandbox_ns *ns);

/*
 * Start reeve-sandbox in these namespaces, with own_pid as the first process of a new pid namespace. with_parent: as a
 * child of our parent (CLONE_PARENT). It runs until it is killed.
 */
int sandbox_ns_hold(const struct sandbox_ns *ns, bool own_pid, bool with_parent, struct pidref *ret,
	struct err *err);
