/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Front: the process that whoever starts reeved sees. It finds the guardian of this state directory or starts one, hands
 * over what it was told, and stays until the daemon has ended: a terminal or a service manager has one process to wait
 * for and to signal, while guardian and tasks may outlive it.
 *
 * SIGTERM and SIGINT end the daemon in order: with tasks the guardian stays with them; a second one hurries. SIGHUP runs the program anew:
 * the daemon is replaced by what is installed now, and its sockets stay.
 *
 * Owner    Nothing is kept.
 * Errors   0: the daemon has ended as it was told. Negative errno with *err; text "" when the daemon has said it itself.
 * Blocks   As long as the daemon lives.
 * Context  The program's only thread.
 */
#include "base/err.h"
#include "main/reeved_control.h"
#include "settings/settings.h"

struct front {
	const struct settings *settings;
	int argc; /* for the workers */
	char **argv;
	char **env;
	int passed[CONTROL_PASSED]; /* sockets that somebody else has opened; -EBADF: none */
};

int front_run(const struct front *f, struct err *err);
