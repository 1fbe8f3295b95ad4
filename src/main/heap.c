/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The heap of a program that lives for one command, in place of the C library's: memory of the program itself, which
 * costs no system call, and no start-up (the library's asks for a random number and moves the end of the data three times).
 * It is the CLI's alone; a shim has the library's.
 *
 * Blocks have the size of a power of two and come from one region, in order; a block that is freed is the next of its size.
 * What is large, or comes when the region is full, is mapped by itself. Each block has a head that says what it is, which
 * a second free, or an overrun of the block before it, does not survive. There are no threads.
 *
 * What surprises: all allocating functions must be here, for the library's own must never see a block of ours.
 */
#include <errno.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define REGION (512u << 10)
#define SMALLEST 5 /* 32 bytes with the head */
#define CLASSES 12 /* up to 64 KiB */
#define MAPPED CLASSES
#define SHIFTED (CLASSES + 1)
#define LIVE 0x6c697665u
#define FREE 0x66726565u

/* The region is bytes, whatever is written there. */
struct __attribute__((may_alias)) head {
	size_t size;   /* of the whole block */
	uint32_t kind; /* class; MAPPED */
	uint32_t state;
};

typedef struct head *__attribute__((may_alias)) head_link;

_Static_assert(sizeof(struct head) == 16, "what follows a head is aligned");

static struct {
	_Alignas(16) unsigned char region[REGION];
	size_t used;
	struct head *freed[CLASSES]; /* linked through their first bytes */
} heap;

static struct head *head_of(void *p)
{
	struct head *h = (struct head *)p - 1;

	if (h->state != LIVE)
		abort();
	return h;
}

/* A freed block's first bytes. */
static head_link *next_of(struct head *h)
{
	return (head_link *)(void *)(h + 1);
}

static unsigned int class_of(size_t whole)
{
	unsigned int kind = 0;

	while (kind < CLASSES && ((size_t)1 << (kind + SMALLEST)) < whole)
		kind++;
	return kind;
}

static struct head *map_block(size_t whole)
{
	size_t size = (whole + 4095) & ~(size_t)4095;
	void *p = size < whole ? MAP_FAILED
			       : mmap(NULL, size, PROT_READ | PROT_WRITE,
					 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct head *h = p;

	if (p == MAP_FAILED) {
		errno = ENOMEM;
		return NULL;
	}
	h->size = size;
	h->kind = MAPPED;
	return h;
}

static struct head *take(size_t size, bool *fresh)
{
	size_t whole = size + sizeof(struct head);
	unsigned int kind = class_of(whole);
	size_t block = (size_t)1 << (kind + SMALLEST);
	struct head *h;

	*fresh = true;
	if (whole < size) {
		errno = ENOMEM;
		return NULL;
	}
	if (kind == MAPPED)
		return map_block(whole);
	h = heap.freed[kind];
	if (h) {
		heap.freed[kind] = *next_of(h);
		*fresh = false;
		return h;
	}
	if (block > REGION - heap.used)
		return map_block(whole);
	h = (struct head *)(void *)(heap.region + heap.used);
	heap.used += block;
	h->size = block;
	h->kind = kind;
	return h;
}

void *malloc(size_t size)
{
	bool fresh;
	struct head *h = take(size, &fresh);

	if (!h)
		return NULL;
	h->state = LIVE;
	return h + 1;
}

void *calloc(size_t n, size_t size)
{
	struct head *h;
	size_t all;
	bool fresh;

	if (__builtin_mul_overflow(n, size, &all)) {
		errno = ENOMEM;
		return NULL;
	}
	h = take(all, &fresh);
	if (!h)
		return NULL;
	h->state = LIVE;
	/* What was never used is zero: the region, and what is mapped. */
	return fresh ? h + 1 : memset(h + 1, 0, all);
}

void free(void *p)
{
	int saved = errno; /* as the library's keeps it */
	struct head *h;

	if (!p)
		return;
	h = head_of(p);
	h->state = FREE;
	if (h->kind == SHIFTED) {
		free((char *)h - h->size);
	} else if (h->kind == MAPPED) {
		munmap(h, h->size);
	} else {
		*next_of(h) = heap.freed[h->kind];
		heap.freed[h->kind] = h;
	}
	errno = saved;
}

size_t malloc_usable_size(void *p)
{
	struct head *h = p ? head_of(p) : NULL;

	if (h && h->kind == SHIFTED)
		return malloc_usable_size((char *)h - h->size) - h->size - sizeof(*h);
	return h ? h->size - sizeof(*h) : 0;
}

void *realloc(void *p, size_t size)
{
	size_t have = malloc_usable_size(p);
	void *to;

	if (p && size <= have && size > 0)
		return p;
	if (p && size == 0) {
		free(p);
		return NULL;
	}
	to = malloc(size);
	if (!to)
		return NULL;
	if (p)
		memcpy(to, p, have);
	free(p);
	return to;
}

/* Behind a head of its own, which says how far the block's beginning is. */
static void *allocate_aligned(size_t alignment, size_t size)
{
	struct head *h;
	uintptr_t at;
	char *p;

	if (alignment <= sizeof(struct head))
		return malloc(size);
	p = size + 2 * alignment < size ? NULL : malloc(size + 2 * alignment);
	if (!p)
		return NULL;
	at = ((uintptr_t)p + sizeof(*h) + alignment - 1) & ~(alignment - 1);
	h = (struct head *)(void *)(p + (at - (uintptr_t)p)) - 1;
	*h = (struct head){ .size = (size_t)((char *)h - p), .kind = SHIFTED, .state = LIVE };
	return h + 1;
}

void *aligned_alloc(size_t alignment, size_t size)
{
	return allocate_aligned(alignment, size);
}

void *memalign(size_t alignment, size_t size)
{
	return allocate_aligned(alignment, size);
}

int posix_memalign(void **ret, size_t alignment, size_t size)
{
	*ret = allocate_aligned(alignment, size);
	return *ret ? 0 : ENOMEM;
}

int malloc_trim(size_t pad)
{
	return 0; /* nothing goes back before the end */
}
