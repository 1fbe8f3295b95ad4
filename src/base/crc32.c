/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CRC-32 by four bytes at a time: a daemon that comes back checks every record of its store and its journal, some
 * megabytes. The table is 4 KiB of the program's file, which all processes share. What surprises: it is not written out.
 * An entry is the sum (exclusive or) of those of its index's bits, so that eight numbers say a row of 256.
 */
#include "base/crc32.h"

#include <endian.h>
#include <string.h>

// clang-format off
#define BIT(n, b, entry) ((n) >> (b) & 1 ? (entry) : 0u)
#define ENTRY_0(n) (BIT(n, 0, 0x77073096) ^ BIT(n, 1, 0xee0e612c) ^ BIT(n, 2, 0x076dc419) ^ BIT(n, 3, 0x0edb8832) ^ \
	BIT(n, 4, 0x1db71064) ^ BIT(n, 5, 0x3b6e20c8) ^ BIT(n, 6, 0x76dc4190) ^ BIT(n, 7, 0xedb88320))
#define ENTRY_1(n) (BIT(n, 0, 0x191b3141) ^ BIT(n, 1, 0x32366282) ^ BIT(n, 2, 0x646cc504) ^ BIT(n, 3, 0xc8d98a08) ^ \
	BIT(n, 4, 0x4ac21251) ^ BIT(n, 5, 0x958424a2) ^ BIT(n, 6, 0xf0794f05) ^ BIT(n, 7, 0x3b83984b))
#define ENTRY_2(n) (BIT(n, 0, 0x01c26a37) ^ BIT(n, 1, 0x0384d46e) ^ BIT(n, 2, 0x0709a8dc) ^ BIT(n, 3, 0x0e1351b8) ^ \
	BIT(n, 4, 0x1c26a370) ^ BIT(n, 5, 0x384d46e0) ^ BIT(n, 6, 0x709a8dc0) ^ BIT(n, 7, 0xe1351b80))
#define ENTRY_3(n) (BIT(n, 0, 0xb8bc6765) ^ BIT(n, 1, 0xaa09c88b) ^ BIT(n, 2, 0x8f629757) ^ BIT(n, 3, 0xc5b428ef) ^ \
	BIT(n, 4, 0x5019579f) ^ BIT(n, 5, 0xa032af3e) ^ BIT(n, 6, 0x9b14583d) ^ BIT(n, 7, 0xed59b63b))
#define FOUR(entry, n) entry(n), entry((n) + 1), entry((n) + 2), entry((n) + 3)
#define SIXTEEN(entry, n) FOUR(entry, n), FOUR(entry, (n) + 4), FOUR(entry, (n) + 8), FOUR(entry, (n) + 12)
#define SIXTY_FOUR(entry, n) \
	SIXTEEN(entry, n), SIXTEEN(entry, (n) + 16), SIXTEEN(entry, (n) + 32), SIXTEEN(entry, (n) + 48)
#define ROW(entry) \
	{ SIXTY_FOUR(entry, 0u), SIXTY_FOUR(entry, 64u), SIXTY_FOUR(entry, 128u), SIXTY_FOUR(entry, 192u) }

/* [n]: of a byte that n bytes of zero follow. */
static const uint32_t table[4][256] = { ROW(ENTRY_0), ROW(ENTRY_1), ROW(ENTRY_2), ROW(ENTRY_3) };
// clang-format on

uint32_t crc32_add(uint32_t crc, const void *data, size_t size)
{
	const unsigned char *p = data;
	uint32_t word;

	crc = ~crc;
	for (; size >= sizeof(word); p += sizeof(word), size -= sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		word = le32toh(word) ^ crc;
		crc = table[3][word & 255] ^ table[2][word >> 8 & 255] ^
		      table[1][word >> 16 & 255] ^ table[0][word >> 24];
	}
	for (; size > 0; p++, size--)
		crc = (crc >> 8) ^ table[0][(crc ^ *p) & 255];
	return ~crc;
}
