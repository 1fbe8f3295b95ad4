/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The list of commands, as `reeve --help` shows it.
 */
#include "cli/commands.h"

const struct cli_command *const commands[] = {
	&create_command,
	&start_command,
	&run_command,
	&exec_command,
	&state_command,
	&kill_command,
	&delete_command,
	&list_command,
	&ps_command,
	&events_command,
	&pause_command,
	&resume_command,
	&update_command,
	&mounts_command,
	&checkpoint_command,
	&restore_command,
	&spec_command,
	&features_command,
	&doctor_command,
	NULL,
};
