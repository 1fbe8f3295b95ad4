/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * SHA-256 (FIPS 180-4): names of cached content, digests of images. Not used for secrets.
 *
 * Owner    The caller holds the state; there is nothing to release.
 * Errors   None.
 * Blocks   Never.
 * Context  Any.
 */
#include <stddef.h>
#include <stdint.h>

#define SHA256_SIZE 32
#define SHA256_HEX_SIZE 65 /* with the NUL */

struct sha256 {
	uint32_t state[8];
	uint64_t size_bytes; /* fed so far */
	uint8_t block[64];   /* the part of it that does not fill a block yet */
	uint8_t way;         /* sha256.c's: how blocks are added */
};

void sha256_init(struct sha256 *h);
void sha256_add(struct sha256 *h, const void *data, size_t size);
/* The state is used up by it. */
void sha256_final(struct sha256 *h, uint8_t out[SHA256_SIZE]);

/* Lower-case hexadecimal of the whole; returns out. */
char *sha256_hex(const void *data, size_t size, char out[SHA256_HEX_SIZE]);
