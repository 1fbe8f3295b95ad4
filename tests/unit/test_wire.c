/* SPDX-License-Identifier: Apache-2.0 */
#include "base/wire.h"

#include "test.h"

static size_t write_all(void *data, size_t cap)
{
	struct wire_out w = { .data = data, .cap = cap };

	wire_put_int(&w, 1, 300);
	wire_put_int(&w, 2, 0);
	wire_put_str(&w, 3, "name");
	wire_put_str(&w, 4, NULL);
	wire_put_int(&w, 5, UINT64_MAX);
	wire_put_head(&w, 6, 0);
	return w.len;
}

TEST(what_is_written_is_read)
{
	uint8_t data[64];
	size_t size = write_all(data, sizeof(data));
	struct wire_in in = { .data = data, .size = size };
	struct wire_field f;

	assert_true(wire_next(&in, &f));
	assert_int_equal(f.number, 1);
	assert_int_equal(f.value, 300);
	assert_null(wire_str(&f));
	assert_true(wire_next(&in, &f));
	assert_int_equal(f.number, 3);
	assert_string_equal(wire_str(&f), "name");
	assert_true(wire_next(&in, &f));
	assert_int_equal(f.number, 5);
	assert_true(f.value == UINT64_MAX);
	assert_true(wire_next(&in, &f));
	assert_int_equal(f.number, 6);
	assert_true(f.is_bytes && f.size == 0);
	assert_false(wire_next(&in, &f));
	assert_false(in.bad);
}

TEST(without_room_it_measures_and_writes_nothing_beyond)
{
	uint8_t data[64];
	size_t size = write_all(NULL, 0);

	for (size_t cap = 0; cap < size; cap++) {
		memset(data, 0xee, sizeof(data));
		assert_int_equal(write_all(data, cap), size);
		for (size_t i = cap; i < sizeof(data); i++)
			assert_int_equal(data[i], 0xee);
	}
}

static const struct {
	const char *name;
	uint8_t bytes[12];
	size_t size;
} malformed[] = {
	{ "half a key", { 0x80 }, 1 },
	{ "no value", { 0x08 }, 1 },
	{ "field 0", { 0x00, 0x01 }, 2 },
	{ "a fixed32", { 0x0d, 1, 2, 3, 4 }, 5 },
	{ "longer than the rest", { 0x0a, 0x05, 'x' }, 3 },
	{ "length that overflows",
		{ 0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01 }, 11 },
	{ "more than 64 bits", { 0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02 },
		11 },
	{ "a zero in disguise", { 0x08, 0x80, 0x00 }, 3 },
};

TEST(malformed_bytes_end_the_reading)
{
	for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++) {
		struct wire_in in = { .data = malformed[i].bytes, .size = malformed[i].size };
		struct wire_field f;

		if (wire_next(&in, &f) || !in.bad)
			fail_msg("%s was taken", malformed[i].name);
	}
}

TEST(a_string_ends_with_its_only_nul)
{
	static const struct wire_field inner = {
		.is_bytes = true, .data = (const uint8_t *)"a\0b", .size = 4
	};
	static const struct wire_field none = {
		.is_bytes = true, .data = (const uint8_t *)"ab", .size = 2
	};
	static const struct wire_field good = {
		.is_bytes = true, .data = (const uint8_t *)"ab", .size = 3
	};

	assert_null(wire_str(&inner));
	assert_null(wire_str(&none));
	assert_string_equal(wire_str(&good), "ab");
}
