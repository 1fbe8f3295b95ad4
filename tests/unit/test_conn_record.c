/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "rpc/conn_record.h"

#define FRAME(stream, text) "\0\0\0\3\0\0\0" stream "\2\0" text

static const char two_frames[] = FRAME("\5", "abc") FRAME("\7", "def");

static struct conn example(void)
{
	struct conn io = { .fd = -EBADF };

	buf_add(&io.in, "used-half a frame", 17);
	io.in_used = 5;
	buf_add(&io.out, FRAME("\3", "old"), 13);
	buf_add(&io.out, two_frames, sizeof(two_frames) - 1);
	io.out_head = 13;
	io.out_sent = 4;
	io.skip = (struct frame_skip){ 10, FRAME_DATA_MAX + 1, 9 };
	return io;
}

TEST(what_is_encoded_is_decoded)
{
	uint32_t open[] = { 5, 9 };
	struct conn io = example(), back = { .fd = -EBADF };
	struct conn_record out = { 77, 2, 11, open, 2 }, in;
	auto_done(arena) struct arena arena = { 0 };
	struct buf bytes = { 0 };

	assert_ok(conn_record_encode(&out, &io, &bytes));
	assert_ok(conn_record_decode(bytes.data, bytes.len, &arena, &in, &back, NULL));
	assert_int_equal(in.id, 77);
	assert_int_equal(in.listener, 2);
	assert_int_equal(in.last_stream, 11);
	assert_int_equal(in.n_open, 2);
	assert_int_equal(in.open[1], 9);
	assert_int_equal(back.in.len, 12);
	assert_memory_equal(back.in.data, "half a frame", 12);
	assert_int_equal(back.in_used, 0);
	assert_int_equal(back.out.len, 26);
	assert_memory_equal(back.out.data, two_frames, 26);
	assert_int_equal(back.out_head, 0);
	assert_int_equal(back.out_sent, 4);
	assert_int_equal(back.skip.left, 10);
	assert_int_equal(back.skip.size, FRAME_DATA_MAX + 1);
	assert_int_equal(back.skip.stream, 9);
	assert_int_equal(conn_unsent(&back), conn_unsent(&io));
	buf_done(&bytes);
	conn_done(&io);
	conn_done(&back);
}

TEST(an_idle_connection_is_a_few_bytes)
{
	struct conn io = { .fd = -EBADF }, back = { .fd = -EBADF };
	struct conn_record out = { .id = 1, .last_stream = 3 }, in;
	auto_done(arena) struct arena arena = { 0 };
	struct buf bytes = { 0 };

	assert_ok(conn_record_encode(&out, &io, &bytes));
	assert_in_range(bytes.len, 1, 8);
	assert_ok(conn_record_decode(bytes.data, bytes.len, &arena, &in, &back, NULL));
	assert_int_equal(in.last_stream, 3);
	assert_int_equal(in.n_open, 0);
	buf_done(&bytes);
	conn_done(&back);
}

static int change_and_decode(void (*change)(struct conn_record *r, struct conn *io))
{
	uint32_t open[] = { 5, 9 };
	struct conn io = example(), back = { .fd = -EBADF };
	struct conn_record out = { 77, 2, 11, open, 2 }, in;
	auto_done(arena) struct arena arena = { 0 };
	struct buf bytes = { 0 };
	struct err err = { 0 };
	int r;

	change(&out, &io);
	assert_ok(conn_record_encode(&out, &io, &bytes));
	r = conn_record_decode(bytes.data, bytes.len, &arena, &in, &back, &err);
	if (r < 0)
		assert_text_has(err.text, "record of a connection");
	buf_done(&bytes);
	conn_done(&io);
	conn_done(&back);
	return r;
}

static void nothing(struct conn_record *r, struct conn *io)
{
}
static void no_id(struct conn_record *r, struct conn *io)
{
	r->id = 0;
}
static void last_id(struct conn_record *r, struct conn *io)
{
	r->id = UINT64_MAX;
}
static void even_stream(struct conn_record *r, struct conn *io)
{
	r->open[0] = 4;
}
static void not_ascending(struct conn_record *r, struct conn *io)
{
	r->open[0] = 9;
}
static void beyond_last(struct conn_record *r, struct conn *io)
{
	r->last_stream = 7;
}
static void half_frame(struct conn_record *r, struct conn *io)
{
	io->out.len--;
}
static void sent_more(struct conn_record *r, struct conn *io)
{
	io->out_sent = 13;
}
static void sent_of_nothing(struct conn_record *r, struct conn *io)
{
	io->out_head = io->out.len;
}
static void skip_of_a_good_frame(struct conn_record *r, struct conn *io)
{
	io->skip.size = FRAME_DATA_MAX;
}
static void skip_more_than_all(struct conn_record *r, struct conn *io)
{
	io->skip.left = FRAME_DATA_MAX + 2;
}
static void skip_nothing(struct conn_record *r, struct conn *io)
{
	io->skip.left = 0;
}

TEST(damage_is_found)
{
	void (*const bad[])(struct conn_record *, struct conn *) = { no_id, last_id, even_stream,
		not_ascending, beyond_last, half_frame, sent_more, sent_of_nothing,
		skip_of_a_good_frame, skip_more_than_all, skip_nothing };

	assert_ok(change_and_decode(nothing));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(change_and_decode(bad[i]), -EBADMSG);
}

TEST(garbage_is_no_record)
{
	auto_done(arena) struct arena arena = { 0 };
	struct conn io = { .fd = -EBADF };
	struct conn_record r;

	assert_int_equal(conn_record_decode("\xff\xff", 2, &arena, &r, &io, NULL), -EBADMSG);
	assert_int_equal(conn_record_decode("", 0, &arena, &r, &io, NULL), -EBADMSG);
	/* {id 1} with no version, the next one, and one of a far future. */
	assert_int_equal(conn_record_decode("\x08\x01", 2, &arena, &r, &io, NULL), -EBADMSG);
	assert_ok(conn_record_decode("\x08\x01\x78\x02", 4, &arena, &r, &io, NULL));
	assert_int_equal(
		conn_record_decode("\x08\x01\x78\x03", 4, &arena, &r, &io, NULL), -EBADMSG);
	conn_done(&io);
}
