/* SPDX-License-Identifier: Apache-2.0 */
/* The frame, with commands of its own: what goes to which stream, and how it ends. */
#include "test.h"

#include <json-c/json.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "base/mem.h"
#include "cli/cli.h"

struct options {
	const char *text;
};

static const struct args_option options[] = {
	{ "text", 't', ARGS_STRING, offsetof(struct options, text), "TEXT", "what to say" },
};

static int say(struct cli *cli, const void *target, const struct args_list *args, struct err *err)
{
	const struct options *o = target;
	auto_done(buf) struct buf out = { 0 };

	log_write(&cli->log, LOG_WARN_, "a warning");
	buf_addf(&out, "%s %zu", o->text ? o->text : "-", args->n);
	return cli_print(&out, err);
}

static int fail_(struct cli *cli, const void *target, const struct args_list *args, struct err *err)
{
	return err_set(err, -ENOENT, "no '%s'\n\x1b[1mhere", args->items[0]);
}

static int seven(struct cli *cli, const void *target, const struct args_list *args, struct err *err)
{
	return 7;
}

static const struct cli_command say_command = { "say", "[OPTIONS]", "say it", options, 1,
	sizeof(struct options), false, 0, -1, false, 0, say };
static const struct cli_command fail_command = { .name = "fail",
	.usage = "X",
	.summary = "",
	.min_args = 1,
	.max_args = 1,
	.named_failure = true,
	.failure = 255,
	.run = fail_ };
static const struct cli_command seven_command = {
	.name = "seven", .usage = "", .summary = "", .run = seven
};
static const struct cli_command *const all[] = { &say_command, &fail_command, &seven_command,
	NULL };

static char out[8192], err_out[8192], log_out[8192], log_path[128];

static void read_into(int fd, char *to)
{
	ssize_t n = fd_read_full(fd, to, 8191);

	to[n > 0 ? n : 0] = '\0';
	close(fd);
}

/* Run it in a child; its streams land in out and err_out, the log in log_out. */
static int call(const char *const *argv)
{
	static const struct cli_process process = { 0 };
	int o[2], e[2], argc = 0, status = -1, fd;
	pid_t pid;

	while (argv[argc])
		argc++;
	unlink(log_path);
	assert_ok(pipe2(o, O_CLOEXEC));
	assert_ok(pipe2(e, O_CLOEXEC));
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		dup2(o[1], 1);
		dup2(e[1], 2);
		_exit(cli_main(all, &process, argc, argv));
	}
	close(o[1]);
	close(e[1]);
	read_into(o[0], out);
	read_into(e[0], err_out);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	log_out[0] = '\0';
	fd = open(log_path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		read_into(fd, log_out);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

#define CALL(...) call((const char *const[]){ "reeve", __VA_ARGS__, NULL })

static struct test_tmpdir setup(void)
{
	struct test_tmpdir t = test_tmpdir();

	snprintf(log_path, sizeof(log_path), "%s/log", t.path);
	return t;
}

TEST(a_command_gets_its_options_and_its_status_is_ours)
{
	struct test_tmpdir t = setup();

	assert_int_equal(CALL("say", "a", "--text", "hi", "b"), 0);
	assert_string_equal(out, "hi 2");
	assert_string_equal(err_out, "");
	assert_int_equal(CALL("seven"), 7);
	assert_string_equal(out, "");
	assert_string_equal(err_out, "");
	test_tmpdir_remove(&t);
}

TEST(a_failure_is_one_json_object_in_the_log_and_one_line_on_stderr)
{
	struct test_tmpdir t = setup();
	struct json_object *o, *v;

	assert_int_equal(CALL("--log", log_path, "--log-format", "json", "fail", "x"), 255);
	assert_string_equal(out, "");
	assert_string_equal(err_out, "reeve: fail failed: no 'x'\\n\\x1b[1mhere\n");
	o = json_tokener_parse(log_out);
	assert_true(json_object_object_get_ex(o, "msg", &v));
	assert_string_equal(json_object_get_string(v), "fail failed: no 'x'\n\x1b[1mhere");
	assert_true(json_object_object_get_ex(o, "level", &v));
	assert_string_equal(json_object_get_string(v), "error");
	json_object_put(o);
	assert_ptr_equal(strchr(log_out, '\n'), log_out + strlen(log_out) - 1);
	test_tmpdir_remove(&t);
}

/* podman decodes the whole file as one object: no warnings in it unless they are asked for. */
TEST(warnings_are_for_those_who_ask)
{
	struct test_tmpdir t = setup();

	assert_int_equal(CALL("--log", log_path, "say"), 0);
	assert_string_equal(log_out, "");
	assert_int_equal(CALL("say"), 0);
	assert_string_equal(err_out, "");
	assert_int_equal(CALL("--debug", "say"), 0);
	assert_text_has(err_out, "level=debug msg=\"reeve say\"\n");
	assert_text_has(err_out, "level=warning msg=\"a warning\"\n");
	assert_int_equal(CALL("--log-format=json", "fail", "x"), 255);
	assert_memory_equal(err_out, "{\"level\":\"error\",", 17);
	assert_int_equal(CALL("--log", log_path, "--log-level=warning", "say"), 0);
	assert_text_has(log_out, "level=warning msg=\"a warning\"");
	assert_string_equal(err_out, "");
	test_tmpdir_remove(&t);
}

TEST(bad_usage_ends_with_its_status)
{
	struct test_tmpdir t = setup();

	assert_int_equal(CALL("nope"), 3);
	assert_text_has(err_out, "unknown command 'nope': No help topic for 'nope'");
	assert_int_equal(CALL("--nope", "say"), 1);
	assert_text_has(err_out, "flag provided but not defined: --nope");
	assert_int_equal(CALL("say", "--text"), 1);
	assert_text_has(err_out, "flag needs an argument: --text");
	assert_int_equal(CALL("--log", log_path, "--log-format=json", "say", "--text"), 1);
	assert_text_has(log_out, "flag needs an argument: --text");
	assert_int_equal(CALL("fail"), 1);
	assert_text_has(err_out, "\"fail\" requires exactly 1 argument(s)");
	assert_int_equal(CALL("seven", "x"), 1);
	assert_int_equal(CALL("--log-format", "xml", "--log", log_path, "say"), 1);
	assert_int_equal(CALL("--log-level", "loud", "say"), 1);
	assert_int_equal(CALL("--rootless", "perhaps", "say"), 1);
	assert_int_equal(CALL("--cgroup-manager=other", "say"), 1);
	assert_int_equal(CALL("--log", "/nonexistent/x", "say"), 1);
	assert_text_has(err_out, "open log '/nonexistent/x'");
	test_tmpdir_remove(&t);
}

#define CALL_AS(name, ...) call((const char *const[]){ name, __VA_ARGS__, NULL })

TEST(by_another_name_it_answers_as_that_program)
{
	struct test_tmpdir t = setup();

	assert_int_equal(CALL_AS("/x/runc", "--version"), 0);
	assert_memory_equal(out, "runc version 1.", 15);
	assert_int_equal(CALL_AS("runc", "fail", "x"), 255);
	assert_text_has(err_out, "level=error msg=\"fail failed: ");
	assert_int_equal(CALL_AS("runc", "nope"), 3);
	assert_int_equal(CALL_AS("runc", "say", "--nope"), 1);
	assert_int_equal(CALL_AS("crun", "-V"), 0);
	assert_memory_equal(out, "crun version 1.", 15);
	assert_int_equal(CALL_AS("crun", "fail", "x"), 1);
	assert_memory_equal(err_out, "fail failed: ", 13);
	assert_int_equal(CALL_AS("crun", "nope"), 1);
	assert_int_equal(CALL_AS("crun", "say", "--nope"), 64);
	assert_int_equal(CALL_AS("crun", "--nope"), 64);
	assert_int_equal(CALL_AS("crun", "fail"), 1);
	assert_int_equal(CALL_AS("runc-x", "fail", "x"), 255);
	assert_memory_equal(err_out, "reeve: ", 7);
	test_tmpdir_remove(&t);
}

TEST(what_clients_put_in_front_is_taken)
{
	struct test_tmpdir t = setup();

	assert_int_equal(CALL("--root", "/r", "--debug", "--log", log_path, "--log-format", "json",
				 "--systemd-cgroup", "--rootless=true", "say"),
		0);
	assert_int_equal(CALL("--root=/r", "--cgroup-manager", "disabled", "-log", log_path,
				 "--rootless", "auto", "seven"),
		7);
	test_tmpdir_remove(&t);
}

TEST(help_and_version)
{
	struct test_tmpdir t = setup();

	assert_int_equal(CALL("--help"), 0);
	assert_text_has(out, "NAME:\n   reeve - Open Container Initiative runtime\n");
	assert_text_has(out, "  say         say it\n");
	assert_int_equal(CALL("help"), 0);
	assert_int_equal(CALL("help", "say"), 0);
	assert_text_has(out, "NAME:\n   reeve say - say it\n\nusage: reeve say [OPTIONS]\n");
	assert_text_has(out, "  -t, --text TEXT");
	assert_int_equal(CALL("help", "nope"), 3);
	assert_int_equal(CALL("say", "--help"), 0);
	assert_text_has(out, "usage: reeve say [OPTIONS]\n");
	assert_int_equal(CALL("seven", "-h"), 0);
	assert_int_equal(CALL("--version"), 0);
	assert_memory_equal(out, "reeve version ", 14);
	assert_text_has(out, "\nspec: 1.");
	assert_int_equal(CALL("-v"), 0);
	test_tmpdir_remove(&t);
}

TEST(a_full_stdout_is_a_failure)
{
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC), status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		static const struct cli_process process = { 0 };

		dup2(full, 1);
		dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), 2);
		_exit(cli_main(all, &process, 2, (const char *const[]){ "reeve", "say", NULL }));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 1);
	close(full);
}

TEST(kept_descriptors_must_be_passed)
{
	int keep = fcntl(0, F_DUPFD, 3), own = fcntl(0, F_DUPFD_CLOEXEC, 3);
	struct cli cli = { .dialect = dialect_of("reeve") },
		   crun = { .dialect = dialect_of("crun") };
	struct err err;
	uint32_t n = 7;

	assert_ok(cli_count_fds(&cli, 0, 0, &n, &err));
	assert_int_equal(n, 0);
	if (keep == 3 && own == 4) {
		assert_ok(cli_count_fds(&cli, 0, 1, &n, &err));
		assert_int_equal(n, 1);
		assert_int_equal(cli_count_fds(&cli, 0, 2, &n, &err), -EBADF);
		assert_text_has(err.text, "descriptor 4");
		assert_ok(cli_count_fds(&crun, 0, 2, &n, &err));
		assert_int_equal(n, 1);
		assert_int_equal(cli_count_fds(&crun, 2, 1, &n, &err), -EBADF);
	}
	assert_int_equal(cli_count_fds(&cli, 0, UINT32_MAX, &n, &err), -EINVAL);
	assert_int_equal(cli_count_fds(&cli, 2, UINT32_MAX, &n, &err), -EINVAL);
	close(keep);
	close(own);
}
