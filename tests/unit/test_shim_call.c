/* SPDX-License-Identifier: Apache-2.0 */
/* How a shim's binary is called, and what comes of it. */
#include "manager/shim_call.h"

#include <string.h>

#include "base/clock.h"
#include "base/fd.h"
#include "test.h"

static const struct shim_call_env env = {
	.grpc_address = "/run/r.sock",
	.ttrpc_address = "/run/r.sock.ttrpc",
	.publish_binary = "/bin/reeved",
};

static char *joined(char *const *words)
{
	struct buf b = { 0 };

	for (; *words; words++)
		buf_addf(&b, "%s ", *words);
	return buf_take(&b);
}

TEST(words_are_containerds)
{
	auto_done(arena) struct arena arena = { 0 };
	struct shim_call_env debug = env;
	struct shim_call_request req = {
		.action = "start", .binary = "/s", .ns = "n", .id = "i", .bundle = "/b"
	};
	auto_free char *start = joined(shim_call_argv(&env, &req, &arena));
	auto_free char *end = NULL;

	assert_string_equal(start,
		"/s -namespace n -address /run/r.sock -publish-binary /bin/reeved -id i start ");
	debug.debug = true;
	req.action = "delete";
	end = joined(shim_call_argv(&debug, &req, &arena));
	assert_string_equal(end,
		"/s -namespace n -address /run/r.sock -publish-binary /bin/reeved -id i "
		"-bundle /b -debug delete ");
}

TEST(variables_are_ours_where_they_must_be)
{
	char *const base[] = { (char *)"PATH=/bin", (char *)"NAMESPACE=wrong",
		(char *)"NOTIFY_SOCKET=/n", (char *)"LISTEN_FDS=3", (char *)"GOMAXPROCS=99", NULL };
	const struct shim_call_request req = { .action = "start", .ns = "n" };
	auto_done(arena) struct arena arena = { 0 };
	auto_free char *text = joined(shim_call_environ(&env, &req, base, &arena));

	assert_string_equal(text,
		"PATH=/bin GOMAXPROCS=2 MAX_SHIM_VERSION=2 TTRPC_ADDRESS=/run/r.sock.ttrpc "
		"GRPC_ADDRESS=/run/r.sock NAMESPACE=n ");
}

struct bench {
	struct loop *loop;
	struct shim_call *call;
	bool done;
	int code;
	char text[480];
	struct buf output;
};

static void on_done(void *arg, const struct buf *output, const struct err *e)
{
	struct bench *b = arg;

	b->done = true;
	b->code = e ? e->code : 0;
	snprintf(b->text, sizeof(b->text), "%s", e ? e->text : "");
	buf_add(&b->output, output->data, output->len);
	shim_call_free(b->call);
}

/* A script as the shim. */
static void run(
	struct bench *b, const char *action, const char *script, const char *input, int limit_ms)
{
	struct test_tmpdir t = test_tmpdir();
	struct shim_call_env e = env;
	char path[96];
	struct shim_call_request req = {
		.action = action,
		.binary = path,
		.ns = "n",
		.id = "i",
		.bundle = t.path,
		.input = input,
		.input_size = input ? strlen(input) : 0,
		.limit_ns = (uint64_t)test_ms(limit_ms) * NS_PER_MS,
	};
	struct err err;
	int fd;

	*b = (struct bench){ 0 };
	snprintf(path, sizeof(path), "%s/shim", t.path);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
	assert_ok(fd_write_full(fd, script, strlen(script)));
	close(fd);
	assert_ok(loop_new(&b->loop));
	e.command = (struct command_env){ b->loop, reaper_own(b->loop) };
	e.log = &(struct log){ .fd = -EBADF };
	if (shim_call_start(&e, &req, on_done, b, &b->call, &err) < 0)
		fail_msg("%s", err.text);
	while (!b->done)
		assert_true(loop_round(b->loop, -1) >= 0);
	loop_free(b->loop);
	test_tmpdir_remove(&t);
}

#define SH "#!/bin/sh\n"

TEST(start_says_what_both_streams_say)
{
	size_t before = test_open_fds();
	struct bench b;

	run(&b, "start", SH "cat; echo -n b >&2", "a", 20000);
	assert_int_equal(b.code, 0);
	assert_string_equal(b.output.data, "ab");
	buf_done(&b.output);
	run(&b, "delete", SH "echo -n a; echo b >&2", NULL, 20000);
	assert_int_equal(b.code, 0);
	assert_string_equal(b.output.data, "a");
	buf_done(&b.output);
	assert_int_equal(test_open_fds(), before);
}

TEST(failures_are_told_and_bounded)
{
	struct bench b;

	run(&b, "start", SH "echo 'no\nluck' >&2; exit 3", NULL, 20000);
	assert_int_equal(b.code, -EIO);
	assert_string_equal(b.text, "exit status 3: no luck");
	buf_done(&b.output);
	run(&b, "start", SH "echo hello; sleep 1000", NULL, 300);
	assert_int_equal(b.code, -ETIMEDOUT);
	assert_text_has(b.text, "hello");
	buf_done(&b.output);
	run(&b, "start", SH "sleep 1000 & echo x", NULL, 20000);
	assert_int_equal(b.code, -ETIMEDOUT);
	assert_text_has(b.text, "left its output open");
	buf_done(&b.output);
	run(&b, "delete", SH "printf '\\001\\377x'; echo why >&2; exit 1", NULL, 20000);
	assert_string_equal(b.text, "exit status 1: why");
	buf_done(&b.output);
	run(&b, "start", SH "printf 'a\\377b'; exit 1", NULL, 20000);
	assert_string_equal(b.text, "exit status 1: a b");
	buf_done(&b.output);
	run(&b, "start", SH "head -c 100000 /dev/zero", NULL, 20000);
	assert_int_equal(b.code, -EMSGSIZE);
	buf_done(&b.output);
}
