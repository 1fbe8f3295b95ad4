/* SPDX-License-Identifier: Apache-2.0 */
/* What a shim's `start` says, and what the bundle keeps of it. */
#include "manager/endpoint.h"

#include <string.h>

#include "base/mem.h"
#include "test.h"

#define ADDRESS "unix:///run/containerd/s/abc"

static void expect(const char *text, size_t size, int version, const char *address)
{
	auto_done(endpoint) struct endpoint e = { 0 };
	struct err err;

	assert_ok(endpoint_parse(text, size, &e, &err));
	assert_int_equal(e.version, version);
	assert_string_equal(e.address, address);
}

static void expect_bad(const char *text, size_t size, int code, const char *why)
{
	auto_done(endpoint) struct endpoint e = { 0 };
	struct err err;

	assert_int_equal(endpoint_parse(text, size, &e, &err), code);
	assert_text_has(err.text, why);
}

#define GOOD(text, version) expect(text, strlen(text), version, ADDRESS)
#define BAD(text, code, why) expect_bad(text, strlen(text), code, why)

TEST(three_forms_are_answers)
{
	static const char proto[] = "\x08\x03\x12\x1c" ADDRESS "\x1a\x05ttrpc";

	GOOD(ADDRESS, 2);
	GOOD(ADDRESS "\n", 2);
	GOOD("  " ADDRESS "\r\n", 2);
	GOOD("{\"version\":2,\"address\":\"" ADDRESS "\",\"protocol\":\"ttrpc\"}", 2);
	GOOD("{\"protocol\":\"ttrpc\",\"new\":{},\"version\":3,\"address\":\"" ADDRESS "\"}\n", 3);
	expect(proto, sizeof(proto) - 1, 3, ADDRESS);
	expect("\\0abstract", 10, 2, "\\0abstract");
}

TEST(what_is_no_answer_is_refused)
{
	static const char other[] = "\x08\x03\x12\x1c" ADDRESS "\x1a\x04grpc";

	BAD("", -EBADMSG, "empty");
	BAD(" \n\t ", -EBADMSG, "empty");
	BAD("no such file or directory", -EBADMSG, "no address");
	BAD("\x01\x02\xff", -EBADMSG, "no address");
	BAD("{\"version\":3", -EBADMSG, "no JSON");
	BAD("{}", -EBADMSG, "no version");
	BAD("{\"version\":1,\"address\":\"x\",\"protocol\":\"ttrpc\"}", -EBADMSG, "version");
	BAD("{\"version\":3,\"protocol\":\"ttrpc\"}", -EBADMSG, "no address");
	BAD("{\"version\":3,\"address\":\"x\"}", -EPROTONOSUPPORT, "protocol");
	BAD("{\"version\":3,\"address\":\"x\\u0000y\",\"protocol\":\"ttrpc\"}", -EBADMSG,
		"address");
	expect_bad(other, sizeof(other) - 1, -EPROTONOSUPPORT, "'grpc'");
}

TEST(a_version_that_is_too_new_tells_its_address)
{
	static const char text[] =
		"{\"version\":4,\"address\":\"" ADDRESS "\",\"protocol\":\"ttrpc\"}";
	auto_done(endpoint) struct endpoint e = { 0 };
	struct err err;

	assert_int_equal(endpoint_parse(text, sizeof(text) - 1, &e, &err), -EPROTONOSUPPORT);
	assert_text_has(err.text, "version (4)");
	assert_string_equal(e.address, ADDRESS);
}

TEST(the_bundle_keeps_it)
{
	struct test_tmpdir t = test_tmpdir();
	struct endpoint e = { 3, (char *)ADDRESS }, got = { 0 };
	struct stat st;
	struct err err;

	assert_int_equal(endpoint_load(t.fd, &got, &err), -ENOENT);
	assert_ok(endpoint_save(t.fd, &e, &err));
	assert_int_equal(fstatat(t.fd, "bootstrap.json", &st, 0), 0);
	assert_int_equal(st.st_mode & 0777, 0644);
	assert_ok(endpoint_load(t.fd, &got, &err));
	assert_int_equal(got.version, 3);
	assert_string_equal(endpoint_service(&got), "containerd.task.v3.Task");
	endpoint_done(&got);
	unlinkat(t.fd, "bootstrap.json", 0);
	/* what a shim of 1.6 leaves */
	assert_int_equal(symlinkat("nowhere", t.fd, "address"), 0);
	assert_true(endpoint_load(t.fd, &got, &err) < 0);
	unlinkat(t.fd, "address", 0);
	assert_int_equal(mknodat(t.fd, "address", S_IFIFO | 0600, 0), 0);
	assert_true(endpoint_load(t.fd, &got, &err) < 0);
	unlinkat(t.fd, "address", 0);
	int fd = openat(t.fd, "address", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(write(fd, ADDRESS, strlen(ADDRESS)), strlen(ADDRESS));
	close(fd);
	assert_ok(endpoint_load(t.fd, &got, &err));
	assert_int_equal(got.version, 3);
	got.version = 2;
	assert_string_equal(endpoint_service(&got), "containerd.task.v2.Task");
	endpoint_done(&got);
	test_tmpdir_remove(&t);
}
