/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `reeve ps ID [OPTIONS OF PS]`: the processes of a container by their pids on the host, as JSON or as the lines that
 * ps has for them. Where there is no ps, the pids alone.
 */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/json_write.h"
#include "base/mem.h"
#include "cli/commands.h"
#include "cli/session.h"

#define OUTPUT_MAX (64u << 20)

struct ps_options {
	const char *format;
};

#define AT(member) offsetof(struct ps_options, member)

// clang-format off
static const struct args_option options[] = {
	{ "format", 'f', ARGS_STRING, AT(format), "FORMAT", "table or json" },
};
// clang-format on

struct pids {
	pid_t *list;
	size_t n;
};

static void write_json(const struct pids *p, struct buf *out)
{
	struct json_writer w = { .out = out };

	json_write_open(&w, '[');
	for (size_t i = 0; i < p->n; i++)
		json_write_i64(&w, p->list[i]);
	json_write_close(&w, ']');
	buf_addc(out, '\n');
}

static void write_bare(const struct pids *p, struct buf *out)
{
	buf_adds(out, "PID\n");
	for (size_t i = 0; i < p->n; i++)
		buf_addf(out, "%d\n", p->list[i]);
}

/* ---- by ps ---- */

static int start_ps(const char *const *words, size_t n, int out, pid_t *ret)
{
	char **argv = mem_calloc(n + 3, sizeof(*argv));
	posix_spawn_file_actions_t actions;
	int r;

	if (!argv)
		return -ENOMEM;
	argv[0] = (char *)(uintptr_t) "ps";
	argv[1] = (char *)(uintptr_t) "-ef";
	for (size_t i = 0; i < n; i++)
		argv[i + 1] = (char *)(uintptr_t)words[i];
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
	r = posix_spawnp(ret, "ps", &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	free(argv);
	return -r;
}

static int run_ps(const char *const *words, size_t n, char **ret_text, struct err *err)
{
	auto_close int in = -EBADF, out = -EBADF;
	int fds[2], r, status;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_sys(err, "make a pipe");
	in = fds[0];
	out = fds[1];
	r = start_ps(words, n, out, &pid);
	if (r < 0)
		return err_code(err, r, "start ps");
	fd_closep(&out);
	r = fd_read_file(in, OUTPUT_MAX, ret_text, NULL);
	fd_closep(&in);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (r < 0)
		return err_code(err, r, "read what ps prints");
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return err_set(err, -EINVAL, "ps failed: status %d", status);
	return 0;
}

/* The word at `index` of a line, and whether there is one. */
static bool word_at(const char *line, size_t len, size_t index, const char **ret, size_t *ret_len)
{
	const char *end = line + len, *p = line;

	for (size_t i = 0;; i++) {
		const char *start;

		while (p < end && (*p == ' ' || *p == '\t'))
			p++;
		start = p;
		while (p < end && *p != ' ' && *p != '\t')
			p++;
		if (start == p)
			return false;
		if (i == index) {
			*ret = start;
			*ret_len = (size_t)(p - start);
			return true;
		}
	}
}

static bool find_pid_column(const char *head, size_t len, size_t *ret)
{
	const char *word;
	size_t n;

	for (size_t i = 0; word_at(head, len, i, &word, &n); i++) {
		if (n == 3 && memcmp(word, "PID", 3) == 0) {
			*ret = i;
			return true;
		}
	}
	return false;
}

static bool is_ours(const struct pids *p, const char *line, size_t len, size_t column)
{
	const char *word;
	char text[16];
	uint32_t pid;
	size_t n;

	if (!word_at(line, len, column, &word, &n) || n >= sizeof(text))
		return false;
	memcpy(text, word, n);
	text[n] = '\0';
	if (str_to_u32(text, &pid) < 0)
		return false;
	for (size_t i = 0; i < p->n; i++)
		if ((uint32_t)p->list[i] == pid)
			return true;
	return false;
}

static int filter(const struct pids *p, const char *text, struct buf *out, struct err *err)
{
	size_t head = strcspn(text, "\n"), column;

	if (!find_pid_column(text, head, &column))
		return err_set(err, -EINVAL, "couldn't find PID field in ps output");
	buf_add(out, text, head);
	buf_addc(out, '\n');
	for (const char *line = text + head; *line;) {
		size_t len;

		line++;
		len = strcspn(line, "\n");
		if (is_ours(p, line, len, column)) {
			buf_add(out, line, len);
			buf_addc(out, '\n');
		}
		line += len;
	}
	return 0;
}

static int write_table(
	const struct pids *p, const struct args_list *args, struct buf *out, struct err *err)
{
	auto_free char *text = NULL;
	int r;

	r = run_ps(args->items + 1, args->n - 1, &text, err);
	if (r == -ENOENT && args->n == 1) {
		write_bare(p, out);
		return 0;
	}
	return r < 0 ? r : filter(p, text, out, err);
}

static int print(const struct cli *cli, const struct ps_options *o, const struct pids *p,
	const struct args_list *args, struct err *err)
{
	auto_done(buf) struct buf out = { 0 };
	int r = 0;

	if (str_eq(o->format, "json"))
		write_json(p, &out);
	else if (cli->dialect->bare_ps && args->n == 1)
		write_bare(p, &out);
	else
		r = write_table(p, args, &out, err);
	return r < 0 ? r : cli_print(&out, err);
}

static int run(struct cli *cli, const void *target, const struct args_list *args, struct err *err)
{
	const struct ps_options *o = target;
	struct container *c = NULL;
	struct session s = { 0 };
	struct pids p = { 0 };
	int r;

	if (o->format && !str_eq(o->format, "table") && !str_eq(o->format, "json"))
		return err_set(err, -EINVAL, "invalid format option \"%s\"", o->format);
	r = session_look(&s, cli, args->items[0], false, &c, err);
	if (r == 0)
		r = container_pids(c, &p.list, &p.n, err);
	container_free(c);
	session_done(&s);
	if (r == 0)
		r = print(cli, o, &p, args, err);
	free(p.list);
	return r;
}

const struct cli_command ps_command = {
	.name = "ps",
	.usage = "[OPTIONS] ID [OPTIONS OF PS]",
	.summary = "list the processes of a container",
	.options = options,
	.n_options = ARRAY_LEN(options),
	.target_size = sizeof(struct ps_options),
	.stop_at_positional = true,
	.min_args = 1,
	.max_args = -1,
	.run = run,
};
