/* SPDX-License-Identifier: Apache-2.0 */
/* How far the launch of a task came, as the bundle says it. */
#include "manager/intent.h"

#include <string.h>

#include "test.h"

static int parse(const char *text, struct arena *arena, struct intent *ret)
{
	struct err err = { 0 };
	int r = intent_parse(text, strlen(text), arena, ret, &err);

	assert_true(r == 0 || err.text[0]);
	return r;
}

TEST(what_is_saved_is_loaded)
{
	struct test_tmpdir t = test_tmpdir();

	for (int stage = INTENT_LAUNCH; stage <= INTENT_DELETED; stage++) {
		auto_done(arena) struct arena arena = { 0 };
		const struct intent i = { "io.containerd.\"x\".v2", "/bin/x",
			(enum intent_stage)stage, stage ? "/a/\"b\"" : NULL };
		struct intent got = { 0 };
		struct stat st;

		assert_ok(intent_save(t.fd, &i, NULL));
		assert_ok(intent_load(t.fd, &arena, &got, NULL));
		assert_string_equal(got.runtime, i.runtime);
		assert_string_equal(got.binary, i.binary);
		assert_int_equal(got.stage, stage);
		if (i.cgroup)
			assert_string_equal(got.cgroup, i.cgroup);
		else
			assert_null(got.cgroup);
		assert_int_equal(fstatat(t.fd, INTENT_NAME, &st, 0), 0);
		assert_int_equal(st.st_mode & 0777, 0600);
	}
	test_tmpdir_remove(&t);
}

TEST(the_next_version_is_read_and_damage_is_not)
{
	auto_done(arena) struct arena arena = { 0 };
	struct intent got = { 0 };

	assert_ok(parse(
		"{\"v\":2,\"runtime\":\"r\",\"binary\":\"/b\",\"stage\":\"created\",\"new\":[]}",
		&arena, &got));
	assert_int_equal(got.stage, INTENT_CREATED);
	assert_int_equal(parse("", &arena, &got), -EBADMSG);
	assert_int_equal(parse("[]", &arena, &got), -EBADMSG);
	assert_int_equal(
		parse("{\"v\":3,\"runtime\":\"r\",\"binary\":\"/b\",\"stage\":\"created\"}", &arena,
			&got),
		-EBADMSG);
	assert_int_equal(parse("{\"v\":1,\"runtime\":\"r\",\"binary\":\"/b\",\"stage\":\"lost\"}",
				 &arena, &got),
		-EBADMSG);
	assert_int_equal(parse("{\"v\":1,\"runtime\":\"r\",\"binary\":7,\"stage\":\"launch\"}",
				 &arena, &got),
		-EBADMSG);
	assert_int_equal(
		parse("{\"v\":1,\"runtime\":\"r\\u0000\",\"binary\":\"b\",\"stage\":\"launch\"}",
			&arena, &got),
		-EBADMSG);
}
