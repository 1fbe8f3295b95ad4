/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Settings: what operators decide about reeved: the file /etc/reeve/reeved.toml, and what stands
 * when it says nothing.
 *
 * A key that is not known, a value of another type or outside of its range, and a key that stands
 * twice are errors that name file, line and key: a misspelt setting must not be one that is not
 * made.
 *
 * Owner    Ended with settings_done(), which accepts zero. Strings live in it; one that is put in
 *          from outside (an argument) must outlive it.
 * Errors   -EINVAL with file, line and key; errors of reading the file.
 * Blocks   Reads a local file.
 * Context  Parent.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"

#define SETTINGS_PATH "/etc/reeve/reeved.toml"

struct settings {
	struct arena arena;

	const char *address; /* absolute, as all paths here */
	const char *ttrpc_address;
	const char *root, *state;
	int64_t socket_mode, socket_gid;

	const char *log_level, *log_format;

	const char **embedded; /* runtimes whose tasks live inside of reeved; ends with NULL */
	int64_t tasks_max;     /* 0: any number */
	int64_t load_seconds;

	int64_t gc_delay_ms;
	int64_t events_unsent_bytes; /* to one subscriber, before it is cut off */

	bool recorder; /* of exits, in the kernel */
	const char *recorder_bpffs;

	int64_t watchdog_seconds; /* 0: none */
	int64_t guardian_oom_score, worker_oom_score;
	int64_t worker_memory_max; /* bytes; 0: any */
};

/* What stands when nobody says anything. */
int settings_init(struct settings *s, struct err *err);
void settings_done(struct settings *s);

/* What a text says, over what is there; `path` is for texts of errors. */
int settings_parse(struct settings *s, const char *text, const char *path, struct err *err);
/* The same of a file; missing_ok: there need be none. */
int settings_load(struct settings *s, const char *path, bool missing_ok, struct err *err);
/* What goes together, after arguments too; fills in what follows from others. */
int settings_check(struct settings *s, struct err *err);

/*
 * Append all keys as a file that settings_parse() takes, each with what it means. commented: as the
 * file is delivered, every key behind a '#'.
 */
void settings_write(const struct settings *s, bool commented, struct buf *out);
