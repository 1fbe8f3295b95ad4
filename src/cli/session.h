/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Session: what a command needs to work on containers: state directory, loop, host; and how it waits for an operation.
 *
 * Owner    The caller's; not to be moved, for its parts point at each other. session_done() accepts a zeroed one.
 * Errors   Negative errno with *err.
 * Blocks   session_wait() runs the loop until the operation has ended.
 * Context  Parent.
 */
#include "base/fd.h"
#include "cli/cli.h"
#include "container/container.h"
#include "event/loop.h"

struct console;

struct session {
	struct cli *cli;
	struct state_dir state;
	struct loop *loop;
	struct host host;
	struct fd_spent spent;
	struct console *console; /* takes the master; NULL: closed */
	bool hosted;             /* host_open() succeeded */
	bool ended;              /* the operation */
	struct err result;
};

/* With a host that can run processes. create: make the state directory. */
int session_open(struct session *s, struct cli *cli, bool create, struct err *err);
/* The same around a container that must exist. */
int session_find(struct session *s, struct cli *cli, const char *id, bool destructive,
	struct container **ret, struct err *err);
/* The same for one more process in it. */
int session_join(struct session *s, struct cli *cli, const char *id, struct container **ret,
	struct err *err);
/* The same without a host: for what only looks at it or signals it. */
int session_look(struct session *s, struct cli *cli, const char *id, bool destructive,
	struct container **ret, struct err *err);
/* For many: a state directory that exists (else -ENOENT) and a loop. */
int session_browse(struct session *s, struct cli *cli, struct err *err);
/* Nothing comes after this session: a command that succeeded need not give back what the end of the process does. */
bool session_is_last(const struct session *s);
void session_done(struct session *s);

/* For the operation that is started next. */
const struct container_handler *session_handler(struct session *s, struct container_handler *h);
/* Until it has ended: its result. */
int session_wait(struct session *s, struct err *err);

/* Delete by force what a failed command has made; failures are logged. */
void session_undo(struct session *s, struct container *c);
