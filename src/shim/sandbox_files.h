/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Sandbox files: what the containers of a sandbox have in common beside namespaces: /etc/hostname, /etc/hosts,
 * /etc/resolv.conf and /dev/shm. They are in the sandbox's bundle, and put into the config.json of each container that
 * does not bring its own: containerd leaves both to who holds the sandbox.
 *
 * Owner    Nothing is kept.
 * Errors   Negative errno with *err.
 * Blocks   Local files.
 * Context  Parent.
 */
#include <sys/types.h>

#include "base/err.h"
#include "shim/sandbox_spec.h"

/* Make them in BUNDLE. On failure sandbox_files_remove() is due. */
int sandbox_files_make(const char *bundle, const struct sandbox_spec *spec, struct err *err);
/* Idempotent; a bundle that has none is fine. */
int sandbox_files_remove(const char *bundle, struct err *err);

struct sandbox_member {
	const char *id;     /* of the sandbox */
	const char *bundle; /* of the sandbox */
	pid_t pid;          /* that the sandbox's namespaces are known by */
	bool shares_pid;    /* containers may share the pid namespace of that pid */
};

/*
 * Make the config.json in the container's `bundle` that of a member. *ret: it is one. 0 and false: it names another
 * sandbox, or none, and is left alone. Done again it changes nothing. -EPERM: it asks for a pid namespace that the
 * sandbox does not have: that of `pid` would be the host's. The member is noted in the sandbox's bundle.
 */
int sandbox_files_join(
	const char *bundle, const struct sandbox_member *m, bool *ret, struct err *err);

/* For the call that cleans up: the bundles of members that are still there, as links by their ids. */
#define SANDBOX_MEMBERS_NAME "members"
