/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `reeve restore ID`: a container from the images of a checkpoint; then stay until its program ends and delete it, or
 * leave it running.
 */
#include "base/mem.h"
#include "cli/commands.h"
#include "cli/criu_options.h"
#include "cli/foreground.h"

// clang-format off
static const struct args_option options[] = {
	CREATION_OPTIONS,
	{ "detach", 'd', ARGS_BOOL, CREATION_AT(detach), NULL, "leave the container running" },
	CRIU_OPTIONS,
	{ "lsm-profile", 0, ARGS_STRING, CRIU_AT(lsm_profile), "TYPE:NAME", "security profile to restore into" },
	{ "lsm-mount-context", 0, ARGS_STRING, CRIU_AT(lsm_mount_context), "CONTEXT", "SELinux context of mounts" },
};
// clang-format on

static int stay(struct creation *c, struct foreground *f, struct err *err)
{
	int status = 0;
	int r = console_relay(&c->console, c->session.loop, err);

	if (r == 0)
		r = creation_publish(c, err);
	if (r == 0)
		r = foreground_wait(f, container_init(c->container), &status, err);
	if (r == 0)
		container_exited(c->container);
	console_done(&c->console);
	session_undo(&c->session, c->container);
	return r < 0 ? r : status;
}

static int leave(struct creation *c, struct err *err)
{
	int r = creation_publish(c, err);

	if (r < 0)
		session_undo(&c->session, c->container);
	return r;
}

static int run(struct cli *cli, const void *target, const struct args_list *args, struct err *err)
{
	struct creation c = { .console = CONSOLE_NULL, .pid_file = PID_FILE_NULL };
	struct creation_options creation = ((const struct criu_options *)target)->creation;
	struct foreground f = FOREGROUND_NULL;
	auto_free char *images = NULL;
	struct container_criu o;
	int r = criu_options_fill(target, &o, &images, err);

	if (r < 0)
		return r;
	creation.restore = &o;
	if (!creation.detach && !creation.no_subreaper)
		r = cli->process->become_subreaper();
	if (r < 0)
		return err_code(err, r, "become a subreaper");
	/* The program runs as soon as criu has made it, before we know: what is sent to us by then is for it. */
	if (!creation.detach)
		r = foreground_begin(&f, cli, &c.session, &c.console, err);
	if (r == 0)
		r = creation_begin(&c, cli, &creation, args->items[0], creation.detach, false, err);
	if (r == 0)
		r = creation.detach ? leave(&c, err) : stay(&c, &f, err);
	foreground_done(&f);
	creation_done(&c, r);
	return r;
}

const struct cli_command restore_command = {
	.name = "restore",
	.usage = "[OPTIONS] ID",
	.summary = "make a container from the images of a checkpoint",
	.options = options,
	.n_options = ARRAY_LEN(options),
	.target_size = sizeof(struct criu_options),
	.min_args = 1,
	.max_args = 1,
	.named_failure = true,
	.run = run,
};
