/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The few functions of a C library that the freestanding programs use, and those that a compiler calls on its own in
 * freestanding code.
 *
 * Owner, Errors, Blocks   None: as in a C library.
 * Context  Freestanding.
 */
#include <stddef.h>

void *memcpy(void *restrict to, const void *restrict from, size_t n);
void *memset(void *to, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);
int strcmp(const char *a, const char *b);
