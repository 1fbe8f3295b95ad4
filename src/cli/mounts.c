/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `reeve mounts add ID FILE`, `reeve mounts remove ID FILE`: what is mounted in a container that runs. The command is
 * crun's; the file is a list of mounts as in config.json, or a document that has one.
 */
#include <errno.h>

#include "base/mem.h"
#include "base/str.h"
#include "cli/commands.h"
#include "cli/session.h"

static int read_document(const char *path, struct spec **ret, struct err *err)
{
	auto_free char *json = NULL;
	size_t size;
	int r = cli_read_document(path, "mounts", &json, &size, err);

	if (r < 0)
		return r;
	r = spec_parse_mounts(json, size, ret, err);
	return r < 0 ? err_in(err, "mounts '%s'", path) : 0;
}

static int change(
	struct cli *cli, const char *id, const struct spec *mounts, bool remove, struct err *err)
{
	struct container_handler h;
	struct container *c = NULL;
	struct session s = { 0 };
	int r = session_join(&s, cli, id, &c, err);

	if (r == 0)
		r = container_change_mounts(c, mounts, remove, session_handler(&s, &h), err);
	if (r == 0)
		r = session_wait(&s, err);
	container_free(c);
	session_done(&s);
	return r;
}

static int run(struct cli *cli, const void *target, const struct args_list *args, struct err *err)
{
	auto_freep(spec) struct spec *mounts = NULL;
	const char *word = args->items[0];
	bool remove = str_eq(word, "remove");
	int r;

	if (!remove && !str_eq(word, "add"))
		return err_set(err, -EINVAL, "\"mounts\" takes add or remove, not \"%s\"", word);
	r = read_document(args->items[2], &mounts, err);
	if (r == 0 && !remove)
		r = spec_validate_mounts(mounts, err);
	return r < 0 ? r : change(cli, args->items[1], mounts, remove, err);
}

const struct cli_command mounts_command = {
	.name = "mounts",
	.usage = "add|remove ID FILE",
	.summary = "mount into a container that runs, or unmount there",
	.min_args = 3,
	.max_args = 3,
	.run = run,
};
