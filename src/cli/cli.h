/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Command line: the frame around one command per call.
 *
 * A command is a row: name, table of options, how many positionals, a function. The frame reads the global options, opens
 * the log, reads the command's options, runs it and turns its result into an exit status and a message, which goes to
 * stderr in any case and to the log file if there is one.
 *
 * Owner    struct cli is the frame's and lives as long as the command runs.
 * Errors   A command returns its exit status or a negative errno with *err filled; it prints no errors itself.
 * Blocks   As the command.
 * Context  Parent.
 *
 * Sources: spec/oci-runtime.md 1.1 to 1.4.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/log.h"
#include "base/str.h"
#include "cli/args.h"
#include "cli/dialect.h"
#include "container/state.h"

enum {
	CLI_FAILURE = 1,
};

/* The global options, as given. */
struct cli_global {
	const char *root; /* NULL: the default */
	const char *log;
	const char *log_format;
	const char *log_level;
	const char *rootless;       /* "auto", "true", "false" */
	const char *cgroup_manager; /* "cgroupfs", "systemd", "disabled" */
	const char *criu;           /* ignored, as runc does */
	bool debug;
	bool systemd_cgroup;
	bool version;
	bool id_prefix; /* the unique beginning of an id will do */
};

/*
 * What only a whole program may do to itself; main() brings it, and a command that stays with its container uses it.
 */
struct cli_process {
	/* From now on signals wait to be read: a signalfd for all that may be passed on, and SIGCHLD and SIGWINCH. */
	int (*catch_signals)(void);
	/* Processes of the container that lose their parent become our children. */
	int (*become_subreaper)(void);
	/* Wait for those of them that have ended, but not for `except`, whose end somebody watches. */
	void (*reap_orphans)(pid_t except);
	/* It ends with the command: what the kernel takes back then need not be given back before. */
	bool ends;
};

struct cli {
	const struct dialect *dialect;
	const struct cli_process *process;
	struct cli_global global;
	struct log log; /* to the file, or to stderr */
};

struct cli_command {
	const char *name;
	const char *usage; /* behind the name: "[OPTIONS] ID" */
	const char *summary;
	const struct args_option *options;
	size_t n_options;
	size_t target_size; /* of the struct that the options are read into; zeroed before */
	bool stop_at_positional;
	int min_args, max_args; /* max_args -1: any number */
	bool named_failure;     /* errors begin with "NAME failed: " */
	int failure;            /* exit status of a failure; 0: CLI_FAILURE */
	int (*run)(struct cli *cli, const void *options, const struct args_list *args,
		struct err *err);
};

/* Run one command line; returns the exit status. `commands` ends with NULL. */
int cli_main(const struct cli_command *const *commands, const struct cli_process *process, int argc,
	const char *const *argv);

/* What commands share. */

/* Write all of it to stdout. */
int cli_print(const struct buf *out, struct err *err);
/* Open the state directory that the global options name. */
int cli_open_state(const struct cli *cli, bool create, struct state_dir *ret, struct err *err);
/* The id that is meant by what was given. destructive: a beginning must have four characters. */
int cli_resolve(const struct cli *cli, struct state_dir *d, const char *id, bool destructive,
	char ret_id[STATE_ID_MAX + 1], struct err *err);
/* -ENOENT, or -EINVAL for what is no id: a root that does not exist has no containers. */
int cli_no_container(const char *id, struct err *err);
/* The document at `path`, or with "-" on standard input: "read WHAT 'PATH'" fails. The caller frees. */
int cli_read_document(
	const char *path, const char *what, char **ret, size_t *ret_size, struct err *err);
/*
 * How many descriptors from 3 on are to be kept: `given` that a service manager has passed, and behind them `more`, which the
 * caller counts and some dialects lower to those that are there. All must have been passed to us.
 */
int cli_count_fds(
	const struct cli *cli, uint32_t given, uint32_t more, uint32_t *ret_n, struct err *err);
