/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `reeve state ID`: the state document of one container.
 */
#include "cli/commands.h"
#include "cli/view.h"

static int run(struct cli *cli, const void *target, const struct args_list *args, struct err *err)
{
	auto_done(state_dir) struct state_dir dir = STATE_DIR_NULL;
	auto_done(view) struct view view = { .state = STATE_NULL };
	auto_done(buf) struct buf out = { 0 };
	char id[STATE_ID_MAX + 1];
	int r;

	r = cli_find(cli, args->items[0], false, &dir, id, err);
	if (r < 0)
		return r;
	r = view_open(&dir, id, &view, err);
	if (r < 0)
		return r;
	if (state_doc_write(&view.doc, &out) < 0)
		return err_oom(err);
	return cli_print(&out, err);
}

const struct cli_command state_command = {
	.name = "state",
	.usage = "ID",
	.summary = "print the state of a container, as JSON",
	.min_args = 1,
	.max_args = 1,
	.run = run,
};
