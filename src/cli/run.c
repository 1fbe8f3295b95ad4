/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `reeve run ID`: create and start; then stay until the program ends and delete the container, or leave it running.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "cli/commands.h"
#include "cli/creation.h"
#include "cli/foreground.h"

// clang-format off
static const struct args_option options[] = {
	CREATION_OPTIONS,
	{ "detach", 'd', ARGS_BOOL, CREATION_AT(detach), NULL, "leave the container running" },
	{ "keep", 0, ARGS_BOOL, CREATION_AT(keep), NULL, "do not delete the container at the end" },
};
// clang-format on

static int start(struct creation *c, struct err *err)
{
	struct container_handler h;
	int r;

	r = container_notify(c->container, getenv("NOTIFY_SOCKET"), err);
	if (r == 0)
		r = container_start(c->container, session_handler(&c->session, &h), err);
	return r < 0 ? r : session_wait(&c->session, err);
}

/* Nothing more than the start that worked can fail the command: what follows is the program's result. */
static int stay(struct creation *c, struct foreground *f, struct err *err)
{
	int status = 0;
	int r;

	r = console_relay(&c->console, c->session.loop, err);
	if (r == 0)
		r = start(c, err);
	if (r == 0)
		r = creation_publish(c, err);
	if (r == 0)
		r = foreground_wait(f, container_init(c->container), &status, err);
	if (r == 0)
		container_exited(c->container);
	console_done(&c->console);
	if (r < 0 || !c->options->keep)
		session_undo(&c->session, c->container);
	return r < 0 ? r : status;
}

static int run_foreground(struct creation *c, struct err *err)
{
	struct foreground f = FOREGROUND_NULL;
	int r;

	r = foreground_begin(&f, c->session.cli, &c->session, &c->console, err);
	if (r < 0)
		session_undo(&c->session, c->container);
	else
		r = stay(c, &f, err);
	foreground_done(&f);
	return r;
}

static int run_detached(struct creation *c, struct err *err)
{
	int r;

	r = start(c, err);
	if (r == 0)
		r = creation_publish(c, err);
	if (r < 0)
		session_undo(&c->session, c->container);
	return r;
}

static int run(struct cli *cli, const void *target, const struct args_list *args, struct err *err)
{
	struct creation c = { .console = CONSOLE_NULL, .pid_file = PID_FILE_NULL };
	const struct creation_options *o = target;
	int r;

	r = creation_begin(&c, cli, o, args->items[0], o->detach, false, err);
	if (r == 0)
		r = o->detach ? run_detached(&c, err) : run_foreground(&c, err);
	creation_done(&c, r);
	return r;
}

const struct cli_command run_command = {
	.name = "run",
	.usage = "[OPTIONS] ID",
	.summary = "create a container, start it and wait for its end",
	.options = options,
	.n_options = ARRAY_LEN(options),
	.target_size = sizeof(struct creation_options),
	.min_args = 1,
	.max_args = 1,
	.named_failure = true,
	.run = run,
};
