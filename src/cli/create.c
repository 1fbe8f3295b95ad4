/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `reeve create ID`: a container whose program has not run yet. Nothing is written to our stdout: it is the
 * container's.
 */
#include "base/mem.h"
#include "cli/commands.h"
#include "cli/creation.h"

// clang-format off
static const struct args_option options[] = {
	CREATION_OPTIONS,
};
// clang-format on

static int run(struct cli *cli, const void *target, const struct args_list *args, struct err *err)
{
	struct creation c = { .console = CONSOLE_NULL, .pid_file = PID_FILE_NULL };
	int r;

	r = creation_begin(&c, cli, target, args->items[0], true, true, err);
	if (r == 0) {
		r = creation_publish(&c, err);
		if (r < 0)
			session_undo(&c.session, c.container);
	}
	creation_done(&c, r);
	return r;
}

const struct cli_command create_command = {
	.name = "create",
	.usage = "[OPTIONS] ID",
	.summary = "create a container from a bundle",
	.options = options,
	.n_options = ARRAY_LEN(options),
	.target_size = sizeof(struct creation_options),
	.min_args = 1,
	.max_args = 1,
	.named_failure = true,
	.run = run,
};
