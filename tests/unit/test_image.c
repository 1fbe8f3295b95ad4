/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "base/image.h"
#include "base/mem.h"
#include "base/str.h"

/* A table of addresses that is some pages large. */
#define W1(x) "word " #x, "other " #x,
#define W4(x) W1(x##0) W1(x##1) W1(x##2) W1(x##3)
#define W16(x) W4(x##0) W4(x##1) W4(x##2) W4(x##3)
#define W64(x) W16(x##0) W16(x##1) W16(x##2) W16(x##3)
#define W256(x) W64(x##0) W64(x##1) W64(x##2) W64(x##3)
#define W1024(x) W256(x##0) W256(x##1) W256(x##2) W256(x##3)

const char *const table[] = { W1024(1) W1024(2) };

static size_t total(const struct image *im)
{
	size_t n = 0;

	for (size_t i = 0; i < im->n_runs; i++)
		n += im->runs[i].size;
	return n;
}

static bool is_intact(void)
{
	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		if (strncmp(table[i], i % 2 ? "other " : "word ", 5) != 0)
			return false;
	return true;
}

/* KiB of a process's mapping at `at` that are its own. */
static long own_kib(pid_t pid, uintptr_t at)
{
	char path[64], line[512];
	unsigned long begin, end;
	bool here = false;
	long kib = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/smaps", (int)pid);
	f = fopen(path, "re");
	while (f && kib < 0 && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &begin, &end) == 2)
			here = at >= begin && at < end;
		if (here && strncmp(line, "Private_Dirty:", 14) == 0)
			kib = strtol(line + 14, NULL, 10);
	}
	if (f)
		fclose(f);
	return kib;
}

TEST(pages_of_the_table_are_found)
{
	struct image im;

	image_look(&im);
	if (total(&im) == 0)
		test_skip("this program is not position-independent");
	assert_true(total(&im) >= sizeof(table) / 2);
}

TEST(they_are_gone_while_it_waits_and_back_when_it_goes_on)
{
	auto_close int wake = eventfd(0, EFD_CLOEXEC);
	struct image im;
	pid_t watcher, parent = getpid();
	int status;

	image_look(&im);
	if (total(&im) == 0)
		test_skip("this program is not position-independent");
	watcher = fork();
	assert_true(watcher >= 0);
	if (watcher == 0) {
		uint64_t one = 1;
		long kib = -1;

		for (int i = 0; i < 2000 && kib != 0; i++) {
			poll(NULL, 0, 5);
			kib = own_kib(parent, im.runs[0].at);
		}
		_exit(write(wake, &one, sizeof(one)) == sizeof(one) && kib == 0 ? 0 : 1);
	}
	image_wait(&im, wake, -1);
	assert_true(is_intact());
	assert_int_equal(waitpid(watcher, &status, 0), watcher);
	assert_int_equal(status, 0);
	assert_true(own_kib(parent, im.runs[0].at) > 0);
}

TEST(a_limit_ends_the_wait)
{
	auto_close int never = eventfd(0, EFD_CLOEXEC);
	struct image im;

	image_look(&im);
	image_wait(&im, never, 20);
	image_wait(&im, never, 0);
	assert_true(is_intact());
}

TEST(without_pages_it_only_waits)
{
	auto_close int ready = eventfd(1, EFD_CLOEXEC);
	struct image none = { 0 };

	image_wait(&none, ready, -1);
	assert_true(is_intact());
}
