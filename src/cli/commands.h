/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The commands of `reeve`, one file each.
 *
 * Owner    Constant.
 * Context  Parent.
 */
#include "cli/cli.h"

extern const struct cli_command features_command;
extern const struct cli_command list_command;
extern const struct cli_command spec_command;
extern const struct cli_command state_command;

/* All of them, ended by NULL. */
extern const struct cli_command *const commands[];
