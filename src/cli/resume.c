/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `reeve resume ID`: let the processes of a paused container go on.
 */
#include "base/mem.h"
#include "cli/commands.h"
#include "cli/session.h"

static int run(struct cli *cli, const void *target, const struct args_list *args, struct err *err)
{
	struct container *c = NULL;
	struct container_handler h;
	struct session s = { 0 };
	int r;

	r = session_look(&s, cli, args->items[0], false, &c, err);
	if (r == 0 && !(cli->dialect->pause_again && container_status(c) == CONTAINER_RUNNING)) {
		r = container_resume(c, session_handler(&s, &h), err);
		if (r == 0)
			r = session_wait(&s, err);
	}
	container_free(c);
	session_done(&s);
	return r;
}

const struct cli_command resume_command = {
	.name = "resume",
	.usage = "ID",
	.summary = "let a paused container go on",
	.min_args = 1,
	.max_args = 1,
	.run = run,
};
