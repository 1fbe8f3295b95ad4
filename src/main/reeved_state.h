/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * State directory of reeved: made where it is missing, also by a worker whose front has made it and that finds it gone,
 * and watched, so that a daemon whose state directory somebody removes makes it again.
 *
 * The socket by which a start finds the daemon is in the root directory, which nobody loses by a reboot or by clearing /run;
 * in the state directory is a link to it.
 *
 * Owner    The caller's struct, zero at first, ended with reeved_state_done(). *ret_fd is the caller's.
 * Errors   0 or negative errno with *err.
 * Blocks   Local file systems.
 * Context  Parent; the watch on the loop's thread.
 */
#include <stdbool.h>

#include "base/err.h"
#include "event/loop.h"
#include "settings/settings.h"

struct reeved_state {
	const char *path;
	int dir; /* borrowed: as it was when it was opened */
	int inotify;
	struct loop_fd source;
	struct loop_timer look;
	struct loop *loop;
	void (*lost)(void *arg);
	void *arg;
};

/* *ret_made: it was not there, or not as the daemon had it. */
int reeved_state_open(const struct settings *s, int *ret_fd, bool *ret_made, struct err *err);
/* lost(): the path leads to it no more, or what the daemon has made in it is gone. */
int reeved_state_watch(struct reeved_state *w, struct loop *l, const char *path, int dir,
	void (*lost)(void *arg), void *arg, struct err *err);
void reeved_state_done(struct reeved_state *w);
