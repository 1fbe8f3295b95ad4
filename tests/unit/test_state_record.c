/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <signal.h>
#include <sys/wait.h>

#include "base/crc32.h"
#include "container/state_record.h"

static void fill(struct state_record *r)
{
	*r = (struct state_record){
		.id = "web-1",
		.bundle = "/b/\"quoted\"/\xc3\xa4",
		.rootfs = "/b/rootfs",
		.created_ns = 1795310098123456789ull,
		.owner = 4294967294u,
		.oci_version = "1.2.0",
		.status = STATE_PAUSED,
		.init_pid = 4711,
		.init_start_time = UINT64_MAX,
		.init_inode = (uint64_t)INT64_MAX + 5,
		.cgroup_layout = STATE_CGROUP_HYBRID,
		.cgroup_path = "/a/b",
		.sandbox_id = "pod",
		.sandbox_type = STATE_SANDBOX_MEMBER,
		.own_pidns = true,
		.poststop_hooks = true,
		.has_exit = true,
		.exit_status = 137,
		.has_oom_score = true,
		.oom_score = -998,
		.has_own_oom_score = true,
		.own_oom_score = -5,
	};
	assert_ok(state_record_add_cgroup_dir(r, "/sys/fs/cgroup/a"));
	assert_ok(state_record_add_cgroup_dir(r, "/sys/fs/cgroup/a/b"));
}

/* JSON and its CRC line. */
static char *framed(const char *json)
{
	struct buf b = { 0 };

	buf_addf(&b, "%s\ncrc32 %08x\n", json, crc32_add(0, json, strlen(json)));
	return buf_take(&b);
}

static int parse(const char *json, struct state_record *r, struct err *err)
{
	char *data = framed(json);
	int code = state_record_parse(data, strlen(data), r, err);

	free(data);
	return code;
}

TEST(what_is_written_is_read_back)
{
	struct state_record a, b = { 0 };
	struct buf out = { 0 }, again = { 0 };
	struct err err;

	fill(&a);
	assert_ok(state_record_write(&a, &out));
	assert_ok(state_record_parse(out.data, out.len, &b, &err));
	assert_int_equal(b.version, STATE_VERSION);
	assert_string_equal(b.id, a.id);
	assert_string_equal(b.bundle, a.bundle);
	assert_string_equal(b.rootfs, a.rootfs);
	assert_true(b.created_ns == a.created_ns && b.owner == a.owner);
	assert_string_equal(b.oci_version, a.oci_version);
	assert_int_equal(b.status, STATE_PAUSED);
	assert_true(b.init_pid == 4711 && b.init_start_time == UINT64_MAX &&
		    b.init_inode == a.init_inode);
	assert_int_equal(b.cgroup_layout, STATE_CGROUP_HYBRID);
	assert_int_equal(b.n_cgroup_dirs, 2);
	assert_string_equal(b.cgroup_dirs[0], "/sys/fs/cgroup/a");
	assert_string_equal(b.cgroup_dirs[1], "/sys/fs/cgroup/a/b");
	assert_int_equal(b.sandbox_type, STATE_SANDBOX_MEMBER);
	assert_true(b.own_pidns && b.poststop_hooks && !b.poststart_hooks && !b.terminal);
	assert_true(b.has_exit && b.exit_status == 137 && b.oom_score == -998);
	assert_true(b.has_own_oom_score && b.own_oom_score == -5);
	assert_null(b.cgroup_unit);
	/* And again the same bytes. */
	assert_ok(state_record_write(&b, &again));
	assert_string_equal(out.data, again.data);
	buf_done(&out);
	buf_done(&again);
	state_record_done(&a);
	state_record_done(&b);
	state_record_done(&b);
}

TEST(what_we_do_not_know_is_kept)
{
	struct state_record r = { 0 };
	struct buf out = { 0 };
	struct err err;

	assert_ok(parse("{\"v\":2,\"id\":\"a\",\"status\":\"created\",\"future\":{\"x\":[1,2]},"
			"\"terminal\":true}",
		&r, &err));
	r.status = STATE_RUNNING;
	r.terminal = false;
	assert_ok(state_record_write(&r, &out));
	assert_text_has(out.data, "\"future\":{\"x\":[1,2]}");
	assert_text_has(out.data, "\"status\":\"running\"");
	assert_text_has(out.data, "\"v\":2");
	assert_null(strstr(out.data, "terminal"));
	buf_done(&out);
	state_record_done(&r);
}

TEST(every_flipped_bit_and_every_cut_is_noticed)
{
	struct state_record a, b;
	struct buf out = { 0 };
	struct err err;

	fill(&a);
	assert_ok(state_record_write(&a, &out));
	for (size_t bit = 0; bit < 8 * out.len; bit++) {
		out.data[bit / 8] = (char)(out.data[bit / 8] ^ (1 << (bit % 8)));
		assert_int_equal(state_record_parse(out.data, out.len, &b, &err), -EBADMSG);
		out.data[bit / 8] = (char)(out.data[bit / 8] ^ (1 << (bit % 8)));
	}
	for (size_t len = 0; len < out.len; len++)
		assert_int_equal(state_record_parse(out.data, len, &b, &err), -EBADMSG);
	buf_adds(&out, "x");
	assert_int_equal(state_record_parse(out.data, out.len, &b, &err), -EBADMSG);
	buf_done(&out);
	state_record_done(&a);
}

TEST(wrong_types_and_values_are_named)
{
	static const struct {
		const char *json, *text;
	} bad[] = {
		{ "", "no JSON object" },
		{ "[]", "no JSON object" },
		{ "{} x", "no JSON object" },
		{ "{\"v\":1,\"v\"", "no JSON object" },
		{ "{}", "'v' is missing" },
		{ "{\"v\":1,\"status\":\"created\"}", "'id' is missing" },
		{ "{\"v\":1,\"id\":\"a\"}", "'status' is missing" },
		{ "{\"v\":0,\"id\":\"a\",\"status\":\"created\"}", "version 0" },
		{ "{\"v\":3,\"id\":\"a\",\"status\":\"created\"}", "'v'" },
		{ "{\"v\":\"1\",\"id\":\"a\",\"status\":\"created\"}", "'v'" },
		{ "{\"v\":1.0,\"id\":\"a\",\"status\":\"created\"}", "'v'" },
		{ "{\"v\":1,\"id\":7,\"status\":\"created\"}", "'id'" },
		{ "{\"v\":1,\"id\":null,\"status\":\"created\"}", "'id'" },
		{ "{\"v\":1,\"id\":\"a\",\"status\":\"happy\"}", "'status'" },
		{ "{\"v\":1,\"id\":\"a\",\"status\":\"created\",\"initPid\":-1}", "'initPid'" },
		{ "{\"v\":1,\"id\":\"a\",\"status\":\"created\",\"initPid\":2147483648}",
			"'initPid'" },
		{ "{\"v\":1,\"id\":\"a\",\"status\":\"created\",\"owner\":4294967296}", "'owner'" },
		{ "{\"v\":1,\"id\":\"a\",\"status\":\"created\",\"terminal\":1}", "'terminal'" },
		{ "{\"v\":1,\"id\":\"a\",\"status\":\"created\",\"bundle\":\"/a\\u0000b\"}",
			"'bundle'" },
		{ "{\"v\":1,\"id\":\"a\",\"status\":\"created\",\"cgroupDirs\":\"x\"}",
			"'cgroupDirs'" },
		{ "{\"v\":1,\"id\":\"a\",\"status\":\"created\",\"cgroupDirs\":[\"x\",1]}",
			"'cgroupDirs'" },
	};
	struct state_record r;
	struct err err;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		assert_int_equal(parse(bad[i].json, &r, &err), -EBADMSG);
		assert_text_has(err.text, bad[i].text);
	}
}

TEST(a_deep_document_is_refused)
{
	struct buf b = { 0 };
	struct state_record r;
	struct err err;

	buf_adds(&b, "{\"v\":1,\"id\":\"a\",\"status\":\"created\",\"x\":");
	for (int i = 0; i < 5000; i++)
		buf_addc(&b, '[');
	for (int i = 0; i < 5000; i++)
		buf_addc(&b, ']');
	buf_addc(&b, '}');
	assert_int_equal(parse(b.data, &r, &err), -EBADMSG);
	buf_done(&b);
}

TEST(init_is_found_by_its_identity_only)
{
	auto_done(state_record) struct state_record r = { 0 };
	struct pidref self, found;

	assert_ok(pidref_open(getpid(), &self));
	assert_int_equal(state_record_init(&r, NULL, &found), -ESRCH);
	state_record_set_init(&r, &self, true);
	assert_int_equal(strlen(r.boot_id), 36);
	assert_ok(state_record_init(&r, NULL, &found));
	assert_int_equal(found.pid, getpid());
	pidref_done(&found);
	r.init_start_time++;
	r.init_inode += self.inode != 0;
	assert_int_equal(state_record_init(&r, NULL, &found), -ESRCH);
	state_record_set_init(&r, &self, true);
	/* After a reboot the number says nothing. */
	r.boot_id = "01234567-0123-0123-0123-0123456789ab";
	assert_int_equal(state_record_init(&r, NULL, &found), -ESRCH);
	pidref_done(&self);
}

TEST(states_have_names)
{
	assert_string_equal(state_status_name(STATE_CREATING), "creating");
	assert_string_equal(state_status_name(STATE_DELETING), "deleting");
	assert_string_equal(state_status_name((enum state_status)6), "unknown");
}
