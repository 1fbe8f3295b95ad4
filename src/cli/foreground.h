/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Foreground: stay with a process until it ends: pass signals and the terminal's size on, take its exit.
 *
 * Owner    The caller's, ended with foreground_done().
 * Errors   Negative errno with *err.
 * Blocks   foreground_wait() runs the loop.
 * Context  Parent; needs what main() brings in struct cli_process.
 */
#include "cli/console.h"
#include "cli/session.h"

struct foreground {
	struct session *session;
	struct console *console;
	const struct pidref *process;
	struct reaper_watch watch;
	struct loop_fd signals;
	int signal_fd;
	bool ended;
	int wait_status;
};

#define FOREGROUND_NULL ((struct foreground){ .signal_fd = -9 })

/* From here on signals wait until there is a process to pass them on to. `s` and `c` may be made later: until foreground_wait(). */
int foreground_begin(struct foreground *f, const struct cli *cli, struct session *s,
	struct console *c, struct err *err);
/* Until `p`, our child, has ended: its exit status, 128 and the signal's number if one killed it. */
int foreground_wait(struct foreground *f, const struct pidref *p, int *ret_status, struct err *err);
void foreground_done(struct foreground *f);
