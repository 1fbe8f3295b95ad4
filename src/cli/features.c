/* SPDX-License-Identifier: Apache-2.0 */
/* `reeve features`: what engines may ask this build for, on this machine. */
#include "base/mem.h"
#include "cli/commands.h"
#include "container/machine_features.h"

static int run(struct cli *cli, const void *target, const struct args_list *args, struct err *err)
{
	auto_done(buf) struct buf out = { 0 };

	if (machine_features_write(cli->dialect->feature, cli->dialect->version, &out) < 0)
		return err_oom(err);
	return cli_print(&out, err);
}

const struct cli_command features_command = {
	.name = "features",
	.usage = "",
	.summary = "print what this runtime can do, as JSON",
	.run = run,
};
