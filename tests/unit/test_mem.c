/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"

TEST(calloc_refuses_an_overflow)
{
	volatile size_t half = SIZE_MAX / 2;
	void *p;

	assert_null(mem_calloc(half, 3));
	p = mem_calloc(0, 8);
	assert_non_null(p);
	free(p);
}

TEST(grow_keeps_contents_and_doubles)
{
	int *a = NULL;
	size_t cap = 0;

	assert_ok(mem_grow(&a, &cap, 1, sizeof(*a)));
	assert_true(cap >= 1);
	a[0] = 7;
	for (size_t want = 1; want < 1000; want++) {
		assert_ok(mem_grow(&a, &cap, want, sizeof(*a)));
		a[want - 1] = (int)want;
	}
	assert_true(cap >= 999 && cap < 2100);
	assert_int_equal(a[0], 1);
	assert_int_equal(a[998], 999);
	assert_int_equal(mem_grow(&a, &cap, SIZE_MAX / 2, sizeof(*a)), -ENOMEM);
	assert_int_equal(a[998], 999);
	free(a);
}

TEST(arena_pieces_are_zero_aligned_and_apart)
{
	struct arena a = { 0 };
	unsigned char *pieces[600];
	size_t sizes[600];

	for (size_t i = 0; i < 600; i++) {
		sizes[i] = (i * 7919) % (i % 50 == 0 ? 100000 : 300);
		pieces[i] = arena_alloc(&a, sizes[i]);
		assert_non_null(pieces[i]);
		assert_int_equal((uintptr_t)pieces[i] % 16, 0);
		for (size_t k = 0; k < sizes[i]; k++)
			assert_int_equal(pieces[i][k], 0);
		memset(pieces[i], (int)(i % 251) + 1, sizes[i]);
	}
	for (size_t i = 0; i < 600; i++)
		for (size_t k = 0; k < sizes[i]; k++)
			assert_int_equal(pieces[i][k], i % 251 + 1);
	arena_done(&a);
	arena_done(&a);
	arena_done(NULL);
}

TEST(arena_strings)
{
	struct arena a = { 0 };

	assert_string_equal(arena_strdup(&a, ""), "");
	assert_string_equal(arena_strdup(&a, "abc"), "abc");
	assert_string_equal(arena_strndup(&a, "abcdef", 3), "abc");
	assert_string_equal(arena_strndup(&a, "ab", 30), "ab");
	assert_string_equal(arena_printf(&a, "%s-%d", "x", 5), "x-5");
	arena_done(&a);
}

TEST(arena_refuses_an_overflow)
{
	struct arena a = { 0 };

	assert_null(arena_alloc(&a, SIZE_MAX));
	assert_null(arena_alloc(&a, SIZE_MAX - 40));
	assert_null(arena_calloc(&a, SIZE_MAX / 2, 3));
	assert_non_null(arena_alloc(&a, 1));
	arena_done(&a);
}

static int closed_by_scope(void)
{
	auto_close int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	auto_free char *p = strdup("x");

	return p ? fd : -1;
}

/* KiB of the stack that are in memory. */
static long stack_kib(void)
{
	FILE *f = fopen("/proc/self/smaps", "re");
	bool here = false;
	char line[512];
	long kib = -1;

	assert_non_null(f);
	while (kib < 0 && fgets(line, sizeof(line), f)) {
		here = here || strstr(line, "[stack]");
		if (here && strncmp(line, "Rss:", 4) == 0)
			kib = strtol(line + 4, NULL, 10);
	}
	fclose(f);
	return kib;
}

static __attribute__((noinline)) long use_stack(void)
{
	volatile char deep[100 << 10];

	for (size_t i = 0; i < sizeof(deep); i += 512)
		deep[i] = (char)i;
	return deep[sizeof(deep) - 512] + stack_kib();
}

TEST(the_stack_that_deeper_calls_have_used_is_given_back)
{
	long deep = use_stack();
	char mine[] = "kept";

	assert_true(deep > 90);
	mem_release_stack();
	assert_true(stack_kib() <= deep - 64);
	assert_string_equal(mine, "kept");
}

TEST(scope_end_closes_and_take_hands_over)
{
	int fd = closed_by_scope(), kept;
	char *p = strdup("y"), *q;

	assert_int_equal(fcntl(fd, F_GETFD), -1);
	q = take_ptr(p);
	assert_null(p);
	assert_string_equal(q, "y");
	free(q);
	fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	kept = take_fd(&fd);
	assert_int_equal(fd, -EBADF);
	assert_true(kept >= 0);
	close(kept);
}
