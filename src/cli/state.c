/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `reeve state ID`: the state document of one container.
 */
#include <errno.h>

#include "cli/commands.h"
#include "cli/session.h"
#include "cli/view.h"

static int print(const struct view *v, struct err *err)
{
	auto_done(buf) struct buf out = { 0 };

	if (state_doc_write(&v->doc, &out) < 0)
		return err_oom(err);
	return cli_print(&out, err);
}

static int run(struct cli *cli, const void *target, const struct args_list *args, struct err *err)
{
	char id[STATE_ID_MAX + 1];
	struct session s = { 0 };
	struct view v = { 0 };
	int r;

	r = session_browse(&s, cli, err);
	if (r == -ENOENT)
		r = cli_no_container(args->items[0], err);
	if (r == 0)
		r = cli_resolve(cli, &s.state, args->items[0], false, id, err);
	if (r == 0)
		r = view_open(&s.host, id, &v, err);
	if (r == 0)
		r = print(&v, err);
	view_done(&v);
	session_done(&s);
	return r;
}

const struct cli_command state_command = {
	.name = "state",
	.usage = "ID",
	.summary = "print the state of a container, as JSON",
	.min_args = 1,
	.max_args = 1,
	.run = run,
};
