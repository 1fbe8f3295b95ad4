/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Log fifo: the fifo `log` of a bundle, into which a shim writes its log, read into ours (spec/shim.md 1.10).
 *
 * Owner    log_fifo_close() ends one; it accepts zero and closed ones.
 * Errors   Negative errno with *err.
 * Blocks   Never.
 * Context  Parent, on the loop's thread.
 */
#include "base/err.h"
#include "base/log.h"
#include "event/loop.h"

struct log_fifo {
	struct loop_fd source; /* its fd is ours while `open` */
	struct log *log;
	const char *ns, *id; /* the owner's */
	bool open;
};

/* Make it where it is missing, and read from it. */
int log_fifo_open(struct log_fifo *f, struct loop *loop, struct log *log, int bundle,
	const char *ns, const char *id, struct err *err);
void log_fifo_close(struct log_fifo *f);
