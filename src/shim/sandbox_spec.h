/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Sandbox spec: what the options of a CreateSandbox ask for: Kubernetes' PodSandboxConfig as containerd's CRI sends
 * it.
 *
 * Owner    Strings live in the caller's arena.
 * Errors   -EBADMSG: not that message. -EINVAL: a value that makes no sense. -EOPNOTSUPP with what is not supported.
 * Blocks   Never; pure.
 * Context  Parent.
 */
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/mem.h"
#include "container/sandbox_ns.h"

#include "proto/common.pb-c.h"

/* Whose namespace the containers' is. */
enum sandbox_share {
	SANDBOX_OWN,       /* the sandbox's */
	SANDBOX_CONTAINER, /* each one's own */
	SANDBOX_HOST,
};

struct sandbox_spec {
	enum sandbox_share net, pid, ipc;
	const char *hostname;      /* "": as the host */
	const char *cgroup_parent; /* "": not told */
	const char *resolv_conf;   /* text of that file; NULL: the host's */
	const struct sandbox_sysctl *sysctls;
	size_t n_sysctls;
};

/* options NULL: a sandbox without a config. `netns`: one was given. */
int sandbox_spec_decode(const Pb__Any *options, bool netns, struct arena *arena,
	struct sandbox_spec *ret, struct err *err);
