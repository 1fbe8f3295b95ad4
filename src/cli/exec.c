/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `reeve exec ID COMMAND...`: a further process in a container. Every failure of our own ends with 255: all other numbers
 * are the process'.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "cli/commands.h"
#include "cli/exec_process.h"
#include "cli/foreground.h"
#include "cli/pid_file.h"

#define AT(member) offsetof(struct exec_options, member)

// clang-format off
static const struct args_option options[] = {
	{ "process", 'p', ARGS_STRING, AT(process), "FILE", "take the process from this document" },
	{ "detach", 'd', ARGS_BOOL, AT(detach), NULL, "leave the process running" },
	{ "tty", 't', ARGS_BOOL, AT(tty), NULL, "give it a terminal" },
	{ "console-socket", 0, ARGS_STRING, AT(console_socket), "PATH", "socket that takes the terminal" },
	{ "pid-file", 0, ARGS_STRING, AT(pid_file), "FILE", "where to write its pid" },
	{ "pidfd-socket", 0, ARGS_STRING, AT(pidfd_socket), "PATH", "socket that takes a pidfd of it" },
	{ "cwd", 0, ARGS_STRING, AT(cwd), "DIR", "working directory in the container" },
	{ "env", 'e', ARGS_LIST, AT(env), "NAME=VALUE", "more environment" },
	{ "user", 'u', ARGS_STRING, AT(user), "UID[:GID]", "user, by number" },
	{ "additional-gids", 'g', ARGS_LIST, AT(additional_gids), "GID", "one more group" },
	{ "cap", 'c', ARGS_LIST, AT(caps), "NAME", "one more capability" },
	{ "no-new-privs", 0, ARGS_BOOL, AT(no_new_privs), NULL, "no privileges by programs it starts" },
	{ "process-label", 0, ARGS_STRING, AT(process_label), "LABEL", "SELinux label" },
	{ "apparmor", 0, ARGS_STRING, AT(apparmor), "PROFILE", "AppArmor profile" },
	{ "preserve-fds", 0, ARGS_U32, AT(preserve_fds), "N", "keep N more descriptors from 3 on" },
	{ "cgroup", 0, ARGS_LIST, AT(cgroups), "[LIST:]PATH", "cgroup below the container's, of these controllers" },
	{ "ignore-paused", 0, ARGS_BOOL, AT(ignore_paused), NULL, "also in a paused container" },
};
// clang-format on

struct exec {
	struct session session;
	struct container *container;
	struct container_process *process;
	struct spec_process_doc *doc;
	struct console console;
	struct pid_file pid_file;
	struct foreground foreground;
	const struct exec_options *options;
	uint32_t preserve_fds;
};

static int make_process(struct exec *e, const struct args_list *args, struct err *err)
{
	const struct exec_options *o = e->options;
	const struct spec *spec;
	int r;

	r = container_need_spec(e->container, err);
	if (r < 0)
		return r;
	spec = container_spec(e->container);
	if (o->process)
		r = exec_process_read(o->process, &e->doc, err);
	else if (args->n < 2)
		r = err_set(err, -EINVAL, "exec args cannot be empty");
	else if (!spec->process)
		r = err_set(err, -EINVAL, "the container's configuration has no process");
	else
		r = exec_process_build(
			spec->process, o, args->items + 1, args->n - 1, &e->doc, err);
	if (r == 0 && container_exec_defaults(e->container, &e->doc->process, &e->doc->arena) < 0)
		r = err_oom(err);
	return r < 0 ? r : spec_validate_process(&e->doc->process, err);
}

/* What can fail before there is a process. */
static int prepare(struct exec *e, const struct args_list *args, struct err *err)
{
	const struct exec_options *o = e->options;
	int r = cli_count_fds(e->session.cli, 0, o->preserve_fds, &e->preserve_fds, err);

	if (r == 0)
		r = make_process(e, args, err);
	if (r == 0)
		r = console_check(e->doc->process.terminal, o->detach, o->console_socket, err);
	if (r == 0)
		r = pid_file_open(o->pid_file, &e->pid_file, err);
	return r < 0 ? r : console_open(&e->console, o->console_socket, err);
}

/* To the barrier. */
static int begin(struct exec *e, struct err *err)
{
	const struct exec_options *o = e->options;
	struct container_exec req = {
		.process = &e->doc->process,
		.stdio = { STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO },
		.preserve_fds = e->preserve_fds,
		.cgroups = o->cgroups.items,
		.n_cgroups = o->cgroups.n,
		.ignore_paused = o->ignore_paused,
	};
	struct container_handler h;
	int r;

	e->session.console = &e->console;
	r = container_exec(e->container, &req, session_handler(&e->session, &h), &e->process, err);
	if (r == 0)
		r = session_wait(&e->session, err);
	return r < 0 ? r : console_result(&e->console, err);
}

/* Through it: until the program runs. */
static int release(struct exec *e, struct err *err)
{
	struct container_handler h;
	int r;

	if (!e->options->detach) {
		r = foreground_begin(&e->foreground, e->session.cli, &e->session, &e->console, err);
		if (r == 0)
			r = console_relay(&e->console, e->session.loop, err);
		if (r < 0)
			return r;
	}
	r = container_exec_release(e->process, session_handler(&e->session, &h), err);
	return r < 0 ? r : session_wait(&e->session, err);
}

static int publish(struct exec *e, struct err *err)
{
	const struct pidref *p = container_exec_process(e->process);
	int r = 0;

	if (!str_empty(e->options->pidfd_socket))
		r = console_send_fd(e->options->pidfd_socket, "pidfd", p->fd, err);
	return r < 0 ? r : pid_file_write(&e->pid_file, p->pid, err);
}

static int run_process(struct exec *e, struct err *err)
{
	int status = 0;
	int r;

	r = begin(e, err);
	if (r == 0)
		r = release(e, err);
	if (r < 0)
		return r;
	r = publish(e, err);
	if (r < 0) {
		(void)pidref_kill(container_exec_process(e->process), SIGKILL);
		return r;
	}
	if (!e->options->detach)
		r = foreground_wait(
			&e->foreground, container_exec_process(e->process), &status, err);
	return r < 0 ? r : status;
}

static void exec_done(struct exec *e, int result)
{
	console_done(&e->console);
	foreground_done(&e->foreground);
	pid_file_done(&e->pid_file);
	if (result >= 0 && session_is_last(&e->session))
		return;
	container_exec_free(e->process);
	container_free(e->container);
	session_done(&e->session);
	spec_process_doc_free(e->doc);
}

static int run(struct cli *cli, const void *target, const struct args_list *args, struct err *err)
{
	struct exec e = {
		.console = CONSOLE_NULL,
		.pid_file = PID_FILE_NULL,
		.foreground = FOREGROUND_NULL,
		.options = target,
	};
	int r;

	r = session_join(&e.session, cli, args->items[0], &e.container, err);
	if (r == 0)
		r = prepare(&e, args, err);
	if (r == 0)
		r = run_process(&e, err);
	exec_done(&e, r);
	return r;
}

const struct cli_command exec_command = {
	.name = "exec",
	.usage = "[OPTIONS] ID COMMAND [ARGUMENT]...",
	.summary = "run a further process in a container",
	.options = options,
	.n_options = ARRAY_LEN(options),
	.target_size = sizeof(struct exec_options),
	.stop_at_positional = true,
	.min_args = 1,
	.max_args = -1,
	.named_failure = true,
	.failure = 255,
	.run = run,
};
