/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Task service: containerd.task.v2.Task and containerd.task.v3.Task, one table for both (spec/shim.md
 * 3.1): messages to plain requests, plain responses to messages. What a call means is not known here.
 *
 * Owner    The caller's struct; nothing to end. It is the server's arg.
 * Errors   Requests that make no sense in themselves are answered here; all others by the supervisor.
 * Blocks   Never, but for a file that the options of Create name.
 * Context  Parent, on the loop's thread.
 */
#include "rpc/ttrpc_server.h"
#include "supervisor/request.h"

struct task_service {
	struct ttrpc_server *server;
	const char *ns; /* of every task here */
	void *arg;      /* of the functions below */
	/* supervisor_request(): the request is borrowed for the call. */
	void (*submit)(void *arg, struct task_addr from, const struct request *req);
	/* Somebody asked for a task that does not exist, and may be about to create it. NULL: do not tell. */
	void (*sought)(void *arg);
};

/* Both services, for the server's config. */
extern const struct rpc_service task_service_table[2];

/* Answer a request that was submitted. */
void task_service_reply(struct task_service *s, struct task_addr to, const struct response *r);
