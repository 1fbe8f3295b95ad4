/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The commands of `reeve`, one file each.
 *
 * Owner    Constant.
 * Context  Parent.
 */
#include "cli/cli.h"

extern const struct cli_command checkpoint_command;
extern const struct cli_command create_command;
extern const struct cli_command delete_command;
extern const struct cli_command doctor_command;
extern const struct cli_command events_command;
extern const struct cli_command exec_command;
extern const struct cli_command features_command;
extern const struct cli_command kill_command;
extern const struct cli_command list_command;
extern const struct cli_command mounts_command;
extern const struct cli_command pause_command;
extern const struct cli_command ps_command;
extern const struct cli_command restore_command;
extern const struct cli_command resume_command;
extern const struct cli_command run_command;
extern const struct cli_command spec_command;
extern const struct cli_command start_command;
extern const struct cli_command state_command;
extern const struct cli_command update_command;

/* All of them, ended by NULL. */
extern const struct cli_command *const commands[];
