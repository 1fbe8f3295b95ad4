/* SPDX-License-Identifier: Apache-2.0 */
#include "base/sha256.h"

#include <stdlib.h>
#include <string.h>

#include "test.h"

static const struct {
	const char *text;
	const char *hex;
} vector[] = {
	{ "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
	{ "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
	{ "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
		"248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
	{ "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqr"
	  "lmnopqrsmnopqrstnopqrstu",
		"cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1" },
};

TEST(the_standard_s_examples_come_out)
{
	char hex[SHA256_HEX_SIZE];

	for (size_t i = 0; i < sizeof(vector) / sizeof(vector[0]); i++)
		assert_string_equal(
			sha256_hex(vector[i].text, strlen(vector[i].text), hex), vector[i].hex);
}

TEST(a_million_letters_come_out)
{
	static const uint8_t want[SHA256_SIZE] = { 0xcd, 0xc7, 0x6e, 0x5c, 0x99, 0x14, 0xfb, 0x92,
		0x81, 0xa1, 0xc7, 0xe2, 0x84, 0xd7, 0x3e, 0x67, 0xf1, 0x80, 0x9a, 0x48, 0xa4, 0x97,
		0x20, 0x0e, 0x04, 0x6d, 0x39, 0xcc, 0xc7, 0x11, 0x2c, 0xd0 };
	uint8_t piece[1000], got[SHA256_SIZE];
	struct sha256 h;

	memset(piece, 'a', sizeof(piece));
	sha256_init(&h);
	for (int i = 0; i < 1000; i++)
		sha256_add(&h, piece, sizeof(piece));
	sha256_final(&h, got);
	assert_memory_equal(got, want, sizeof(want));
}

/* Long pieces are added by the processor's own instructions where there are some, short ones never. */
TEST(long_and_short_pieces_come_to_the_same)
{
	enum { SIZE = 100000 };
	uint8_t *data = malloc(SIZE), whole[SHA256_SIZE], got[SHA256_SIZE];
	struct sha256 h;

	assert_non_null(data);
	for (size_t i = 0; i < SIZE; i++)
		data[i] = (uint8_t)(i * 7 + i / 251);
	for (size_t size = SIZE - 130; size <= SIZE; size += 13) {
		sha256_init(&h);
		sha256_add(&h, data, size);
		sha256_final(&h, whole);
		sha256_init(&h);
		for (size_t at = 0; at < size; at += 1000)
			sha256_add(&h, data + at, size - at < 1000 ? size - at : 1000);
		sha256_final(&h, got);
		assert_memory_equal(got, whole, sizeof(whole));
		/* Long ones that begin within a block. */
		sha256_init(&h);
		sha256_add(&h, data, 63);
		sha256_add(&h, data + 63, 40000);
		sha256_add(&h, data + 40063, size - 40063);
		sha256_final(&h, got);
		assert_memory_equal(got, whole, sizeof(whole));
	}
	free(data);
}

TEST(the_size_of_the_pieces_does_not_matter)
{
	uint8_t data[300], got[SHA256_SIZE], whole[SHA256_SIZE];
	struct sha256 h;

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7);
	for (size_t size = 0; size < sizeof(data); size++) {
		sha256_init(&h);
		sha256_add(&h, data, size);
		sha256_final(&h, whole);
		for (size_t step = 1; step < 130; step += 9) {
			sha256_init(&h);
			for (size_t at = 0; at < size; at += step)
				sha256_add(&h, data + at, size - at < step ? size - at : step);
			sha256_final(&h, got);
			assert_memory_equal(got, whole, sizeof(whole));
		}
	}
}
