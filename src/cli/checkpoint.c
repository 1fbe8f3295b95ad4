/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `reeve checkpoint ID`: write all of a container's processes into images. Unless it is left running it is gone then, as
 * if it had been deleted: engines delete it once more and take "does not exist" for success.
 */
#include "base/mem.h"
#include "cli/commands.h"
#include "cli/criu_options.h"

// clang-format off
static const struct args_option options[] = {
	CRIU_OPTIONS,
	{ "leave-running", 0, ARGS_BOOL, CRIU_AT(leave_running), NULL, "let the container go on" },
	{ "tcp-skip-in-flight", 0, ARGS_BOOL, CRIU_AT(tcp_skip_in_flight), NULL, "drop connections that are being made" },
	{ "pre-dump", 0, ARGS_BOOL, CRIU_AT(pre_dump), NULL, "write memory alone, and let the container go on" },
	{ "page-server", 0, ARGS_STRING, CRIU_AT(page_server), "ADDRESS:PORT", "send memory there" },
	{ "status-fd", 0, ARGS_U32, CRIU_AT(status_fd), "N", "descriptor that hears when criu is ready" },
};
// clang-format on

static int checkpoint(
	struct session *s, struct container *c, const struct container_criu *o, struct err *err)
{
	struct container_handler h;
	int r = container_checkpoint(c, o, session_handler(s, &h), err);

	if (r == 0)
		r = session_wait(s, err);
	if (r == 0 && !o->leave_running && !o->pre_dump)
		session_undo(s, c);
	return r;
}

static int run(struct cli *cli, const void *target, const struct args_list *args, struct err *err)
{
	auto_free char *images = NULL;
	struct container_criu o;
	struct container *c = NULL;
	struct session s = { 0 };
	int r = criu_options_fill(target, &o, &images, err);

	if (r == 0)
		r = session_find(&s, cli, args->items[0], false, &c, err);
	if (r == 0)
		r = checkpoint(&s, c, &o, err);
	container_free(c);
	session_done(&s);
	return r;
}

const struct cli_command checkpoint_command = {
	.name = "checkpoint",
	.usage = "[OPTIONS] ID",
	.summary = "write a running container into images",
	.options = options,
	.n_options = ARRAY_LEN(options),
	.target_size = sizeof(struct criu_options),
	.min_args = 1,
	.max_args = 1,
	.run = run,
};
