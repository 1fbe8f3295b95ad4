/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Sandbox service: containerd.runtime.sandbox.v1.Sandbox (spec/shim.md 3.3) over one sandbox: the shim of a pod holds
 * that pod's.
 *
 * Owner    The caller's struct, zero but for the first fields; ended by sandbox_service_done().
 * Errors   Every call is answered, but WaitSandbox only when the sandbox has stopped.
 * Blocks   As shim/sandbox.h.
 * Context  Parent, on the loop's thread.
 */
#include "rpc/ttrpc_server.h"
#include "shim/sandbox.h"

struct sandbox_waiter {
	struct rpc_addr from;
	unsigned int kind;
};

struct sandbox_service {
	struct ttrpc_server *server;
	const char *ns;
	struct sandbox_config config; /* but arg and stopped */
	void *arg;
	/* The sandbox is gone: what it kept alive may end. */
	void (*gone)(void *arg);

	struct sandbox *sandbox; /* the service's own from here on */
	struct sandbox_waiter *waiters;
	size_t n_waiters, cap_waiters;
	bool deserted;
};

/* Its handlers expect a struct sandbox_service. */
extern const struct rpc_service sandbox_service_table;

/* There is one, in whatever state. */
static inline bool sandbox_service_has_one(const struct sandbox_service *s)
{
	return s->sandbox;
}

/* Take up what an earlier worker has left; before exits are reported. */
void sandbox_service_reload(struct sandbox_service *s);
/* A sandbox that was deleted from outside is ended and forgotten: to be called when a connection has closed. */
void sandbox_service_look_for_mark(struct sandbox_service *s);
/* The connection is gone: nobody waits there any more. */
void sandbox_service_hangup(struct sandbox_service *s, uint64_t conn);
void sandbox_service_done(struct sandbox_service *s);
