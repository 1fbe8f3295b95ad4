/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/mem.h"
#include "rpc/frame.h"

static void add_header(struct buf *b, uint32_t size, uint32_t stream, uint8_t type)
{
	uint8_t h[FRAME_HEADER_BYTES] = { (uint8_t)(size >> 24), (uint8_t)(size >> 16),
		(uint8_t)(size >> 8), (uint8_t)size, (uint8_t)(stream >> 24),
		(uint8_t)(stream >> 16), (uint8_t)(stream >> 8), (uint8_t)stream, type, 0 };

	buf_add(b, h, sizeof(h));
}

TEST(the_header_is_big_endian)
{
	struct buf out = { 0 };
	size_t at = frame_begin(&out);

	buf_adds(&out, "hello");
	assert_ok(frame_end(&out, at, 0x01020304, FRAME_RESPONSE, 0));
	assert_int_equal(out.len, 15);
	assert_memory_equal(out.data, "\0\0\0\5\1\2\3\4\2\0hello", 15);
	buf_done(&out);
}

TEST(what_is_written_is_read)
{
	struct buf out = { 0 };
	struct frame_skip skip = { 0 };
	struct frame f;
	size_t used, pos = 0;

	for (uint32_t id = 1; id < 9; id += 2) {
		size_t at = frame_begin(&out);

		buf_addf(&out, "%.*s", (int)id - 1, "abcdefgh");
		assert_ok(frame_end(&out, at, id, FRAME_DATA, FRAME_NO_DATA));
	}
	for (uint32_t id = 1; id < 9; id += 2) {
		assert_int_equal(
			frame_read(&skip, out.data + pos, out.len - pos, &used, &f), FRAME_WHOLE);
		assert_int_equal(f.stream, id);
		assert_int_equal(f.type, FRAME_DATA);
		assert_int_equal(f.flags, FRAME_NO_DATA);
		assert_int_equal(f.size, id - 1);
		assert_memory_equal(f.data, "abcdefgh", f.size);
		pos += used;
	}
	assert_int_equal(
		frame_read(&skip, out.data + pos, out.len - pos, &used, &f), FRAME_PARTIAL);
	assert_int_equal(used, 0);
	buf_done(&out);
}

TEST(a_prefix_is_partial_and_uses_nothing)
{
	static const char wire[] = "\0\0\0\3\0\0\0\1\1\0abc";
	struct frame f;
	size_t used;

	for (size_t n = 0; n < sizeof(wire) - 1; n++) {
		struct frame_skip skip = { 0 };

		assert_int_equal(frame_read(&skip, wire, n, &used, &f), FRAME_PARTIAL);
		assert_int_equal(used, 0);
		assert_int_equal(skip.size, 0);
	}
}

/* Feed `in` in pieces of `step` bytes; record what was seen as "W<stream>:<size> L<stream>:<size>".
 */
static void feed(const struct buf *in, size_t step, char *seen, size_t seen_size)
{
	struct frame_skip skip = { 0 };
	struct buf box = { 0 };
	size_t n = 0;

	seen[0] = '\0';
	for (size_t pos = 0; pos < in->len; pos += step) {
		buf_add(&box, in->data + pos, in->len - pos < step ? in->len - pos : step);
		for (;;) {
			struct frame f;
			size_t used;
			enum frame_result r = frame_read(&skip, box.data, box.len, &used, &f);

			if (r != FRAME_PARTIAL)
				n += (size_t)snprintf(seen + n, seen_size - n, "%c%u:%u ",
					r == FRAME_WHOLE ? 'W' : 'L', f.stream, f.size);
			buf_consume(&box, used);
			if (r == FRAME_PARTIAL)
				break;
		}
		assert_true(box.len < 64 + step);
	}
	assert_int_equal(box.len, 0);
	buf_done(&box);
}

TEST(what_is_too_long_passes_by_and_the_next_frame_is_read)
{
	static const size_t steps[] = { 1000003, 4096, 7, 1u << 30 };
	struct buf in = { 0 };
	char seen[128];

	add_header(&in, 2, 1, FRAME_REQUEST);
	buf_adds(&in, "ab");
	add_header(&in, FRAME_DATA_MAX + 1, 3, FRAME_REQUEST);
	for (size_t i = 0; i < FRAME_DATA_MAX + 1; i++)
		buf_addc(&in, 'x');
	add_header(&in, 0, 5, FRAME_REQUEST);
	assert_ok(buf_ok(&in));
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		feed(&in, steps[i], seen, sizeof(seen));
		assert_string_equal(seen, "W1:2 L3:4194305 W5:0 ");
	}
	buf_done(&in);
}

TEST(the_largest_frame_is_read_and_written)
{
	struct buf out = { 0 };
	struct frame_skip skip = { 0 };
	struct frame f;
	size_t used, at = frame_begin(&out);

	for (size_t i = 0; i < FRAME_DATA_MAX; i++)
		buf_addc(&out, 'x');
	assert_ok(frame_end(&out, at, 1, FRAME_REQUEST, 0));
	assert_int_equal(frame_read(&skip, out.data, out.len, &used, &f), FRAME_WHOLE);
	assert_int_equal(f.size, FRAME_DATA_MAX);

	at = frame_begin(&out);
	for (size_t i = 0; i < FRAME_DATA_MAX + 1; i++)
		buf_addc(&out, 'x');
	assert_int_equal(frame_end(&out, at, 3, FRAME_REQUEST, 0), -EMSGSIZE);
	assert_int_equal(out.len, used); /* the frame before it is untouched */
	buf_done(&out);
}
