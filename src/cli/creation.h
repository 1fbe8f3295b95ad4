/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Creation: what `create` and `run` do alike: options, bundle, terminal, a container that is created.
 *
 * Owner    The caller's; not to be moved; creation_done() gives everything back but the container itself on the machine.
 * Errors   Negative errno with *err; a failure leaves nothing of the container.
 * Blocks   Until the container is created.
 * Context  Parent.
 */
#include "cli/console.h"
#include "cli/pid_file.h"
#include "cli/session.h"

struct creation_options {
	const char *bundle;
	const char *config;
	const char *console_socket;
	const char *pid_file;
	const char *pidfd_socket;
	uint32_t preserve_fds;
	bool no_pivot;
	bool no_new_keyring;
	bool no_subreaper;                    /* run */
	bool detach;                          /* run */
	bool keep;                            /* run */
	const struct container_criu *restore; /* not an option: NULL is an ordinary creation */
};

#define CREATION_AT(member) offsetof(struct creation_options, member)

// clang-format off
#define CREATION_OPTIONS                                                                                                   \
	{ "bundle", 'b', ARGS_STRING, CREATION_AT(bundle), "DIR", "bundle to take (.)" },                                  \
	{ "config", 'f', ARGS_STRING, CREATION_AT(config), "FILE", "configuration to take (DIR/config.json)" },            \
	{ "console-socket", 0, ARGS_STRING, CREATION_AT(console_socket), "PATH", "socket that takes the terminal" },       \
	{ "pid-file", 0, ARGS_STRING, CREATION_AT(pid_file), "FILE", "where to write the pid of the first process" },      \
	{ "pidfd-socket", 0, ARGS_STRING, CREATION_AT(pidfd_socket), "PATH", "socket that takes a pidfd of it" },          \
	{ "preserve-fds", 0, ARGS_U32, CREATION_AT(preserve_fds), "N", "keep N more descriptors from 3 on" },              \
	{ "no-pivot", 0, ARGS_BOOL, CREATION_AT(no_pivot), NULL, "do not pivot into the root file system" },               \
	{ "no-new-keyring", 0, ARGS_BOOL, CREATION_AT(no_new_keyring), NULL, "keep the session keyring of the caller" },   \
	{ "no-subreaper", 0, ARGS_BOOL, CREATION_AT(no_subreaper), NULL, "leave orphans to others" }
// clang-format on

struct creation {
	struct session session;
	struct console console;
	struct pid_file pid_file;
	const struct creation_options *options;
	struct container *container;
};

/* detached: the caller does not stay. by_socket: another process will start it. */
int creation_begin(struct creation *c, struct cli *cli, const struct creation_options *o,
	const char *id, bool detached, bool by_socket, struct err *err);
/* Tell the outside: pidfd, then the pid file. */
int creation_publish(struct creation *c, struct err *err);
/* result: the command's, negative when it failed. */
void creation_done(struct creation *c, int result);
