/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/crc32.h"

TEST(the_published_check_value_comes_out)
{
	assert_int_equal(crc32_add(0, "123456789", 9), 0xcbf43926);
	assert_int_equal(crc32_add(0, "", 0), 0);
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
