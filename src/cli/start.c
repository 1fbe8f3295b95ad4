/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `reeve start ID`: let the program of a created container run.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "cli/commands.h"
#include "cli/session.h"

static int run(struct cli *cli, const void *target, const struct args_list *args, struct err *err)
{
	struct container_handler h;
	struct container *c = NULL;
	struct session s = { 0 };
	int r;

	r = session_find(&s, cli, args->items[0], false, &c, err);
	if (r == 0) {
		r = container_notify(c, getenv("NOTIFY_SOCKET"), err);
		if (r == 0)
			r = container_start(c, session_handler(&s, &h), err);
		if (r == 0)
			r = session_wait(&s, err);
		if (r == 0 && session_is_last(&s))
			return 0;
		container_free(c);
	}
	session_done(&s);
	return r;
}

const struct cli_command start_command = {
	.name = "start",
	.usage = "ID",
	.summary = "start the program of a created container",
	.min_args = 1,
	.max_args = 1,
	.run = run,
};
