/* SPDX-License-Identifier: Apache-2.0 */
/* src/main/heap.c under other names (tests/unit/meson.build), beside the library's heap. */
#include "test.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

void *heap_malloc(size_t size);
void *heap_calloc(size_t n, size_t size);
void *heap_realloc(void *p, size_t size);
void heap_free(void *p);
void *heap_aligned_alloc(size_t alignment, size_t size);
void *heap_memalign(size_t alignment, size_t size);
int heap_posix_memalign(void **ret, size_t alignment, size_t size);
size_t heap_malloc_usable_size(void *p);
int heap_malloc_trim(size_t pad);

static uint32_t state = 1;

static uint32_t next(void)
{
	state = state * 1664525u + 1013904223u;
	return state >> 8;
}

static size_t some_size(void)
{
	static const size_t most[] = { 1, 24, 200, 5000, 70000, 300000 };

	return next() % most[next() % 6] + 1;
}

struct block {
	unsigned char *p;
	size_t size;
	unsigned char fill;
};

static void check(const struct block *b)
{
	for (size_t i = 0; i < b->size; i++)
		assert_int_equal(b->p[i], b->fill);
}

TEST(blocks_keep_what_is_in_them_and_overlap_nowhere)
{
	static struct block blocks[64];

	for (int round = 0; round < 20000; round++) {
		struct block *b = &blocks[next() % 64];
		size_t size = some_size();
		size_t kept = b->size < size ? b->size : size;

		check(b);
		switch (next() % 4) {
		case 0:
			heap_free(b->p);
			*b = (struct block){ 0 };
			continue;
		case 1:
			b->p = heap_realloc(b->p, size);
			for (size_t i = 0; i < kept; i++)
				assert_int_equal(b->p[i], b->fill);
			break;
		case 2:
			heap_free(b->p);
			b->p = heap_calloc(1, size);
			for (size_t i = 0; i < size; i++)
				assert_int_equal(b->p[i], 0);
			break;
		default:
			heap_free(b->p);
			b->p = heap_malloc(size);
			break;
		}
		assert_non_null(b->p);
		assert_int_equal((uintptr_t)b->p % 16, 0);
		assert_true(heap_malloc_usable_size(b->p) >= size);
		b->size = size;
		b->fill = (unsigned char)next();
		memset(b->p, b->fill, size);
	}
	for (size_t i = 0; i < 64; i++)
		heap_free(blocks[i].p);
}

TEST(what_is_freed_is_used_again)
{
	void *a = heap_malloc(1000);

	heap_free(a);
	assert_ptr_equal(heap_malloc(900), a);
	heap_free(a);
	heap_free(NULL);
	assert_int_equal(heap_malloc_trim(0), 0);
}

TEST(alignment_is_kept)
{
	for (size_t to = 8; to <= 65536; to *= 2) {
		void *p = NULL;
		char *a = heap_aligned_alloc(to, 100), *b = heap_memalign(to, 100);

		assert_int_equal(heap_posix_memalign(&p, to, 5000), 0);
		assert_int_equal((uintptr_t)a % to | (uintptr_t)b % to | (uintptr_t)p % to, 0);
		assert_true(heap_malloc_usable_size(p) >= 5000);
		memset(a, 1, 100);
		memset(b, 2, 100);
		memset(p, 3, 5000);
		assert_int_equal(a[99], 1);
		p = heap_realloc(p, 200000);
		assert_int_equal(((char *)p)[4999], 3);
		heap_free(a);
		heap_free(b);
		heap_free(p);
	}
}

TEST(what_cannot_be_had_is_refused)
{
	volatile size_t huge = SIZE_MAX;

	errno = 0;
	assert_null(heap_malloc(huge));
	assert_int_equal(errno, ENOMEM);
	assert_null(heap_malloc(huge - 4096));
	assert_null(heap_calloc(huge / 2, 3));
	assert_null(heap_aligned_alloc(64, huge));
}

TEST(a_second_free_is_the_end)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		void *volatile p = heap_malloc(10);

		heap_free(p);
		heap_free(p);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}
