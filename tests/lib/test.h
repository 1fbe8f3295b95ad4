/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Unit tests: TEST(what_holds) { ... } registers a test; this header brings main(). TAP on stdout.
 *
 * Owner    test_tmpdir() makes a directory that the test ends with test_tmpdir_remove().
 * Errors   A failed assertion ends the test. Exit 77 when every test was skipped, 1 when one
 * failed. Context  One file per program includes this header.
 *
 * With REEVE_NO_SKIP=1 in the environment a skipped test is a failed one; REEVE_TEST=NAME runs only that one. A child made with fork()
 * must end with _exit() and report by its status: assertions work in the parent only.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEST_MAX 256

static struct CMUnitTest test_list[TEST_MAX];
static size_t test_count, test_skipped;

static inline void test_register(const char *name, CMUnitTestFunction fn)
{
	if (test_count == TEST_MAX)
		abort();
	test_list[test_count++] = (struct CMUnitTest){ .name = name, .test_func = fn };
}

#define TEST(test_name) \
	static void test_name(void **test_state); \
	static __attribute__((constructor)) void test_register_##test_name(void) \
	{ \
		test_register(#test_name, test_name); \
	} \
	static void test_name(void **test_state __attribute__((unused)))

/* Leave the test unrun, with the reason. */
#define test_skip(...) \
	do { \
		test_skipped++; \
		printf("# %s skipped: ", __func__); \
		printf(__VA_ARGS__); \
		printf("\n"); \
		skip(); \
	} while (0)

/* A deadline, with room where the machine is busy: TEST_SLOW in the environment is the factor, else 3. */
static inline int test_ms(int ms)
{
	const char *slow = getenv("TEST_SLOW");

	return ms * (slow && atoi(slow) > 0 ? atoi(slow) : 3);
}

#define assert_ok(call) assert_int_equal((call), 0)
#define assert_text_has(text, part) \
	do { \
		if (!strstr((text), (part))) \
			fail_msg("'%s' does not contain '%s'", (text), (part)); \
	} while (0)

struct test_tmpdir {
	char path[64];
	int fd;
};

static inline struct test_tmpdir test_tmpdir_at(const char *parent)
{
	struct test_tmpdir t;

	snprintf(t.path, sizeof(t.path), "%s/reeve-test-XXXXXX", parent);
	assert_non_null(mkdtemp(t.path));
	t.fd = open(t.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(t.fd >= 0);
	return t;
}

static inline struct test_tmpdir test_tmpdir(void)
{
	return test_tmpdir_at("/tmp");
}

/* In memory, for tests that make many files. */
static inline struct test_tmpdir test_tmpdir_memory(void)
{
	return test_tmpdir_at(access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
}

static inline int test_remove_one(
	const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static inline void test_tmpdir_remove(struct test_tmpdir *t)
{
	close(t->fd);
	nftw(t->path, test_remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

/* Number of open fds: equal before and after means that nothing leaked. */
static inline size_t test_open_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	size_t n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

/* Tests register themselves; a list at the end of a file is accepted and says nothing. */
#define RUN(test_name)
#define TEST_MAIN(...)

int main(void)
{
	int failed;

	if (getenv("REEVE_TEST"))
		cmocka_set_test_filter(getenv("REEVE_TEST"));
	cmocka_set_message_output(CM_OUTPUT_TAP);
	failed = _cmocka_run_group_tests("", test_list, test_count, NULL, NULL);
	if (failed)
		return 1;
	if (test_skipped > 0 && getenv("REEVE_NO_SKIP"))
		return 1;
	return test_count > 0 && test_skipped == test_count ? 77 : 0;
}
