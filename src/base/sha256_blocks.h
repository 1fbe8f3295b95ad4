/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * SHA-256 by instructions that the processor has for it: x86-64 with the SHA extensions. Elsewhere there are none
 * (sha256_book.c). sha256.c's alone.
 *
 * Owner    Nothing.
 * Errors   None.
 * Blocks   Never.
 * Context  Any.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

extern const uint32_t sha256_round_constant[64];

bool sha256_has_blocks(void);
/* `n` blocks of 64 bytes; only where sha256_has_blocks(). */
void sha256_blocks(uint32_t state[8], const uint8_t *p, size_t n);
