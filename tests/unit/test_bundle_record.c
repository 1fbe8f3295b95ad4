/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "supervisor/bundle_record.h"

static void expect_same(const struct bundle_record *a, const struct bundle_record *b)
{
	assert_string_equal(a->root, b->root);
	assert_string_equal(a->program ? a->program : "", b->program ? b->program : "");
	assert_int_equal(a->systemd_cgroup, b->systemd_cgroup);
	assert_int_equal(a->pid, b->pid);
	assert_int_equal(a->exited, b->exited);
	assert_int_equal(a->exit_status, b->exit_status);
	assert_true(a->exited_wall_ns == b->exited_wall_ns);
}

TEST(what_is_saved_is_loaded)
{
	static const struct bundle_record rows[] = {
		{ .root = "/run/containerd/runc/default", .pid = 4711 },
		{ .root = "/r \"q\"", .program = "/usr/bin/\"runc\"", .systemd_cgroup = true },
		{ .root = "/r",
			.pid = INT32_MAX,
			.exited = true,
			.exit_status = 0,
			.exited_wall_ns = 0 },
		{ .root = "/r",
			.pid = 1,
			.exited = true,
			.exit_status = UINT32_MAX,
			.exited_wall_ns = UINT64_MAX },
	};
	struct test_tmpdir dir = test_tmpdir();
	struct err err = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auto_done(arena) struct arena arena = { 0 };
		struct bundle_record back = { 0 };

		assert_ok(bundle_record_save(dir.fd, &rows[i], &err));
		assert_ok(bundle_record_load(dir.fd, &arena, &back, &err));
		expect_same(&rows[i], &back);
	}
	test_tmpdir_remove(&dir);
}

static ino_t inode_of(int dir)
{
	struct stat st;

	assert_ok(fstatat(dir, BUNDLE_RECORD_NAME, &st, 0));
	return st.st_ino;
}

TEST(what_is_refreshed_is_written_where_it_differs)
{
	struct test_tmpdir dir = test_tmpdir();
	auto_done(arena) struct arena arena = { 0 };
	struct bundle_record r = { .root = "/r", .pid = 4711 }, back = { 0 };
	struct err err = { 0 };
	ino_t before;

	assert_ok(bundle_record_refresh(dir.fd, &r, &err)); /* there is none */
	before = inode_of(dir.fd);
	assert_ok(bundle_record_refresh(dir.fd, &r, &err));
	assert_true(inode_of(dir.fd) == before);
	r.exited = true;
	assert_ok(bundle_record_refresh(dir.fd, &r, &err));
	assert_ok(bundle_record_load(dir.fd, &arena, &back, &err));
	expect_same(&r, &back);
	test_tmpdir_remove(&dir);
}

TEST(the_text_is_for_people_too)
{
	static const struct bundle_record r = {
		.root = "/run/r",
		.systemd_cgroup = true,
		.pid = 7,
		.exited = true,
		.exit_status = 137,
		.exited_wall_ns = 1700000000123456789,
	};
	struct buf b = { 0 };

	assert_ok(bundle_record_write(&r, &b));
	assert_string_equal(b.data, "{\"v\":1,\"root\":\"/run/r\",\"systemdCgroup\":true,\"pid\":7,"
				    "\"exitStatus\":137,\"exitedAt\":1700000000123456789}\n");
	buf_done(&b);
}

static int parse(const char *text, struct bundle_record *r, struct arena *arena, struct err *err)
{
	return bundle_record_parse(text, strlen(text), arena, r, err);
}

TEST(another_version_is_read_as_far_as_it_is_known)
{
	auto_done(arena) struct arena arena = { 0 };
	struct bundle_record r;

	assert_ok(parse(
		"{\"news\":[1],\"v\":2,\"root\":\"/r\",\"pid\":5,\"more\":{}}", &r, &arena, NULL));
	assert_int_equal(r.pid, 5);
	assert_false(r.exited);
	assert_int_equal(parse("{\"v\":3,\"root\":\"/r\"}", &r, &arena, NULL), -EBADMSG);
}

TEST(damage_is_not_guessed_around)
{
	static const char *const rows[] = { "", "{", "[]", "7", "{}", "{\"v\":1}",
		"{\"v\":0,\"root\":\"/r\"}", "{\"v\":1,\"root\":7}",
		"{\"v\":1,\"root\":\"/r\\u0000x\"}", "{\"v\":1,\"root\":\"/r\",\"pid\":-1}",
		"{\"v\":1,\"root\":\"/r\",\"pid\":4294967296}",
		"{\"v\":1,\"root\":\"/r\",\"pid\":\"7\"}",
		"{\"v\":1,\"root\":\"/r\",\"exitStatus\":1}",
		"{\"v\":1,\"root\":\"/r\",\"exitedAt\":1}",
		"{\"v\":1,\"root\":\"/r\",\"exitStatus\":1.5,\"exitedAt\":1}",
		"{\"v\":1,\"root\":\"/r\",\"systemdCgroup\":1}" };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auto_done(arena) struct arena arena = { 0 };
		struct bundle_record r = { .pid = 9 };
		struct err err = { 0 };

		assert_int_equal(parse(rows[i], &r, &arena, &err), -EBADMSG);
		assert_text_has(err.text, "reeve.json");
		assert_int_equal(r.pid, 9);
	}
}

TEST(no_record_is_told_from_a_bad_one)
{
	struct test_tmpdir dir = test_tmpdir();
	auto_done(arena) struct arena arena = { 0 };
	struct bundle_record r;

	assert_int_equal(bundle_record_load(dir.fd, &arena, &r, NULL), -ENOENT);
	test_tmpdir_remove(&dir);
}
