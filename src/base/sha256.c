/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SHA-256 by the book, for what is short: names of profiles and records of a few kilobytes. What is long (layers of an
 * image, blobs) goes to the processor's own instructions where it has them (sha256_blocks.h). Whether it has costs more to
 * ask than a few kilobytes cost to add up, so only a long piece asks. The input may be fed in pieces of any size.
 */
#include "base/sha256.h"

#include <string.h>

#include "base/sha256_blocks.h"

#define LONG \
	16384 /* asking takes three instructions that a virtual machine traps, some 20 microseconds */

enum { UNASKED, BY_THE_BOOK, BY_PROCESSOR };

// clang-format off
const uint32_t sha256_round_constant[64] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
	0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
	0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
	0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
	0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
	0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
	0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};
// clang-format on

static uint32_t rotr(uint32_t v, unsigned int n)
{
	return v >> n | v << (32 - n);
}

static void add_block(uint32_t state[8], const uint8_t *p)
{
	uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
	uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
	uint32_t w[64];

	for (int i = 0; i < 16; i++)
		w[i] = (uint32_t)p[4 * i] << 24 | (uint32_t)p[4 * i + 1] << 16 |
		       (uint32_t)p[4 * i + 2] << 8 | p[4 * i + 3];
	for (int i = 16; i < 64; i++)
		w[i] = w[i - 16] + (rotr(w[i - 15], 7) ^ rotr(w[i - 15], 18) ^ w[i - 15] >> 3) +
		       w[i - 7] + (rotr(w[i - 2], 17) ^ rotr(w[i - 2], 19) ^ w[i - 2] >> 10);
	for (int i = 0; i < 64; i++) {
		uint32_t t1 = h + (rotr(e, 6) ^ rotr(e, 11) ^ rotr(e, 25)) + ((e & f) ^ (~e & g)) +
			      sha256_round_constant[i] + w[i];
		uint32_t t2 =
			(rotr(a, 2) ^ rotr(a, 13) ^ rotr(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));

		h = g, g = f, f = e, e = d + t1;
		d = c, c = b, b = a, a = t1 + t2;
	}
	state[0] += a, state[1] += b, state[2] += c, state[3] += d;
	state[4] += e, state[5] += f, state[6] += g, state[7] += h;
}

static void add_blocks(struct sha256 *h, const uint8_t *p, size_t n)
{
	if (h->way == UNASKED && n >= LONG / sizeof(h->block))
		h->way = sha256_has_blocks() ? BY_PROCESSOR : BY_THE_BOOK;
	if (h->way == BY_PROCESSOR)
		sha256_blocks(h->state, p, n);
	else
		for (size_t i = 0; i < n; i++)
			add_block(h->state, p + i * sizeof(h->block));
}

void sha256_init(struct sha256 *h)
{
	// clang-format off
	static const uint32_t start[8] = {
		0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
	};
	// clang-format on

	*h = (struct sha256){ 0 };
	memcpy(h->state, start, sizeof(start));
}

void sha256_add(struct sha256 *h, const void *data, size_t size)
{
	size_t used = h->size_bytes % sizeof(h->block), whole;
	const uint8_t *p = data;

	if (size == 0)
		return;
	h->size_bytes += size;
	if (used > 0) {
		size_t n = sizeof(h->block) - used;

		if (n > size)
			n = size;
		memcpy(h->block + used, p, n);
		if (used + n < sizeof(h->block))
			return;
		add_blocks(h, h->block, 1);
		p += n;
		size -= n;
	}
	whole = size / sizeof(h->block);
	add_blocks(h, p, whole);
	memcpy(h->block, p + whole * sizeof(h->block), size % sizeof(h->block));
}

void sha256_final(struct sha256 *h, uint8_t out[SHA256_SIZE])
{
	static const uint8_t pad[64] = { 0x80 };
	uint64_t bits = h->size_bytes * 8;
	size_t used = h->size_bytes % 64;
	uint8_t length[8];

	for (int i = 0; i < 8; i++)
		length[i] = (uint8_t)(bits >> (56 - 8 * i));
	sha256_add(h, pad, used < 56 ? 56 - used : 120 - used);
	sha256_add(h, length, sizeof(length));
	for (int i = 0; i < SHA256_SIZE; i++)
		out[i] = (uint8_t)(h->state[i / 4] >> (24 - 8 * (i % 4)));
}

char *sha256_hex(const void *data, size_t size, char out[SHA256_HEX_SIZE])
{
	static const char digit[] = "0123456789abcdef";
	uint8_t sum[SHA256_SIZE];
	struct sha256 h;

	sha256_init(&h);
	sha256_add(&h, data, size);
	sha256_final(&h, sum);
	for (int i = 0; i < SHA256_SIZE; i++) {
		out[2 * i] = digit[sum[i] >> 4];
		out[2 * i + 1] = digit[sum[i] & 15];
	}
	out[2 * SHA256_SIZE] = '\0';
	return out;
}
