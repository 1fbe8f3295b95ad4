/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "api/task_options.h"
#include "rpc/any.h"

#include "proto/common.pb-c.h"
#include "proto/options.pb-c.h"

static int from_toml(const char *body, struct arena *arena, struct task_options *o, struct err *err)
{
	Pb__Options__Runtime m = PB__OPTIONS__RUNTIME__INIT;
	ProtobufCBinaryData bytes;

	m.type_url = (char *)"whatever";
	m.config_body.data = (uint8_t *)body;
	m.config_body.len = strlen(body);
	assert_ok(message_to_bytes(&m.base, arena, &bytes));
	return task_options_decode_any(ANY_RUNTIME_OPTIONS, bytes.data, bytes.len, arena, o, err);
}

TEST(options_of_runc_are_read)
{
	Pb__Options__Runc m = PB__OPTIONS__RUNC__INIT;
	Pb__Any any = PB__ANY__INIT;
	auto_done(arena) struct arena arena = { 0 };
	ProtobufCBinaryData bytes;
	struct task_options o;

	m.no_pivot_root = m.systemd_cgroup = true;
	m.io_uid = 1000;
	m.binary_name = (char *)"crun";
	m.root = (char *)"/run/r";
	m.shim_cgroup = (char *)"/shims";
	assert_ok(message_to_bytes(&m.base, &arena, &any.value));
	any.type_url = (char *)ANY_RUNC_OPTIONS;
	assert_ok(message_to_bytes(&any.base, &arena, &bytes));
	assert_int_equal(task_options_decode(bytes.data, bytes.len, &arena, &o, NULL), 1);
	assert_true(o.run.no_pivot_root);
	assert_false(o.run.no_new_keyring);
	assert_true(o.run.systemd_cgroup);
	assert_int_equal(o.run.io_uid, 1000);
	assert_string_equal(o.run.binary_name, "crun");
	assert_string_equal(o.run.root, "/run/r");
	assert_string_equal(o.shim_cgroup, "/shims");
}

/* What containerd 1.6's packages send to a runtime of another name. */
TEST(options_of_the_first_runtime_are_read)
{
	Pb__Options__LinuxCreate m = PB__OPTIONS__LINUX_CREATE__INIT;
	Pb__Options__LinuxCheckpoint k = PB__OPTIONS__LINUX_CHECKPOINT__INIT;
	struct request_checkpoint to = { 0 };
	auto_done(arena) struct arena arena = { 0 };
	ProtobufCBinaryData bytes;
	struct task_options o;

	m.no_new_keyring = true;
	m.shim_cgroup = (char *)"/shims";
	m.io_gid = 2000;
	m.criu_image_path = (char *)"/image";
	assert_ok(message_to_bytes(&m.base, &arena, &bytes));
	assert_int_equal(task_options_decode_any("containerd.linux.runc.CreateOptions", bytes.data,
				 bytes.len, &arena, &o, NULL),
		1);
	assert_true(o.run.no_new_keyring);
	assert_false(o.run.no_pivot_root);
	assert_int_equal(o.run.io_gid, 2000);
	assert_string_equal(o.run.criu_image_path, "/image");
	assert_string_equal(o.shim_cgroup, "/shims");

	k.exit = true;
	k.image_path = (char *)"/image";
	k.work_path = (char *)"/work";
	assert_ok(message_to_bytes(&k.base, &arena, &bytes));
	assert_ok(task_options_decode_checkpoint("containerd.linux.runc.CheckpointOptions",
		bytes.data, bytes.len, &arena, &to, NULL));
	assert_true(to.exit);
	assert_string_equal(to.path, "/image");
	assert_string_equal(to.work_path, "/work");
}

TEST(unknown_types_say_nothing)
{
	auto_done(arena) struct arena arena = { 0 };
	struct task_options o = { .shim_cgroup = "x" };

	assert_int_equal(task_options_decode("", 0, &arena, &o, NULL), 0);
	assert_null(o.shim_cgroup);
	assert_int_equal(
		task_options_decode_any("kata.Options", "\xff\xff", 2, &arena, &o, NULL), 0);
	assert_int_equal(task_options_decode_any(NULL, NULL, 0, &arena, &o, NULL), 0);
	assert_int_equal(task_options_decode_any(ANY_RUNC_OPTIONS, "\xff\xff", 2, &arena, &o, NULL),
		-EBADMSG);
	assert_int_equal(task_options_decode("\xff", 1, &arena, &o, NULL), -EBADMSG);
}

TEST(a_table_as_cri_writes_it)
{
	auto_done(arena) struct arena arena = { 0 };
	struct task_options o;

	assert_int_equal(from_toml("BinaryName = \"\"\nCriuImagePath = \"\"\nIoUid = 0\nIoGid = 7\n"
				   "NoNewKeyring = false\nNoPivotRoot = false\nRoot = \"/run/x\"\n"
				   "ShimCgroup = \"\"\nSystemdCgroup = true\n"
				   "IoDrainMs = 500\nIoDirect = true\n",
				 &arena, &o, NULL),
		1);
	assert_true(o.run.systemd_cgroup);
	assert_false(o.run.no_pivot_root);
	assert_int_equal(o.run.io_gid, 7);
	assert_int_equal(o.run.io_drain_ms, 500);
	assert_true(o.run.io_direct);
	assert_string_equal(o.run.root, "/run/x");
}

TEST(tables_as_people_write_them)
{
	auto_done(arena) struct arena arena = { 0 };
	struct task_options o;

	assert_int_equal(
		from_toml("# runtime\n\n[plugins.\"x\".options] # here\r\n"
			  "\tsystemd_cgroup=true# yes\r\n  'Root'\t= '/a\\b' \n"
			  "\"binary-name\" = \"\\\"q\\\"\\t\\u00e9\\U0001F600\"\nio_uid = 1_000",
			&arena, &o, NULL),
		1);
	assert_true(o.run.systemd_cgroup);
	assert_string_equal(o.run.root, "/a\\b");
	assert_string_equal(o.run.binary_name, "\"q\"\t\xc3\xa9\xf0\x9f\x98\x80");
	assert_int_equal(o.run.io_uid, 1000);
	assert_int_equal(from_toml("", &arena, &o, NULL), 1);
}

TEST(bad_tables_name_line_and_option)
{
	static const struct {
		const char *text, *part;
	} rows[] = {
		{ "SystemdCgorup = true", "line 1: unknown option 'SystemdCgorup'" },
		{ "\nSystemdCgroup = 1",
			"runtime options, line 2: 'SystemdCgroup': true or false" },
		{ "Root = /x", "'Root': runtime options, line 1: a value is expected" },
		{ "Root = 1", "a string is expected" },
		{ "Root = \"x", "no end" },
		{ "Root = \"x\ny\"", "no end" },
		{ "Root = \"\\q\"", "bad escape" },
		{ "Root = \"\\ud800\"", "bad escape" },
		{ "Root = \"\\", "bad escape" },
		{ "IoUid = -1", "32 bits" },
		{ "IoUid = 4294967296", "32 bits" },
		{ "IoUid = \"1\"", "32 bits" },
		{ "SystemdCgroup", "a key and '='" },
		{ "= true", "a key is expected" },
		{ "\"Root = true", "a key is expected" },
		{ "SystemdCgroup = true Root = \"x\"", "left behind" },
		{ "SystemdCgroup = truely", "left behind" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auto_done(arena) struct arena arena = { 0 };
		struct err err = { 0 };
		struct task_options o;

		assert_int_equal(from_toml(rows[i].text, &arena, &o, &err), -EINVAL);
		assert_text_has(err.text, rows[i].part);
	}
}

TEST(a_table_may_be_a_file)
{
	struct test_tmpdir dir = test_tmpdir();
	auto_done(arena) struct arena arena = { 0 };
	Pb__Options__Runtime m = PB__OPTIONS__RUNTIME__INIT;
	ProtobufCBinaryData bytes;
	struct err err = { 0 };
	struct task_options o;
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/o.toml", dir.path);
	m.config_path = path;
	assert_ok(message_to_bytes(&m.base, &arena, &bytes));
	assert_int_equal(task_options_decode_any(
				 ANY_RUNTIME_OPTIONS, bytes.data, bytes.len, &arena, &o, &err),
		-EINVAL);
	assert_text_has(err.text, path);
	fd = openat(dir.fd, "o.toml", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_int_equal(write(fd, "NoPivotRoot=true\n", 17), 17);
	assert_int_equal(task_options_decode_any(
				 ANY_RUNTIME_OPTIONS, bytes.data, bytes.len, &arena, &o, &err),
		1);
	assert_true(o.run.no_pivot_root);
	assert_int_equal(write(fd, "\0", 1), 1);
	assert_int_equal(task_options_decode_any(
				 ANY_RUNTIME_OPTIONS, bytes.data, bytes.len, &arena, &o, &err),
		-EINVAL);
	close(fd);
	test_tmpdir_remove(&dir);
}
