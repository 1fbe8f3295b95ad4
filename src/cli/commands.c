/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The list of commands, as `reeve --help` shows it.
 */
#include "cli/commands.h"

const struct cli_command *const commands[] = {
	&state_command,
	&list_command,
	&spec_command,
	&features_command,
	NULL,
};
