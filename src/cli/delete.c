/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `reeve delete ID`: remove what is left of a container; by force also one that runs, and one whose record is damaged.
 */
#include <errno.h>

#include "base/mem.h"
#include "cli/commands.h"
#include "cli/matching.h"
#include "cli/session.h"
#include "container/salvage.h"

struct delete_options {
	bool force;
	bool regex;
};

#define AT(member) offsetof(struct delete_options, member)

// clang-format off
static const struct args_option options[] = {
	{ "force", 'f', ARGS_BOOL, AT(force), NULL, "kill what runs; an unknown container is no failure" },
	{ "regex", 'r', ARGS_BOOL, AT(regex), NULL, "ID is a regular expression: all containers that it fits" },
};
// clang-format on

static int delete (struct session *s, struct container *c, bool force, struct err *err)
{
	struct container_handler h;
	int r = container_delete(c, force, session_handler(s, &h), err);

	if (r == 0)
		r = session_wait(s, err);
	container_free(c);
	return r;
}

/* What there is to delete, when it cannot be opened as a container. */
static int delete_unopened(struct session *s, const char *id, int r, struct err *err)
{
	if (r == -ENOENT)
		return 0;
	if (r == -EBADMSG && s->hosted)
		return container_salvage(&s->host, id, err);
	return r;
}

static int delete_one(struct cli *cli, const char *id, void *arg, struct err *err)
{
	const struct delete_options *o = arg;
	struct container *c = NULL;
	struct session s = { 0 };
	int r;

	r = session_find(&s, cli, id, true, &c, err);
	if (r == 0)
		r = delete (&s, c, o->force, err);
	else if (o->force)
		r = delete_unopened(&s, id, r, err);
	/* What a create left that was killed before its container had a name. */
	if (o->force && s.state.path)
		state_sweep(&s.state);
	session_done(&s);
	return r;
}

static int run(struct cli *cli, const void *target, const struct args_list *args, struct err *err)
{
	struct delete_options o = *(const struct delete_options *)target;

	if (o.regex)
		return matching_each(cli, args->items[0], delete_one, &o, err);
	return delete_one(cli, args->items[0], &o, err);
}

const struct cli_command delete_command = {
	.name = "delete",
	.usage = "[OPTIONS] ID",
	.summary = "delete a container",
	.options = options,
	.n_options = ARRAY_LEN(options),
	.target_size = sizeof(struct delete_options),
	.min_args = 1,
	.max_args = 1,
	.run = run,
};
