/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Console: the socket on which an OCI runtime hands over the master of a terminal (spec/shim.md 5.4).
 *
 * Owner    Embedded in its owner; oci_console_close() ends it, removes the name and accepts zero and closed ones.
 * Errors   Negative errno with *err.
 * Blocks   Never.
 * Context  Parent, on the loop's thread.
 */
#include <stdbool.h>

#include "base/err.h"
#include "event/loop.h"

struct oci_console;
/* master: the receiver's; -EBADF with a reason when there will be none. Called once, from the loop. */
typedef void oci_console_fn(struct oci_console *c, int master, const struct err *err);

struct oci_console {
	struct loop *loop;  /* NULL: closed */
	oci_console_fn *fn; /* NULL: has been called */
	int dirfd;          /* borrowed */
	char name[40];      /* of the socket there */
	int listener;
	int conn;
	struct loop_fd source;
};

/* Listen as `name` in a directory, which stays open as long as the console. */
int oci_console_open(struct oci_console *c, struct loop *l, int dirfd, const char *name,
	oci_console_fn *fn, struct err *err);
void oci_console_close(struct oci_console *c);
