/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Shim call: one run of a shim's binary for an action, `start`, `delete` or `-info`, as containerd runs it (spec/manager.md
 * 1.5, 1.8): arguments, environment, standard input, and both outputs to their end, bounded in time and size.
 *
 * Owner    The caller owns *ret and ends it with shim_call_free(), also in `done`: its memory goes at the end of the
 *          round. What the request points to is borrowed for shim_call_start().
 * Errors   Negative errno with *err when it could not be started: then `done` is not called.
 * Blocks   Until execve has happened.
 * Context  Parent, on the loop's thread.
 */
#include "base/log.h"
#include "base/str.h"
#include "supervisor/command.h"

struct shim_call;

/* What every call of a manager has in common. */
struct shim_call_env {
	struct command_env command;
	struct log *log;
	const char *grpc_address;
	const char *ttrpc_address;
	const char *publish_binary;
	bool debug;
};

struct shim_call_request {
	const char *action; /* "start", "delete", "-info" */
	const char *binary;
	const char *ns;
	const char *id;
	const char *bundle; /* its working directory; an argument of `delete`, too; NULL: ours */
	const void *input;  /* an encoded Any */
	size_t input_size;
	uint64_t limit_ns;
};

/* `e` NULL: it ended with success. `output` is what it printed: both streams for `start`, the first alone else. */
typedef void shim_call_fn(void *arg, const struct buf *output, const struct err *e);

struct shim_call_stream {
	struct loop_fd source;
	int fd;
	bool open;
	struct buf data;
};

struct shim_call {
	const struct shim_call_env *env;
	void *arg; /* for `done` */
	shim_call_fn *done;
	struct command command;
	struct shim_call_stream out, errors;
	struct loop_timer timer;
	const char *action;
	bool exited;
	bool too_much;
	struct command_result result;
	struct loop_deferred release;
};

int shim_call_start(const struct shim_call_env *env, const struct shim_call_request *req,
	shim_call_fn *done, void *arg, struct shim_call **ret, struct err *err);
/* Kills what runs; accepts NULL. */
void shim_call_free(struct shim_call *c);

/* The argument vector and the environment, in the arena; NULL: no memory. Pure. */
char **shim_call_argv(
	const struct shim_call_env *env, const struct shim_call_request *req, struct arena *arena);
char **shim_call_environ(const struct shim_call_env *env, const struct shim_call_request *req,
	char *const *base, struct arena *arena);
