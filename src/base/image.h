/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Image: the pages of our own program that hold constants with addresses in them (tables of names, functions and message
 * descriptions). A position-independent program writes the addresses once, when it begins, and from then on these
 * pages are memory of each process. While a process only waits they can go, for the file and the list of relocations
 * say what they held.
 *
 * Owner    The caller holds the struct, which holds nothing.
 * Errors   None: where anything is not as expected there are no such pages, and image_wait() only waits.
 * Blocks   image_look() reads the program's file; image_wait() waits.
 * Context  A process of one thread in which no signal has a handler.
 */
#include <link.h>
#include <stddef.h>
#include <stdint.h>

#define IMAGE_RUNS 8

/* Pages next to each other, with the relocations that are all that was ever changed in them. */
struct image_run {
	uintptr_t at;
	size_t size;
	const ElfW(Rela) * rela;
	size_t n;
};

struct image {
	uintptr_t base;
	struct image_run runs[IMAGE_RUNS];
	size_t n_runs;
};

/* Find the pages. Each one is made anew beside it and compared: what differs in a byte is left alone. */
void image_look(struct image *ret);

/* Wait until fd is readable or timeout_ms are over (-1: never), without these pages. They are back when it returns. */
void image_wait(const struct image *im, int fd, int timeout_ms);
