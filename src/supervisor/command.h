/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Command: one run of a host program, bounded in time and in what is kept of its output. It has a process group of its
 * own, is killed with it when its time is over, and dies with us.
 *
 * Owner    struct command is embedded in its owner and stays valid until `done` ran or command_drop() returned, and
 *          then to the end of the loop's round. What the request points to is borrowed for command_start().
 * Errors   Negative errno with *err when it could not be started: then `done` is not called.
 * Blocks   Until execve has happened.
 * Context  Parent, on the loop's thread.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "container/reaper.h"
#include "event/loop.h"

#define COMMAND_OUTPUT_KEPT 320

struct command;

struct command_result {
	int wait_status;
	bool timed_out; /* or it ended for that */
	bool cancelled;
	const char *output; /* the last that it printed, in one line; "" where nothing was kept */
};

typedef void command_fn(struct command *c, const struct command_result *r);

/* Where programs are started that are not to share our limits: called with true before, with false after. */
struct command_outside {
	void (*fn)(void *arg, bool outside); /* NULL: where we are */
	void *arg;
};

struct command_env {
	struct loop *loop;
	struct reaper reaper;
	struct command_outside outside;
};

struct command_request {
	const char *program; /* absolute */
	char *const *argv;
	char *const *envp; /* NULL: ours */
	const char *cwd;
	const int *stdio;  /* become 0-2, -EBADF: /dev/null; NULL: `input`, and output is kept */
	const char *input; /* NULL: nothing to read */
	size_t input_size;
	uint64_t limit_ns;
};

struct command {
	const struct command_env *env; /* NULL: does not run */
	command_fn *done;
	struct reaper_watch watch;
	struct loop_timer timer;
	struct loop_fd source;
	int output; /* reading end */
	bool timed_out;
	bool cancelled;
	char kept[COMMAND_OUTPUT_KEPT];
	size_t n_kept;
};

int command_start(struct command *c, const struct command_env *env,
	const struct command_request *req, command_fn *done, struct err *err);
/* Kill it; `done` comes all the same. Nothing when it does not run. */
void command_cancel(struct command *c);
/* Kill it and forget it; accepts a zero one. */
void command_drop(struct command *c);

/* How it ended, when that was no success: "exit status 1: what it said". 0 for success. */
int command_failed(const struct command_result *r, const char *name, struct err *err);
