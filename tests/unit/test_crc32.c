/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/crc32.h"

TEST(the_published_check_value_comes_out)
{
	assert_int_equal(crc32_add(0, "123456789", 9), 0xcbf43926);
	assert_int_equal(crc32_add(0, "", 0), 0);
}

/* x^32 + x^26 + ... + 1, the lowest bit first: what the sum is defined by. */
static uint32_t divide_bit_by_bit(const unsigned char *data, size_t size)
{
	uint32_t crc = ~0u;

	for (size_t i = 0; i < 8 * size; i++) {
		uint32_t bit = (crc ^ (uint32_t)(data[i / 8] >> (i % 8))) & 1;

		crc = (crc >> 1) ^ (bit ? 0xedb88320u : 0);
	}
	return ~crc;
}

TEST(every_byte_at_every_place_of_a_word_counts_as_the_division_says)
{
	unsigned char data[7] = { 0 };

	for (size_t at = 0; at < sizeof(data); at++)
		for (unsigned int byte = 0; byte < 256; byte++) {
			data[at] = (unsigned char)byte;
			assert_int_equal(crc32_add(0, data, sizeof(data)),
				divide_bit_by_bit(data, sizeof(data)));
		}
}

TEST(pieces_add_up_and_every_flipped_bit_shows)
{
	char data[64];
	uint32_t whole;

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (char)(i * 37);
	whole = crc32_add(0, data, sizeof(data));
	for (size_t i = 0; i <= sizeof(data); i++)
		assert_int_equal(
			crc32_add(crc32_add(0, data, i), data + i, sizeof(data) - i), whole);
	for (size_t bit = 0; bit < 8 * sizeof(data); bit++) {
		data[bit / 8] = (char)(data[bit / 8] ^ (1 << (bit % 8)));
		assert_int_not_equal(crc32_add(0, data, sizeof(data)), whole);
		data[bit / 8] = (char)(data[bit / 8] ^ (1 << (bit % 8)));
	}
}
