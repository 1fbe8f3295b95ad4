/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `reeve kill ID [SIGNAL]`: signal the first process of a container, or all of them; of one container or of many.
 */
#include <signal.h>

#include "base/mem.h"
#include "cli/commands.h"
#include "cli/matching.h"
#include "cli/session.h"
#include "oci/signal_name.h"

struct kill_options {
	bool all;
	bool regex;
};

#define AT(member) offsetof(struct kill_options, member)

// clang-format off
static const struct args_option options[] = {
	{ "all", 'a', ARGS_BOOL, AT(all), NULL, "signal every process of the container" },
	{ "regex", 'r', ARGS_BOOL, AT(regex), NULL, "ID is a regular expression: all containers that it fits" },
};
// clang-format on

struct order {
	int sig;
	bool all;
};

static int kill_one(struct cli *cli, const char *id, void *arg, struct err *err)
{
	const struct order *o = arg;
	struct container *c = NULL;
	struct session s = { 0 };
	int r = session_look(&s, cli, id, true, &c, err);

	if (r == 0) {
		r = container_kill(c, o->sig, o->all, err);
		container_free(c);
	}
	session_done(&s);
	return r;
}

static int run(struct cli *cli, const void *target, const struct args_list *args, struct err *err)
{
	const struct kill_options *o = target;
	struct order order = { SIGTERM, o->all };
	int r = 0;

	if (args->n > 1)
		r = signal_name_parse(args->items[1], &order.sig, err);
	if (r < 0)
		return r;
	if (o->regex)
		return matching_each(cli, args->items[0], kill_one, &order, err);
	return kill_one(cli, args->items[0], &order, err);
}

const struct cli_command kill_command = {
	.name = "kill",
	.usage = "[OPTIONS] ID [SIGNAL]",
	.summary = "send a signal (TERM) to a container",
	.options = options,
	.n_options = ARRAY_LEN(options),
	.target_size = sizeof(struct kill_options),
	.stop_at_positional = true,
	.min_args = 1,
	.max_args = 2,
	.run = run,
};
