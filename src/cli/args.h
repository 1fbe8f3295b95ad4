/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Arguments: one table of options per command, read as all callers write them.
 *
 *	--name value, --name=value      every option that takes a value; --name=true|false for the others
 *	-name, -name=value              the same with one dash (go-runc does), when it is no cluster
 *	-n value, -n=value, -nvalue     the letter of an option
 *	-abc                            a cluster of letters, the last may take a value
 *	--                              ends options
 *
 * Of repeated scalars the last wins, lists grow (a comma does not separate). -h and --help belong to every table, and
 * crun's words for them, -? and --usage.
 *
 * Owner    Values point into argv. Lists own their array, ended by args_list_done(); args_done() ends all of a target.
 * Errors   -EINVAL with texts that clients probe for ("flag needs an argument: --x").
 * Blocks   Never.
 * Context  Parent (allocates).
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

struct args_list {
	const char **items;
	size_t n, cap;
};

enum args_type {
	ARGS_BOOL,   /* bool */
	ARGS_STRING, /* const char *; NULL when absent */
	ARGS_LIST,   /* struct args_list */
	ARGS_U32,    /* uint32_t, decimal */
};

struct args_option {
	const char *name; /* without dashes */
	char letter;      /* 0: none */
	enum args_type type;
	size_t offset;     /* of its value in the target */
	const char *value; /* word for the help: "DIR"; not for ARGS_BOOL */
	const char *help;  /* NULL: not shown */
};

struct args_table {
	const struct args_option *options;
	size_t n;
	bool stop_at_positional; /* what follows the first positional is not ours: exec, kill, ps */
};

struct args_rest {
	bool help;                    /* -h or --help: nothing else was read */
	bool usage;                   /* the failure is one of the options themselves */
	struct args_list positionals; /* with stop_at_positional: all from the first one on */
};

/* Read argv[0..argc). `target` holds the defaults before. On failure the caller ends both all the same. */
int args_parse(const struct args_table *table, int argc, const char *const *argv, void *target,
	struct args_rest *ret_rest, struct err *err);

/* Append the options of a table for people, two columns. */
void args_help(const struct args_table *table, struct buf *out);

void args_done(const struct args_table *table, void *target);
void args_list_done(struct args_list *l);
int args_list_add(struct args_list *l, const char *item);
