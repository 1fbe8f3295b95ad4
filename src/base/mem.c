/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory: checked allocation and the arena.
 *
 * An arena is a list of chunks; small pieces are cut from the newest one, a piece that is larger
 * than a quarter of a chunk gets its own, put behind the newest so that the room that is left there
 * stays usable. Chunks grow with the arena (1, 1, 2, 4 to 64 KiB): a small document costs one
 * allocation, a large one few. Fresh chunks come from calloc, so every piece is zero without a
 * second pass.
 */
#include "base/mem.h"

#include <errno.h>
#include <link.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define STACK_BYTES (256u << 10)
#define CHUNK_MIN (1024u - 16) /* with what an allocator puts before it a power of two */
#define CHUNK_MAX 65536u
#define ALIGN 16u

struct arena_chunk {
	struct arena_chunk *next;
	size_t used, size; /* of data */
	_Alignas(ALIGN) char data[];
};

void *mem_calloc(size_t n, size_t size)
{
	size_t total;

	if (__builtin_mul_overflow(n, size, &total))
		return NULL;
	return calloc(1, total ? total : 1);
}

int mem_grow(void *array, size_t *cap, size_t want, size_t size)
{
	void **slot = array;
	size_t grown = *cap ? *cap : 8, bytes;
	void *data;

	if (want <= *cap)
		return 0;
	while (grown < want)
		if (__builtin_mul_overflow(grown, 2, &grown))
			return -ENOMEM;
	if (__builtin_mul_overflow(grown, size, &bytes))
		return -ENOMEM;
	data = realloc(*slot, bytes);
	if (!data)
		return -ENOMEM;
	*slot = data;
	*cap = grown;
	return 0;
}

void mem_release(void)
{
#ifdef __GLIBC__
	malloc_trim(0);
#endif
}

/*
 * The first 128 KiB below the arguments are mapped from the exec on, deeper ones when they were touched; what is not mapped
 * is passed over, and the next mapping is a gap of at least 1 MiB away. One page below us is what the call itself uses.
 */
__attribute__((noinline)) void mem_release_stack(void)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	uintptr_t end = ((uintptr_t)__builtin_frame_address(0) & ~(page - 1)) - page;

	(void)madvise((void *)(end - STACK_BYTES), STACK_BYTES, MADV_DONTNEED);
}

/* Whole pages of what was loaded and can never have been written to. */
static int release_segments(struct dl_phdr_info *info, size_t size, void *arg)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

	for (size_t i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];
		uintptr_t begin = info->dlpi_addr + p->p_vaddr, end = begin + p->p_memsz;

		begin = (begin + page - 1) & ~(page - 1);
		end &= ~(page - 1);
		if (p->p_type == PT_LOAD && !(p->p_flags & PF_W) && begin < end)
			(void)madvise((void *)begin, end - begin, MADV_DONTNEED);
	}
	return 1; /* the first is the program */
}

void mem_release_program(void)
{
	dl_iterate_phdr(release_segments, NULL);
}

static struct arena_chunk *chunk_new(size_t size)
{
	struct arena_chunk *c;
	size_t total;

	if (__builtin_add_overflow(size, sizeof(*c), &total))
		return NULL;
	c = calloc(1, total);
	if (c)
		c->size = size;
	return c;
}

static void *chunk_cut(struct arena_chunk *c, size_t size)
{
	void *p = c->data + c->used;

	c->used += size;
	return p;
}

void *arena_alloc(struct arena *a, size_t size)
{
	struct arena_chunk *c = a->chunks;
	size_t room;

	if (__builtin_add_overflow(size ? size : 1, ALIGN - 1, &size))
		return NULL;
	size &= ~(size_t)(ALIGN - 1);
	if (c && c->size - c->used >= size)
		return chunk_cut(c, size);

	/* Twice the last, but for the second: most arenas are of little more than one. */
	room = !c ? CHUNK_MIN - sizeof(*c) : c->next ? c->size * 2 : c->size;
	if (room > CHUNK_MAX)
		room = CHUNK_MAX;
	if (size > room / 4) {
		c = chunk_new(size);
		if (!c)
			return NULL;
		if (a->chunks) {
			c->next = a->chunks->next;
			a->chunks->next = c;
		} else {
			a->chunks = c;
		}
		return chunk_cut(c, size);
	}
	c = chunk_new(room);
	if (!c)
		return NULL;
	c->next = a->chunks;
	a->chunks = c;
	return chunk_cut(c, size);
}

void *arena_calloc(struct arena *a, size_t n, size_t size)
{
	size_t total;

	if (__builtin_mul_overflow(n, size, &total))
		return NULL;
	return arena_alloc(a, total);
}

char *arena_strdup(struct arena *a, const char *s)
{
	return arena_strndup(a, s, strlen(s));
}

char *arena_strndup(struct arena *a, const char *s, size_t n)
{
	size_t len = strnlen(s, n);
	char *p = arena_alloc(a, len + 1);

	if (p)
		memcpy(p, s, len);
	return p;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap;
	char *p;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		return NULL;
	p = arena_alloc(a, (size_t)n + 1);
	if (!p)
		return NULL;
	va_start(ap, fmt);
	vsnprintf(p, (size_t)n + 1, fmt, ap);
	va_end(ap);
	return p;
}

void arena_done(struct arena *a)
{
	struct arena_chunk *c, *next;

	if (!a)
		return;
	for (c = a->chunks; c; c = next) {
		next = c->next;
		free(c);
	}
	a->chunks = NULL;
}
