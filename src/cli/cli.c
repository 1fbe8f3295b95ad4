/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The frame of the command line.
 *
 * What surprises: a log file holds only errors unless more is asked for, because podman decodes the whole file as one
 * JSON object, while containerd takes the last record of level error. And the message goes to stderr as well, because
 * conmon hands that to podman. Without a log, records go to stderr in the log's format; the failure is a line of text
 * there, unless JSON was asked for.
 */
#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "config.h"

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/log_target.h"
#include "oci/spec.h"

#define FDS_MAX 1024
#define DOCUMENT_MAX (4u << 20)
#define AT(member) offsetof(struct cli_global, member)

// clang-format off
static const struct args_option global_options[] = {
	{ "root", 0, ARGS_STRING, AT(root), "DIR", "where the state of containers is kept" },
	{ "log", 0, ARGS_STRING, AT(log), "FILE", "append errors to this file too" },
	{ "log-format", 0, ARGS_STRING, AT(log_format), "FORMAT", "of the log file: text or json" },
	{ "log-level", 0, ARGS_STRING, AT(log_level), "LEVEL", "error, warning, info or debug" },
	{ "debug", 0, ARGS_BOOL, AT(debug), NULL, "as --log-level debug" },
	{ "systemd-cgroup", 0, ARGS_BOOL, AT(systemd_cgroup), NULL, "as --cgroup-manager systemd" },
	{ "cgroup-manager", 0, ARGS_STRING, AT(cgroup_manager), "NAME", "cgroupfs, systemd or disabled" },
	{ "rootless", 0, ARGS_STRING, AT(rootless), "WHEN", "go without what needs root: auto, true or false" },
	{ "id-prefix", 0, ARGS_BOOL, AT(id_prefix), NULL, "take the beginning of an id that only one has" },
	{ "version", 'v', ARGS_BOOL, AT(version), NULL, "print the version" },
	{ "version", 'V', ARGS_BOOL, AT(version), NULL, NULL },
	{ "criu", 0, ARGS_STRING, AT(criu), "FILE", NULL },
};
// clang-format on

static const struct args_table global_table = { global_options, ARRAY_LEN(global_options), true };

int cli_print(const struct buf *out, struct err *err)
{
	int r = buf_ok(out);

	if (r < 0)
		return err_oom(err);
	r = fd_write_full(STDOUT_FILENO, out->data, out->len);
	return r < 0 ? err_code(err, r, "write to standard output") : 0;
}

int cli_open_state(const struct cli *cli, bool create, struct state_dir *ret, struct err *err)
{
	return state_dir_open(cli->global.root, create, ret, err);
}

int cli_resolve(const struct cli *cli, struct state_dir *d, const char *id, bool destructive,
	char ret_id[STATE_ID_MAX + 1], struct err *err)
{
	int r;

	if (cli->global.id_prefix)
		return state_resolve_id(d, id, destructive ? 4 : 1, ret_id, err);
	/* Whoever opens it sees whether it is there. */
	r = state_id_check(id, err);
	if (r == 0)
		memcpy(ret_id, id, strlen(id) + 1);
	return r;
}

int cli_no_container(const char *id, struct err *err)
{
	int r = state_id_check(id, err);

	return r < 0 ? r : err_set(err, -ENOENT, "container does not exist: '%s'", id);
}

int cli_read_document(
	const char *path, const char *what, char **ret, size_t *ret_size, struct err *err)
{
	int r;

	if (str_eq(path, "-"))
		r = fd_read_file(STDIN_FILENO, DOCUMENT_MAX, ret, ret_size);
	else
		r = fd_read_file_at(AT_FDCWD, path, DOCUMENT_MAX, ret, ret_size);
	return r < 0 ? err_code(err, r, "read %s '%s'", what, path) : 0;
}

/* An fd of ours may have taken the number of one that was not passed; ours are all close-on-exec. */
static bool was_passed(uint32_t fd)
{
	int flags = fcntl((int)fd, F_GETFD);

	return flags >= 0 && !(flags & FD_CLOEXEC);
}

int cli_count_fds(
	const struct cli *cli, uint32_t given, uint32_t more, uint32_t *ret_n, struct err *err)
{
	uint32_t n;

	if (__builtin_add_overflow(given, more, &n) || n > FDS_MAX)
		return err_set(err, -EINVAL, "cannot keep so many descriptors");
	while (cli->dialect->fewer_fds && n > given && !was_passed(n - 1 + 3))
		n--;
	for (uint32_t i = 0; i < n; i++)
		if (!was_passed(i + 3))
			return err_set(err, -EBADF, "preserved-fd %u (descriptor %u) is not open",
				i, i + 3);
	*ret_n = n;
	return 0;
}

/* One line for people; what cannot be written is lost. */
static void complain(const struct dialect *d, const char *msg)
{
	auto_done(buf) struct buf line = { 0 };

	buf_adds(&line, d->prefix);
	log_add_plain(&line, msg);
	buf_addc(&line, '\n');
	if (buf_ok(&line) == 0)
		(void)fd_write_full(STDERR_FILENO, line.data, line.len);
}

/* To the log, and to those who read what we print. */
static void tell(struct cli *cli, const struct err *err)
{
	bool as_record = cli->log.fd == STDERR_FILENO &&
			 (cli->dialect->failure_is_record || cli->log.format == LOG_JSON);

	if (!as_record)
		complain(cli->dialect, err->text);
	if (as_record || cli->log.fd != STDERR_FILENO)
		log_write(&cli->log, LOG_ERROR_, "%s", err->text);
}

static int fail(struct cli *cli, const struct cli_command *command, struct err *err)
{
	const struct dialect *d = cli->dialect;

	if (command && command->named_failure)
		err_in(err, "%s%s failed", command->failure ? "" : d->failed, command->name);
	tell(cli, err);
	if (d->plain_failures || !command || !command->failure)
		return CLI_FAILURE;
	return command->failure;
}

/* ---- help and version ---- */

static int add_directory(const struct cli *cli, struct buf *out, struct err *err)
{
	auto_free char *root = NULL;

	if (!cli->global.root && state_default_root(&root, err) < 0)
		return err->code;
	buf_addf(out, "rundir: %s\n", root ? root : cli->global.root);
	return 0;
}

/* In a dialect the commit says who it is. */
static int print_version(const struct cli *cli, struct err *err)
{
	const struct dialect *d = cli->dialect;
	auto_done(buf) struct buf out = { 0 };
	int r = 0;

	buf_addf(&out, "%s version %s\n", d->name, d->version ? d->version : REEVE_VERSION);
	if (d->version)
		buf_adds(&out, "commit: reeve-" REEVE_VERSION "-" REEVE_COMMIT "\n");
	else if (*REEVE_COMMIT)
		buf_adds(&out, "commit: " REEVE_COMMIT "\n");
	if (d->tells_directory)
		r = add_directory(cli, &out, err);
	buf_adds(&out, "spec: " SPEC_VERSION "\n");
	if (d->build)
		buf_addf(&out, "%s\n", d->build);
	return r < 0 ? r : cli_print(&out, err);
}

static int print_help(
	const struct cli *cli, const struct cli_command *const *commands, struct err *err)
{
	auto_done(buf) struct buf out = { 0 };

	buf_addf(&out,
		"NAME:\n   %s - Open Container Initiative runtime\n\n"
		"usage: %s [OPTIONS] COMMAND [ARGUMENTS]\n\ncommands:\n",
		cli->dialect->name, cli->dialect->name);
	for (; *commands; commands++)
		buf_addf(&out, "  %-12s%s\n", (*commands)->name, (*commands)->summary);
	buf_adds(&out, "\noptions:\n");
	args_help(&global_table, &out);
	buf_addf(&out, "\n`%s COMMAND --help` says more of a command.\n", cli->dialect->name);
	return cli_print(&out, err);
}

static struct args_table table_of(const struct cli_command *c)
{
	return (struct args_table){ c->options, c->n_options, c->stop_at_positional };
}

static int print_command_help(const struct cli *cli, const struct cli_command *c, struct err *err)
{
	const char *head = dialect_help_head(cli->dialect, c->name), *name = cli->dialect->name;
	auto_done(buf) struct buf out = { 0 };
	struct args_table table = table_of(c);

	if (head)
		buf_addf(&out, "Usage: %s [OPTION...] %s\n%s\n\n", name, head, c->summary);
	else
		buf_addf(&out, "NAME:\n   %s %s - %s\n\nusage: %s %s%s%s\n\n", name, c->name,
			c->summary, name, c->name, *c->usage ? " " : "", c->usage);
	buf_adds(&out, "options:\n");
	args_help(&table, &out);
	return cli_print(&out, err);
}

/* ---- set-up ---- */

static int choose_level(const struct cli_global *g, enum log_level *ret, struct err *err)
{
	*ret = LOG_ERROR_;
	if (g->log_level && log_level_parse(g->log_level, ret) < 0)
		return err_set(err, -EINVAL, "unknown log level \"%s\"", g->log_level);
	if (g->debug)
		*ret = LOG_DEBUG_;
	return 0;
}

static int choose_format(const struct cli_global *g, enum log_format *ret, struct err *err)
{
	if (!g->log_format || str_eq(g->log_format, "text"))
		*ret = LOG_LOGRUS;
	else if (str_eq(g->log_format, "json"))
		*ret = LOG_JSON;
	else
		return err_set(err, -EINVAL, "invalid log-format: %s", g->log_format);
	return 0;
}

static int open_log(struct cli *cli, struct err *err)
{
	int r;

	r = choose_level(&cli->global, &cli->log.level, err);
	if (r == 0)
		r = choose_format(&cli->global, &cli->log.format, err);
	return r < 0 || str_empty(cli->global.log) ? r
						   : cli_log_open(cli->global.log, &cli->log, err);
}

static int check_globals(const struct cli_global *g, struct err *err)
{
	static const char *const managers[] = { "cgroupfs", "systemd", "disabled" };
	static const char *const when[] = { "auto", "true", "false" };
	bool known = !g->cgroup_manager;

	for (size_t i = 0; i < ARRAY_LEN(managers); i++)
		known = known || str_eq(g->cgroup_manager, managers[i]);
	if (!known)
		return err_set(err, -EINVAL, "unknown cgroup manager \"%s\"", g->cgroup_manager);
	known = !g->rootless;
	for (size_t i = 0; i < ARRAY_LEN(when); i++)
		known = known || str_eq(g->rootless, when[i]);
	if (!known)
		return err_set(err, -EINVAL, "--rootless must be auto, true or false, not \"%s\"",
			g->rootless);
	return 0;
}

/* ---- running ---- */

static int check_count(const struct cli_command *c, size_t n, struct err *err)
{
	if (c->max_args == c->min_args && n != (size_t)c->min_args)
		return err_set(err, -EINVAL, "\"%s\" requires exactly %d argument(s)", c->name,
			c->min_args);
	if (n < (size_t)c->min_args)
		return err_set(err, -EINVAL, "\"%s\" requires a minimum of %d argument(s)", c->name,
			c->min_args);
	if (c->max_args >= 0 && n > (size_t)c->max_args)
		return err_set(err, -EINVAL, "\"%s\" requires a maximum of %d argument(s)", c->name,
			c->max_args);
	return 0;
}

static int run_with(struct cli *cli, const struct cli_command *c, void *target, int argc,
	const char *const *argv, struct err *err)
{
	struct args_table table = table_of(c);
	struct args_rest rest;
	int r;

	r = args_parse(&table, argc, argv, target, &rest, err);
	if (r == 0 && rest.help)
		r = print_command_help(cli, c, err);
	else if (r == 0)
		r = check_count(c, rest.positionals.n, err);
	if (r < 0) {
		tell(cli, err);
		r = rest.usage ? cli->dialect->usage : CLI_FAILURE;
	} else if (!rest.help) {
		log_write(&cli->log, LOG_DEBUG_, "%s %s", cli->dialect->name, c->name);
		r = c->run(cli, target, &rest.positionals, err);
		if (r < 0)
			r = fail(cli, c, err);
	}
	args_list_done(&rest.positionals);
	args_done(&table, target);
	return r;
}

static int run_command(struct cli *cli, const struct cli_command *c, int argc,
	const char *const *argv, struct err *err)
{
	auto_free void *target = mem_calloc(1, c->target_size);

	if (!target) {
		err_oom(err);
		return fail(cli, c, err);
	}
	return run_with(cli, c, target, argc, argv, err);
}

static const struct cli_command *find(const struct cli_command *const *commands, const char *name)
{
	for (; *commands; commands++)
		if (strcmp((*commands)->name, name) == 0)
			return *commands;
	return NULL;
}

static int run_named(struct cli *cli, const struct cli_command *const *commands,
	const struct args_list *words, struct err *err)
{
	const char *name = words->items[0];
	const struct cli_command *c;

	bool help = strcmp(name, "help") == 0 || strcmp(name, "h") == 0;

	if (help && words->n == 1)
		return print_help(cli, commands, err) < 0 ? fail(cli, NULL, err) : 0;
	if (help) {
		c = find(commands, words->items[1]);
		if (c)
			return print_command_help(cli, c, err) < 0 ? fail(cli, NULL, err) : 0;
		name = words->items[1];
	} else {
		c = find(commands, name);
		if (c)
			return run_command(cli, c, (int)words->n - 1, words->items + 1, err);
	}
	err_set(err, -EINVAL,
		"unknown command '%s': No help topic for '%s', `%s --help` lists them", name, name,
		cli->dialect->name);
	fail(cli, NULL, err);
	return cli->dialect->unknown_command;
}

int cli_main(const struct cli_command *const *commands, const struct cli_process *process, int argc,
	const char *const *argv)
{
	struct cli cli = {
		.dialect = dialect_of(argc > 0 ? argv[0] : NULL),
		.process = process,
		.log = { .fd = STDERR_FILENO, .format = LOG_LOGRUS, .level = LOG_ERROR_ },
	};
	struct err err = { 0 };
	struct args_rest rest;
	int r, skip = argc > 0;

	r = args_parse(&global_table, argc - skip, argv + skip, &cli.global, &rest, &err);
	if (r == 0)
		r = open_log(&cli, &err);
	if (r == 0)
		r = check_globals(&cli.global, &err);
	if (r < 0) {
		r = fail(&cli, NULL, &err);
		r = rest.usage ? cli.dialect->usage : r;
	} else if (cli.global.version && !rest.help) {
		r = print_version(&cli, &err) < 0 ? fail(&cli, NULL, &err) : 0;
	} else if (rest.help || rest.positionals.n == 0) {
		r = print_help(&cli, commands, &err) < 0 ? fail(&cli, NULL, &err) : 0;
	} else {
		r = run_named(&cli, commands, &rest.positionals, &err);
	}
	args_list_done(&rest.positionals);
	if (cli.log.fd > STDERR_FILENO)
		fd_close(cli.log.fd);
	return r;
}
