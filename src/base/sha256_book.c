/* SPDX-License-Identifier: Apache-2.0 */
/* A processor of which we know no instructions for SHA-256. */
#include <assert.h>

#include "base/sha256_blocks.h"

bool sha256_has_blocks(void)
{
	return false;
}

void sha256_blocks(uint32_t state[8], const uint8_t *p, size_t n)
{
	assert(!n); /* sha256_has_blocks() says no */
}
