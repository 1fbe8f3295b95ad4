/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Memory and ownership: scope-bound release, hand-over, and an arena for documents.
 *
 * Owner    auto_* variables are released at scope end; take_ptr()/take_fd() hand over.
 * Errors   Allocation returns NULL when memory is gone.
 * Blocks   Never.
 * Context  Parent only (allocates); never between clone and exec.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

static inline void mem_freep(void *p)
{
	free(*(void **)p);
}

void fd_closep(int *fd); /* in fd.c */

#define auto_free __attribute__((cleanup(mem_freep)))
#define auto_close __attribute__((cleanup(fd_closep)))
/* auto_done(pidref) struct pidref p: calls pidref_done(&p). Needs AUTO_DONE(pidref) beside the
 * type. */
#define auto_done(type) __attribute__((cleanup(type##_done)))
/* auto_freep(loop) struct loop *l: calls loop_free(l). Needs AUTO_FREE(struct loop, loop). */
#define auto_freep(name) __attribute__((cleanup(name##_freep)))
#define AUTO_FREE(type, name) \
	static inline void name##_freep(type **p) \
	{ \
		name##_free(*p); \
	}

#define take_ptr(p) \
	({ \
		__typeof__(p) *take_p = &(p); \
		__typeof__(p) take_v = *take_p; \
		*take_p = NULL; \
		take_v; \
	})

static inline int take_fd(int *fd)
{
	int v = *fd;

	*fd = -9; /* -EBADF */
	return v;
}

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/* calloc with overflow check; NULL when memory is gone or n * size overflows. */
void *mem_calloc(size_t n, size_t size);

/* Grow *array (of *cap elements of `size` bytes) so that it holds `want`; doubles. -ENOMEM on
 * failure. */
int mem_grow(void *array, size_t *cap, size_t want, size_t size);

/* Give what is free back to the system, where the C library keeps it otherwise. Takes a moment:
 * for after something large. */
void mem_release(void);

/* Give back what deeper calls of this thread, which must be the main one, have used of the stack. */
void mem_release_stack(void);

/*
 * Give back the pages of the program's text and constants, which come again from its file when they are used. For who has
 * nothing to do for long: what is mapped counts as used memory, whether it is or not.
 */
void mem_release_program(void);

/*
 * Arena: allocations that live and die together (a parsed document). Zero-initialised struct is
 * valid. Memory is zeroed and aligned to 16. There is no free of a single piece.
 */
struct arena_chunk;
struct arena {
	struct arena_chunk *chunks;
};

void *arena_alloc(struct arena *a, size_t size);
void *arena_calloc(struct arena *a, size_t n, size_t size);
char *arena_strdup(struct arena *a, const char *s);
char *arena_strndup(struct arena *a, const char *s, size_t n);
char *arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void arena_done(struct arena *a);
