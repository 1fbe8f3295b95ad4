/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "settings/settings.h"

#define DELIVERED SOURCE_ROOT "/packaging/reeved.toml"

static char *slurp(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *data = calloc(1, 65536);

	assert_true(fd >= 0);
	assert_non_null(data);
	assert_true(read(fd, data, 65535) >= 0);
	close(fd);
	return data;
}

TEST(the_delivered_file_is_what_is_printed)
{
	auto_done(settings) struct settings s = { 0 };
	auto_done(buf) struct buf out = { 0 };
	char *file = slurp(DELIVERED);

	assert_ok(settings_init(&s, NULL));
	settings_write(&s, true, &out);
	assert_ok(buf_ok(&out));
	assert_string_equal(out.data, file);
	free(file);
}

/* Every key comes back as it was written, also from the delivered file with its '#' taken away. */
TEST(what_is_written_is_read)
{
	auto_done(settings) struct settings s = { 0 };
	auto_done(settings) struct settings again = { 0 };
	auto_done(buf) struct buf first = { 0 };
	auto_done(buf) struct buf second = { 0 };
	struct err err = { 0 };

	assert_ok(settings_init(&s, NULL));
	s.address = "/a \"b\"\\c";
	s.socket_mode = 0600;
	s.tasks_max = 7;
	s.recorder = false;
	s.embedded[1] = NULL;
	settings_write(&s, false, &first);
	assert_ok(settings_init(&again, NULL));
	if (settings_parse(&again, first.data, "f", &err) < 0)
		fail_msg("%s", err.text);
	assert_string_equal(again.address, s.address);
	assert_int_equal(again.socket_mode, 0600);
	assert_null(again.embedded[1]);
	settings_write(&again, false, &second);
	assert_string_equal(first.data, second.data);
}

TEST(the_delivered_file_changes_nothing)
{
	auto_done(settings) struct settings s = { 0 };
	auto_done(settings) struct settings delivered = { 0 };
	auto_done(settings) struct settings uncommented = { 0 };
	auto_done(buf) struct buf a = { 0 };
	auto_done(buf) struct buf b = { 0 };
	auto_done(buf) struct buf c = { 0 };
	struct err err = { 0 };
	char *file;

	assert_ok(settings_init(&s, NULL));
	settings_write(&s, false, &a);
	assert_ok(settings_init(&delivered, NULL));
	if (settings_load(&delivered, DELIVERED, false, &err) < 0)
		fail_msg("%s", err.text);
	settings_write(&delivered, false, &b);
	assert_string_equal(a.data, b.data);
	file = slurp(DELIVERED);
	for (char *p = file; (p = strchr(p, '#')); p++)
		if (p[1] == ' ')
			p++;
		else
			*p = ' ';
	assert_ok(settings_init(&uncommented, NULL));
	if (settings_parse(&uncommented, file, "f", &err) < 0)
		fail_msg("%s", err.text);
	settings_write(&uncommented, false, &c);
	assert_string_equal(a.data, c.data);
	free(file);
}

TEST(what_is_not_known_is_refused_by_name_and_line)
{
	static const struct {
		const char *text, *part;
	} rows[] = {
		{ "adress = \"/x\"", "f, line 1: unknown key 'adress'" },
		{ "\n[log]\nlevl = \"info\"", "f, line 3: unknown key 'log.levl'" },
		{ "[lgo]", "f, line 1: unknown table 'lgo'" },
		{ "[log.x]", "unknown table 'log.x'" },
		{ "[log]\naddress = \"/x\"", "unknown key 'log.address'" },
		{ "[log]\n[gc]\n[log]", "line 3: table 'log' stands twice" },
		{ "root = \"/x\"\nroot = \"/x\"", "line 2: key 'root' stands twice" },
		{ "log.level = \"info\"\n[log]\nlevel = \"info\"",
			"line 3: key 'level' stands twice" },
		{ "root = 1", "line 1: 'root' is a string, not a whole number" },
		{ "root = true", "'root' is a string, not true or false" },
		{ "root = [\"/x\"]", "'root' is a string, not a list of strings" },
		{ "tasks.embedded = \"x\"", "'embedded' is a list of strings, not a string" },
		{ "exits.recorder = \"on\"", "'recorder' is true or false, not a string" },
		{ "tasks.max = -1", "'max' is outside of 0 to" },
		{ "socket.mode = 0o1000", "'mode' is outside of 0o0 to 0o777" },
		{ "worker.oom_score = 1001", "outside of -1000 to 1000" },
		{ "log.level = \"loud\"", "'level' may not be 'loud'" },
		{ "log.format = \"xml\"", "'format' may not be 'xml'" },
		{ "state = \"run\"", "'state': 'run' is no absolute path" },
		{ "state =", "'state': f, line 1: a value is expected" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auto_done(settings) struct settings s = { 0 };
		struct err err = { 0 };

		assert_ok(settings_init(&s, NULL));
		assert_int_equal(settings_parse(&s, rows[i].text, "f", &err), -EINVAL);
		assert_text_has(err.text, rows[i].part);
	}
}

TEST(what_goes_together_is_checked)
{
	static const struct {
		const char *text, *part; /* NULL: all is well */
	} rows[] = {
		{ "", NULL },
		{ "address = \"/x\"", NULL },
		{ "address = \"\"", "address '' is no absolute path" },
		{ "root = \"\"", "root ''" },
		{ "state = \"\"", "state ''" },
		{ "address = \"/x\"\nttrpc_address = \"/x\"", "are both '/x'" },
		{ "exits.bpffs = \"\"", NULL },
		{ "exits.bpffs = \"\"\nexits.recorder = false", NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auto_done(settings) struct settings s = { 0 };
		struct err err = { 0 };

		assert_ok(settings_init(&s, NULL));
		assert_ok(settings_parse(&s, rows[i].text, "f", &err));
		if (!rows[i].part) {
			assert_ok(settings_check(&s, &err));
			assert_text_has(s.ttrpc_address, ".ttrpc");
			continue;
		}
		assert_int_equal(settings_check(&s, &err), -EINVAL);
		assert_text_has(err.text, rows[i].part);
	}
}

TEST(a_file_that_is_not_there)
{
	struct test_tmpdir dir = test_tmpdir();
	auto_done(settings) struct settings s = { 0 };
	struct err err = { 0 };
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/r.toml", dir.path);
	assert_ok(settings_init(&s, NULL));
	assert_ok(settings_load(&s, path, true, &err));
	assert_int_equal(settings_load(&s, path, false, &err), -ENOENT);
	assert_text_has(err.text, path);
	fd = openat(dir.fd, "r.toml", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_int_equal(write(fd, "[gc]\ndelay_ms = 5\n", 18), 18);
	assert_ok(settings_load(&s, path, false, &err));
	assert_int_equal(s.gc_delay_ms, 5);
	assert_int_equal(write(fd, "\0", 1), 1);
	assert_int_equal(settings_load(&s, path, true, &err), -EINVAL);
	assert_text_has(err.text, "NUL");
	close(fd);
	assert_true(settings_load(&s, dir.path, true, &err) < 0);
	test_tmpdir_remove(&dir);
}

static void check_bpffs(const char *state, const char *said, bool usual, char ret[80])
{
	auto_done(settings) struct settings s = { 0 };

	assert_ok(settings_init(&s, NULL));
	s.state = state;
	if (said)
		s.recorder_bpffs = said;
	assert_ok(settings_check(&s, NULL));
	if (said)
		assert_string_equal(s.recorder_bpffs, said);
	else
		assert_int_equal(strcmp(s.recorder_bpffs, "/sys/fs/bpf/reeved") == 0, usual);
	snprintf(ret, 80, "%s", s.recorder_bpffs);
}

TEST(each_daemon_has_its_own_place_for_the_recorder)
{
	char a[80], b[80], again[80];

	check_bpffs("/run/reeved", NULL, true, a);
	check_bpffs("/run/reeved/", NULL, true, a);
	check_bpffs("/x/state", "/y", false, a);
	check_bpffs("/x/state", NULL, false, a);
	check_bpffs("/y/state", NULL, false, b);
	assert_true(strncmp(a, "/sys/fs/bpf/reeved-", 19) == 0 && strlen(a) == 19 + 16);
	assert_string_not_equal(a, b);
	check_bpffs("/x//state/", NULL, false, again);
	assert_string_equal(a, again);
}
