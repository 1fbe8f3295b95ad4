/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "config.h"

#include "base/fd.h"
#include "base/json_read.h"
#include "rpc/any.h"
#include "rpc/message.h"
#include "shim/info.h"
#include "shim/shim_log.h"

#include "proto/bootstrap.pb-c.h"

static int ask(const void *input, size_t size, struct buf *out, struct err *err)
{
	char bytes[65536];
	int in[2], answer[2], r;
	ssize_t n;

	assert_ok(pipe2(in, O_CLOEXEC));
	assert_ok(pipe2(answer, O_CLOEXEC));
	assert_ok(fd_write_full(in[1], input, size));
	close(in[1]);
	r = info_run(in[0], answer[1], err);
	close(in[0]);
	close(answer[1]);
	n = fd_read_full(answer[0], bytes, sizeof(bytes));
	close(answer[0]);
	assert_true(n >= 0);
	buf_add(out, bytes, (size_t)n);
	return r;
}

static const Pb__Bootstrap__RuntimeInfo *decode(const struct buf *b, struct arena *arena)
{
	const ProtobufCMessage *m = NULL;

	assert_ok(message_decode(
		&pb__bootstrap__runtime_info__descriptor, b->data, b->len, arena, &m, NULL));
	return (const void *)m;
}

TEST(the_features_are_json_in_an_any)
{
	static const struct json_limits limits = { 1 << 20, 10000, 65536, 32 };
	auto_done(arena) struct arena arena = { 0 };
	auto_done(buf) struct buf out = { 0 };
	const Pb__Bootstrap__RuntimeInfo *info;
	struct json_node *features;

	assert_ok(ask("", 0, &out, NULL));
	info = decode(&out, &arena);
	assert_string_equal(info->name, "io.containerd.reeve.v2");
	assert_string_equal(info->version->version, REEVE_VERSION);
	assert_null(info->options);
	assert_string_equal(info->features->type_url,
		"types.containerd.io/opencontainers/runtime-spec/1/features/Features");
	assert_ok(json_read(&arena, (const char *)info->features->value.data,
		info->features->value.len, &limits, &features, NULL));
	assert_non_null(json_read_get(features, "ociVersionMax"));
	assert_non_null(json_read_get(features, "mountOptions"));
}

TEST(options_are_given_back)
{
	auto_done(arena) struct arena arena = { 0 };
	auto_done(buf) struct buf out = { 0 };
	const Pb__Bootstrap__RuntimeInfo *info;

	assert_ok(ask("\x0a\x03"
		      "a.B\x12\x02xy",
		9, &out, NULL));
	info = decode(&out, &arena);
	assert_string_equal(info->options->type_url, "a.B");
	assert_int_equal(info->options->value.len, 2);
}

TEST(garbage_is_said)
{
	auto_done(buf) struct buf out = { 0 };
	struct err err = { 0 };

	assert_int_equal(ask("\xff\xff", 2, &out, &err), -EBADMSG);
	assert_text_has(err.text, "standard input");
	assert_int_equal(out.len, 0);
}

TEST(the_version_is_for_people)
{
	auto_done(buf) struct buf out = { 0 };

	info_version("containerd-shim-reeve-v2", &out);
	assert_text_has(out.data, "containerd-shim-reeve-v2:\n  Version:  " REEVE_VERSION "\n");
}

TEST(the_log_is_a_fifo_that_never_blocks)
{
	struct test_tmpdir dir = test_tmpdir();
	struct log log = { .format = LOG_LOGRUS };
	char text[512];
	ssize_t n;
	int reader;

	assert_int_equal(shim_log_open(dir.fd), -ENOENT);
	assert_ok(mkfifoat(dir.fd, "log", 0700));
	log.fd = shim_log_open(dir.fd); /* without a reader */
	assert_true(log.fd >= 0);
	log_write(&log, LOG_INFO_, "hello");
	reader = openat(dir.fd, "log", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	n = read(reader, text, sizeof(text) - 1);
	assert_true(n > 0);
	text[n] = '\0';
	assert_text_has(text, "level=info msg=\"hello\"\n");
	for (int i = 0; i < 5000; i++)
		log_write(&log, LOG_INFO_, "a line that nobody reads");
	assert_in_range(log.dropped, 1, 5000);
	close(reader);
	close(log.fd);
	test_tmpdir_remove(&dir);
}

TEST(the_log_of_a_removed_bundle_is_left_for_another)
{
	struct test_tmpdir one = test_tmpdir(), two = test_tmpdir();
	struct log log = { .format = LOG_LOGRUS };
	struct stat before, after;
	int fd;

	assert_ok(mkfifoat(one.fd, "log", 0700));
	assert_ok(mkfifoat(two.fd, "log", 0700));
	log.fd = shim_log_open(one.fd);
	assert_ok(fstat(log.fd, &before));
	shim_log_follow(&log, two.path); /* still there: stay */
	assert_ok(fstat(log.fd, &after));
	assert_int_equal(before.st_ino, after.st_ino);
	assert_ok(unlinkat(one.fd, "log", 0));
	shim_log_follow(&log, "/no/such/bundle");
	shim_log_follow(&log, NULL);
	shim_log_follow(&log, two.path);
	assert_ok(fstat(log.fd, &after));
	assert_int_not_equal(before.st_ino, after.st_ino);
	close(log.fd);
	/* What is no fifo and no file is not written to. */
	assert_ok(unlinkat(two.fd, "log", 0));
	assert_ok(mkdirat(two.fd, "log", 0700));
	assert_true(shim_log_open(two.fd) < 0);
	assert_ok(unlinkat(two.fd, "log", AT_REMOVEDIR));
	assert_ok(symlinkat("/dev/null", two.fd, "log"));
	assert_true(shim_log_open(two.fd) < 0);
	log.fd = -EBADF;
	shim_log_follow(&log, two.path);
	assert_int_equal(log.fd, -EBADF);
	fd = openat(one.fd, "log", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	close(fd);
	fd = shim_log_open(one.fd);
	assert_true(fd >= 0);
	close(fd);
	test_tmpdir_remove(&one);
	test_tmpdir_remove(&two);
}
