/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Logger: the program behind a `binary://` stdout (spec/shim.md 5.5). The container writes straight
 * into its pipes; we start it, wait until it says that it is ready, and end it at Delete.
 *
 * Owner    The caller owns the logger until logger_stop(), which ends it in the background; a
 *          logger ends itself then. logger_end_all() forgets those that are still there when the
 *          supervisor ends.
 * Errors   Negative errno with *err filled.
 * Blocks   Never: `ready` comes from the loop, at the latest after 30 seconds.
 * Context  Parent, on the loop's thread.
 */
#include "base/err.h"
#include "event/loop.h"
#include "exit/exit.h"

struct logger;

/* The loggers of one supervisor. */
struct logger_list {
	struct loop *loop;
	struct exit_source *exits;
	struct logger *first;
};

struct logger_request {
	const char *uri; /* binary:///path?key=value, binary-v2:///... */
	const char *ns;
	const char *id; /* of the process: the exec id for an exec */
	void (*ready)(void *arg, const struct err *err); /* NULL: it is ready */
	void *arg;
};

/* ret_out and ret_err: write ends for the process's stdout and stderr, the caller's. */
int logger_start(struct logger_list *list, const struct logger_request *req, struct logger **ret,
	int *ret_out, int *ret_err, struct err *err);

/*
 * `ready` is not called any more. Close the write ends first: the logger gets their end of file, two
 * seconds later SIGTERM, after ten more SIGKILL. Accepts NULL.
 */
void logger_stop(struct logger *g);

void logger_end_all(struct logger_list *list);
