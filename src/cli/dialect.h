/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Dialect: called through a link named `runc` or `crun`, the program answers as that one does where clients look: the
 * lines of --version, exit statuses, texts, the format of what it prints, the names of cgroups. What a command does is
 * the same in each, and so is where containers are kept: those that the replaced program made are not ours to touch.
 *
 * Owner    Constant.
 * Blocks   Never.
 * Context  Any.
 *
 * Sources: spec/oci-runtime.md 1.1 to 1.4; runc 1.3.6 and crun 1.28 beside it (tests/integration/dialect.bats).
 */
#include <stdbool.h>

struct dialect {
	const char *name;     /* of the program, in its own texts */
	const char *version;  /* the release whose answers these are; NULL: ours */
	const char *build;    /* a further line of --version; NULL: none */
	const char *feature;  /* annotation of `features` with the version; NULL: none */
	const char *prefix;   /* of a failure's line on standard error */
	const char *failed;   /* "COMMAND failed" has this in front */
	const char *subgroup; /* of a container below its systemd unit, on cgroup v2; NULL: none */
	const char *empty_list; /* JSON of no containers; NULL: null */
	const char *list_heads[6];
	const char *const *help_heads; /* NULL: ours; see dialect_help_head() */
	int unknown_command;           /* exit statuses: no such command */
	int usage;                     /* an option that there is none of */
	bool plain_failures; /* a command's own status of a failure does not count: always 1 */
	bool failure_is_record; /* without a log file, a failure is a record on standard error (level=error) */
	bool tells_directory; /* --version has a line with the root */
	bool pause_again;     /* pausing what is paused, and resuming what is not, is no failure */
	bool bare_ps;         /* the table of ps is the pids alone */
	bool fewer_fds;       /* of the last that --preserve-fds counts, some may not be there */
};

/* By the last part of the name that the program was called by. */
const struct dialect *dialect_of(const char *program);
/* Behind "Usage: NAME [OPTION...] " in the first line of a command's help. NULL: it begins as ours. */
const char *dialect_help_head(const struct dialect *d, const char *command);
