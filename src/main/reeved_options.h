/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What reeved is told: arguments, and the file that they name. Arguments beat the file, the file
 * beats what stands without.
 *
 * Owner    Ended with reeved_options_done(), which accepts zero. Arguments must outlive it.
 * Errors   -EINVAL with the argument, or with file, line and key; errors of reading the file.
 * Blocks   Reads a local file.
 * Context  Parent.
 */
#include "base/err.h"
#include "settings/settings.h"

enum reeved_action {
	REEVED_SERVE,
	REEVED_HELP,
	REEVED_VERSION,
	REEVED_CONFIG_DEFAULT, /* print the file as it is delivered */
	REEVED_CONFIG_DUMP,    /* print what holds */
};

struct reeved_options {
	enum reeved_action action;
	struct settings settings;
};

int reeved_options_parse(int argc, char **argv, struct reeved_options *ret, struct err *err);
void reeved_options_done(struct reeved_options *o);

extern const char reeved_help[];
