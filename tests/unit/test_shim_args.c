/* SPDX-License-Identifier: Apache-2.0 */
#include "api/task_name.h"
#include "test.h"

#include "base/mem.h"
#include "shim/args.h"

#define PARSE(ret, err, ...) parse((const char *[]){ "shim", __VA_ARGS__, NULL }, ret, err)

static int parse(const char **argv, struct shim_args *ret, struct err *err)
{
	int argc = 0;

	while (argv[argc])
		argc++;
	return shim_args_parse(argc, (char *const *)(void *)argv, ret, err);
}

TEST(the_calls_of_every_version_are_read)
{
	struct shim_args a = { 0 };

	assert_ok(PARSE(&a, NULL, "-namespace", "k8s.io", "-address", "/run/c.sock",
		"-publish-binary", "/usr/bin/containerd", "-id", "abc", "start"));
	assert_string_equal(a.ns, "k8s.io");
	assert_string_equal(a.address, "/run/c.sock");
	assert_string_equal(a.publish_binary, "/usr/bin/containerd");
	assert_string_equal(a.id, "abc");
	assert_string_equal(a.action, "start");
	assert_false(a.debug);
	assert_null(a.bundle);

	assert_ok(PARSE(&a, NULL, "-namespace", "n", "-address", "/s", "-publish-binary", "/c",
		"-id", "i", "-bundle", "/b", "-debug", "delete"));
	assert_string_equal(a.bundle, "/b");
	assert_string_equal(a.action, "delete");
	assert_true(a.debug);

	assert_ok(PARSE(&a, NULL, "-info"));
	assert_true(a.info);
	assert_null(a.action);
	assert_ok(PARSE(&a, NULL, "-v"));
	assert_true(a.version);
	assert_ok(PARSE(&a, NULL, "-namespace", "n", "-id", "i", "-address", "/s", "-debug"));
	assert_null(a.action);
	assert_true(a.debug);
}

TEST(the_syntax_is_that_of_go)
{
	struct shim_args a = { 0 };

	assert_ok(PARSE(
		&a, NULL, "--id=x=y", "--debug=false", "-namespace=", "-v=T", "start", "-id", "z"));
	assert_string_equal(a.id, "x=y");
	assert_string_equal(a.ns, "");
	assert_false(a.debug);
	assert_true(a.version);
	assert_string_equal(a.action, "start");
	assert_ok(PARSE(&a, NULL, "-id", "-namespace", "--", "-start"));
	assert_string_equal(a.id, "-namespace");
	assert_string_equal(a.action, "-start");
	assert_ok(PARSE(&a, NULL, "-", "-debug"));
	assert_string_equal(a.action, "-");
	assert_false(a.debug);
}

TEST(unknown_flags_are_stepped_over)
{
	struct shim_args a = { 0 };

	assert_ok(PARSE(
		&a, NULL, "-new", "-id", "i", "-newer", "value", "-newest=1", "-last", "start"));
	assert_string_equal(a.id, "i");
	assert_string_equal(a.action, "start");
}

TEST(bad_flags_are_named)
{
	struct shim_args a = { .id = "untouched" };
	struct err err = { 0 };

	assert_int_equal(PARSE(&a, &err, "-debug=maybe"), -EINVAL);
	assert_text_has(err.text, "'maybe' for flag '-debug'");
	assert_int_equal(PARSE(&a, &err, "-id"), -EINVAL);
	assert_text_has(err.text, "'-id'");
	assert_int_equal(PARSE(&a, &err, "---id"), -EINVAL);
	assert_int_equal(PARSE(&a, &err, "-=x"), -EINVAL);
	assert_string_equal(a.id, "untouched");
}

TEST(identifiers_are_never_paths)
{
	static const char *const good[] = { "a", "k8s.io", "a-b_c.d", "0123", "A1" };
	static const char *const bad[] = { "", ".", "..", "a/b", "../a", ".a", "a.", "a..b", "-a",
		"a-", "a b", "a\n", "\xc3\xa4" };
	struct err err = { 0 };
	char big[300];

	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		assert_ok(task_name_check(good[i], "id", &err));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(task_name_check(bad[i], "id", &err), -EINVAL);
		assert_text_has(err.text, "id");
	}
	assert_int_equal(task_name_check(NULL, "namespace", &err), -EINVAL);
	assert_string_equal(err.text, "namespace is required");
	memset(big, 'a', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	assert_int_equal(task_name_check(big, "id", &err), -EINVAL);
}
