/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `reeve spec`: write a config.json to start from. An existing file is left alone.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "cli/commands.h"
#include "oci/spec.h"

struct spec_options {
	const char *bundle;
	const char *file;
	bool rootless;
};

#define AT(member) offsetof(struct spec_options, member)

// clang-format off
static const struct args_option options[] = {
	{ "bundle", 'b', ARGS_STRING, AT(bundle), "DIR", "directory to write to (.)" },
	{ "file", 'f', ARGS_STRING, AT(file), "FILE", "name of the file (config.json)" },
	{ "rootless", 0, ARGS_BOOL, AT(rootless), NULL, "for a container of a user who is not root" },
};
// clang-format on

/* The default names a cgroup mount that fits the machine. */
static bool only_cgroup2(void)
{
	struct statfs fs;

	return statfs("/sys/fs/cgroup", &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC;
}

static int write_new(int dirfd, const char *name, const struct buf *text, struct err *err)
{
	auto_close int fd = fd_open_at(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0666);
	int r;

	if (fd == -EEXIST)
		return err_set(err, fd, "file '%s' exists, remove it first", name);
	if (fd < 0)
		return err_code(err, fd, "create '%s'", name);
	r = fd_write_full(fd, text->data, text->len);
	if (r < 0) {
		unlinkat(dirfd, name, 0);
		return err_code(err, r, "write '%s'", name);
	}
	return 0;
}

static int run(struct cli *cli, const void *target, const struct args_list *args, struct err *err)
{
	const struct spec_options *o = target;
	const char *bundle = o->bundle ? o->bundle : ".";
	auto_done(buf) struct buf text = { 0 };
	auto_close int dirfd = fd_open(bundle, O_PATH | O_DIRECTORY, 0);

	if (dirfd < 0)
		return err_code(err, dirfd, "open bundle '%s'", bundle);
	if (spec_default(o->rootless, only_cgroup2(), &text) < 0)
		return err_oom(err);
	return write_new(dirfd, o->file ? o->file : "config.json", &text, err);
}

const struct cli_command spec_command = {
	.name = "spec",
	.usage = "[OPTIONS]",
	.summary = "write a config.json to start from",
	.options = options,
	.n_options = ARRAY_LEN(options),
	.target_size = sizeof(struct spec_options),
	.run = run,
};
