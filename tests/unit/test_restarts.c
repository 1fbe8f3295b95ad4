/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "settings/restarts.h"

static void put(int dir, const char *name, const char *text)
{
	int fd = openat(dir, name, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0600);

	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

TEST(what_is_noted_is_read)
{
	struct test_tmpdir dir = test_tmpdir();
	auto_done(arena) struct arena arena = { 0 };
	struct restart *list;
	size_t n = 7;

	assert_ok(restarts_read(dir.fd, &arena, &list, &n, NULL));
	assert_int_equal(n, 0);
	assert_ok(restarts_note(dir.fd, 0, NULL, NULL)); /* nothing has happened */
	assert_ok(restarts_read(dir.fd, &arena, &list, &n, NULL));
	assert_int_equal(n, 0);
	assert_ok(restarts_note(dir.fd, 1, "was killed by signal 9", NULL));
	put(dir.fd, "crash", "reeved 1: signal 11\nreeved+0x1\n");
	assert_ok(restarts_note(dir.fd, 2, "was \"killed\" by signal 11", NULL));
	put(dir.fd, "crash", "x\n");
	assert_ok(restarts_note(dir.fd, 0, NULL, NULL));
	assert_int_equal(faccessat(dir.fd, "crash", F_OK, 0), -1);
	assert_ok(restarts_read(dir.fd, &arena, &list, &n, NULL));
	assert_int_equal(n, 3);
	assert_int_equal(list[0].number, 1);
	assert_string_equal(list[0].reason, "was killed by signal 9");
	assert_string_equal(list[0].crash, "");
	assert_string_equal(list[1].reason, "was \"killed\" by signal 11");
	assert_string_equal(list[1].crash, "reeved 1: signal 11\nreeved+0x1\n");
	assert_string_equal(list[2].reason, "crashed");
	assert_memory_equal(list[2].time, "20", 2);
	test_tmpdir_remove(&dir);
}

#define BOOT "5a0c9a3e-0000-4000-8000-000000000001"
#define OTHER_BOOT "5a0c9a3e-0000-4000-8000-000000000002"

/* How many deaths of guardians are written down. */
static size_t guardians(int dir)
{
	auto_done(arena) struct arena arena = { 0 };
	struct restart *list;
	size_t n, found = 0;

	assert_ok(restarts_read(dir, &arena, &list, &n, NULL));
	for (size_t i = 0; i < n; i++)
		found += list[i].guardian;
	return found;
}

TEST(a_guardian_that_was_killed_is_told_once)
{
	struct test_tmpdir dir = test_tmpdir();
	auto_done(arena) struct arena arena = { 0 };
	struct restart *list;
	bool gone;
	size_t n;

	assert_ok(restarts_guardian_is(dir.fd, BOOT " 7 100", &gone, NULL));
	assert_false(gone);
	assert_ok(restarts_guardian_is(dir.fd, BOOT " 7 100", &gone, NULL)); /* a worker later */
	assert_false(gone);
	assert_ok(restarts_guardian_was(dir.fd, BOOT " 7 100", "was killed", NULL));
	assert_ok(restarts_guardian_was(dir.fd, BOOT " 7 100", "was killed", NULL));
	assert_ok(restarts_guardian_is(dir.fd, BOOT " 8 200", &gone, NULL));
	assert_false(gone);
	assert_ok(restarts_note(dir.fd, 1, "was killed by signal 9", NULL));
	assert_ok(restarts_read(dir.fd, &arena, &list, &n, NULL));
	assert_int_equal(n, 2);
	assert_true(list[0].guardian);
	assert_string_equal(list[0].reason, "was killed");
	assert_false(list[1].guardian);
	test_tmpdir_remove(&dir);
}

TEST(a_guardian_that_died_with_its_worker_is_told_at_the_next_start)
{
	struct test_tmpdir dir = test_tmpdir();
	bool gone;

	assert_ok(restarts_guardian_is(dir.fd, BOOT " 7 100", &gone, NULL));
	assert_ok(restarts_guardian_is(dir.fd, BOOT " 8 200", &gone, NULL));
	assert_true(gone);
	assert_ok(restarts_guardian_is(dir.fd, BOOT " 8 200", &gone, NULL));
	assert_false(gone);
	assert_int_equal(guardians(dir.fd), 1);
	test_tmpdir_remove(&dir);
}

TEST(who_tells_of_a_guardian_may_die_before_it_has_forgotten_it)
{
	struct test_tmpdir dir = test_tmpdir();
	bool gone;

	assert_ok(restarts_guardian_is(dir.fd, BOOT " 7 100", &gone, NULL));
	assert_ok(restarts_guardian_was(dir.fd, BOOT " 7 100", "was killed", NULL));
	put(dir.fd, "guardian", BOOT " 7 100");
	assert_ok(restarts_guardian_is(dir.fd, BOOT " 8 200", &gone, NULL));
	assert_int_equal(guardians(dir.fd), 1);
	test_tmpdir_remove(&dir);
}

TEST(no_guardian_is_told_that_ended_in_order_or_with_its_boot)
{
	struct test_tmpdir dir = test_tmpdir();
	bool gone;

	assert_ok(restarts_guardian_is(dir.fd, BOOT " 7 100", &gone, NULL));
	assert_ok(restarts_guardian_was(dir.fd, BOOT " 7 100", NULL, NULL));
	assert_ok(restarts_guardian_is(dir.fd, BOOT " 8 200", &gone, NULL));
	assert_false(gone);
	assert_ok(restarts_guardian_is(dir.fd, OTHER_BOOT " 7 100", &gone, NULL));
	assert_false(gone);
	assert_int_equal(guardians(dir.fd), 0);
	test_tmpdir_remove(&dir);
}

TEST(one_that_never_began_does_not_end_the_guardian_before)
{
	struct test_tmpdir dir = test_tmpdir();
	bool gone;

	assert_ok(restarts_guardian_is(dir.fd, BOOT " 7 100", &gone, NULL));
	assert_ok(restarts_guardian_was(dir.fd, BOOT " 8 200", NULL, NULL));
	assert_ok(restarts_guardian_is(dir.fd, BOOT " 9 300", &gone, NULL));
	assert_true(gone);
	test_tmpdir_remove(&dir);
}

TEST(what_is_not_ours_is_stepped_over)
{
	struct test_tmpdir dir = test_tmpdir();
	auto_done(arena) struct arena arena = { 0 };
	struct restart *list;
	size_t n;

	put(dir.fd, "restarts",
		"nonsense\n[]\n{\"number\":-1,\"reason\":7}\n{\"number\":5,\"reason\":\"r\"}\n{"
		"\"cut");
	assert_ok(restarts_read(dir.fd, &arena, &list, &n, NULL));
	assert_int_equal(n, 2);
	assert_string_equal(list[0].reason, "");
	assert_int_equal(list[1].number, 5);
	test_tmpdir_remove(&dir);
}

TEST(the_file_stays_short)
{
	struct test_tmpdir dir = test_tmpdir();
	auto_done(arena) struct arena arena = { 0 };
	struct restart *list;
	struct stat st;
	size_t n;

	for (unsigned int i = 1; i <= 2000; i++)
		assert_ok(restarts_note(dir.fd, i, "was killed by signal 9", NULL));
	assert_ok(fstatat(dir.fd, "restarts", &st, 0));
	assert_true(st.st_size < 40000);
	assert_ok(restarts_read(dir.fd, &arena, &list, &n, NULL));
	assert_true(n > 100);
	assert_int_equal(list[n - 1].number, 2000);
	test_tmpdir_remove(&dir);
}

TEST(a_line_that_was_cut_takes_nothing_along)
{
	struct test_tmpdir dir = test_tmpdir();
	auto_done(arena) struct arena arena = { 0 };
	struct restart *list;
	size_t n;

	put(dir.fd, "restarts", "{\"number\":5,\"reason\":\"r\"}\n{\"number\":6,\"rea");
	assert_ok(restarts_note(dir.fd, 7, "was killed", NULL));
	assert_ok(restarts_read(dir.fd, &arena, &list, &n, NULL));
	assert_int_equal(n, 2);
	assert_int_equal(list[0].number, 5);
	assert_int_equal(list[1].number, 7);
	test_tmpdir_remove(&dir);
}
