/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Seccomp agent: who answers for the system calls of SCMP_ACT_NOTIFY. It listens at linux.seccomp.listenerPath and gets
 * the filter's listener with the container process state of the runtime-spec.
 *
 * Owner    Borrows everything; no fd stays open.
 * Errors   Negative errno; texts start with linux.seccomp.listenerPath.
 * Blocks   Never: an agent that is not there or has no room for us is an error.
 * Context  Parent.
 */
#include "base/err.h"
#include "base/pidref.h"
#include "oci/spec.h"

struct seccomp_agent_message {
	const struct spec *spec;      /* of the container: where the agent is, and its metadata */
	const char *state;            /* JSON of the container's state */
	const struct pidref *process; /* whose filter it is */
	int listener;                 /* the number of its fd in that process */
};

/* Take the listener out of the process and hand it to the agent. */
int seccomp_agent_send(const struct seccomp_agent_message *m, struct err *err);
