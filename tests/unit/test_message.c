/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "rpc/message.h"

#include "proto/bootstrap.pb-c.h"
#include "proto/cgroup2.pb-c.h"
#include "proto/common.pb-c.h"
#include "proto/task.pb-c.h"

#define BYTES(s) (s), sizeof(s) - 1

static int decode(const ProtobufCMessageDescriptor *type, const void *data, size_t size)
{
	auto_done(arena) struct arena a = { 0 };
	const ProtobufCMessage *m = NULL;
	struct err err = { 0 };
	int r = message_decode(type, data, size, &a, &m, &err);

	assert_true((r == 0) == (m != NULL));
	assert_true((r < 0) == (err.text[0] != '\0'));
	return r;
}

TEST(fields_have_the_numbers_that_peers_use)
{
	static const char wire[] = "\x0a\x01\x61"               /* id */
				   "\x12\x02/b"                 /* bundle */
				   "\x1a\x0a\x0a\x04"           /* rootfs: type */
				   "bind\x22\x02rw"             /* options */
				   "\x20\x01"                   /* terminal */
				   "\x3a\x02/e"                 /* stderr */
				   "\x52\x05\x0a\x01u\x12\x00"; /* options: url, value */
	auto_done(arena) struct arena a = { 0 };
	const ProtobufCMessage *m;
	const Pb__Task__CreateRequest *c;

	assert_ok(message_decode(&pb__task__create_request__descriptor, BYTES(wire), &a, &m, NULL));
	c = (const void *)m;
	assert_string_equal(c->id, "a");
	assert_string_equal(c->bundle, "/b");
	assert_int_equal(c->n_rootfs, 1);
	assert_string_equal(c->rootfs[0]->type, "bind");
	assert_string_equal(c->rootfs[0]->options[0], "rw");
	assert_true(c->terminal);
	assert_string_equal(c->stdin, "");
	assert_string_equal(c->stderr, "/e");
	assert_string_equal(c->options->type_url, "u");
	assert_int_equal(c->options->value.len, 0);
}

TEST(the_zero_time_of_go_has_its_eleven_bytes)
{
	Pb__Timestamp t = PB__TIMESTAMP__INIT;
	struct buf out = { 0 };

	t.seconds = -62135596800;
	message_encode(&t.base, &out);
	assert_int_equal(out.len, 11);
	assert_memory_equal(out.data, "\x08\x80\x92\xb8\xc3\x98\xfe\xff\xff\xff\x01", 11);
	buf_done(&out);
}

TEST(negative_levels_take_ten_bytes_and_come_back)
{
	Pb__Bootstrap__Params p = PB__BOOTSTRAP__PARAMS__INIT;
	auto_done(arena) struct arena a = { 0 };
	const ProtobufCMessage *m;
	struct buf out = { 0 };

	p.log_level = PB__BOOTSTRAP__LOG_LEVEL__DEBUG;
	message_encode(&p.base, &out);
	assert_int_equal(out.len, 11);
	assert_memory_equal(out.data, "\x18\xfc\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11);
	assert_ok(message_decode(p.base.descriptor, out.data, out.len, &a, &m, NULL));
	assert_int_equal(((const Pb__Bootstrap__Params *)m)->log_level, -4);
	buf_done(&out);
}

TEST(defaults_are_not_sent_and_nothing_is_a_message)
{
	Pb__Task__StateResponse s = PB__TASK__STATE_RESPONSE__INIT;
	Pb__Cgroup2__Metrics m = PB__CGROUP2__METRICS__INIT;
	struct buf out = { 0 };

	s.id = (char *)"";
	message_encode(&s.base, &out);
	message_encode(&m.base, &out);
	assert_int_equal(out.len, 0);
	assert_ok(decode(s.base.descriptor, "", 0));
	assert_ok(decode(s.base.descriptor, NULL, 0));
	buf_done(&out);
}

TEST(unknown_fields_are_skipped)
{
	const ProtobufCMessageDescriptor *t = &pb__task__wait_request__descriptor;

	assert_ok(decode(t, BYTES("\x0a\x01\x61\x98\x06\x01")));                 /* 99: varint */
	assert_ok(decode(t, BYTES("\x9a\x06\x02\x00\xff")));                     /* 99: any bytes */
	assert_ok(decode(t, BYTES("\x99\x06\x01\x02\x03\x04\x05\x06\x07\x08"))); /* 99: fixed64 */
	assert_ok(decode(t, BYTES("\x9d\x06\x01\x02\x03\x04")));                 /* 99: fixed32 */
}

TEST(strings_that_would_be_cut_are_refused)
{
	const ProtobufCMessageDescriptor *create = &pb__task__create_request__descriptor;
	struct err err = { 0 };
	auto_done(arena) struct arena a = { 0 };
	const ProtobufCMessage *m;

	assert_int_equal(message_decode(create, BYTES("\x12\x04/a\0b"), &a, &m, &err), -EBADMSG);
	assert_text_has(err.text, "'bundle' contains a NUL byte");
	assert_int_equal(
		message_decode(create, BYTES("\x1a\x05\x12\x03/\0x"), &a, &m, &err), -EBADMSG);
	assert_text_has(err.text, "'source'");
	/* In bytes NUL is data. */
	assert_ok(decode(create, BYTES("\x52\x05\x12\x03\0\0\0")));
}

static int decode_string(const char *s)
{
	struct buf wire = { 0 };
	int r;

	buf_addc(&wire, 0x0a);
	buf_addc(&wire, (char)strlen(s));
	buf_adds(&wire, s);
	r = decode(&pb__task__wait_request__descriptor, wire.data, wire.len);
	buf_done(&wire);
	return r;
}

TEST(strings_are_utf8)
{
	static const char *const good[] = { "\x61", "\xc2\x80", "\xe0\xa0\x80", "\xed\x9f\xbf",
		"\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf" };
	static const char *const bad[] = { "\x80", "\xc0\xaf", "\xc2", "\xe0\x80\x80",
		"\xed\xa0\x80", "\xf4\x90\x80\x80", "\xf8\x88\x80\x80\x80", "\xff", "a\xe2\x82" };

	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		assert_ok(decode_string(good[i]));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(decode_string(bad[i]), -EBADMSG);
}

TEST(malformed_messages_are_refused)
{
	const ProtobufCMessageDescriptor *t = &pb__task__delete_response__descriptor;

	assert_int_equal(decode(t, BYTES("\x08")), -EBADMSG);             /* value missing */
	assert_int_equal(decode(t, BYTES("\x08\xff")), -EBADMSG);         /* varint cut */
	assert_int_equal(decode(t, BYTES("\x00\x01")), -EBADMSG);         /* field number 0 */
	assert_int_equal(decode(t, BYTES("\x1a\x05\x08\x01")), -EBADMSG); /* length past the end */
	assert_int_equal(decode(t, BYTES("\x9b\x06")), -EBADMSG);         /* group */
	assert_int_equal(decode(t, BYTES("\x0a\x01\x01")), -EBADMSG);     /* pid as bytes */
	assert_int_equal(
		decode(t, BYTES("\x9a\x06\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")), -EBADMSG);
	assert_int_equal(
		decode(t, BYTES("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80")), -EBADMSG);
}

TEST(a_small_message_cannot_ask_for_much_memory)
{
	size_t size = 4u << 20;
	auto_free char *bomb = malloc(size);

	assert_non_null(bomb);
	for (size_t i = 0; i < size; i += 2)
		memcpy(bomb + i, "\x1a\x00", 2); /* an empty mount */
	assert_int_equal(decode(&pb__task__create_request__descriptor, bomb, size), -EBADMSG);
	assert_ok(decode(&pb__task__create_request__descriptor, bomb, 200));
}

TEST(a_nested_message_as_bytes_decodes_again)
{
	Pb__Task__KillRequest k = PB__TASK__KILL_REQUEST__INIT;
	auto_done(arena) struct arena a = { 0 };
	ProtobufCBinaryData bytes;
	const ProtobufCMessage *m;

	k.id = (char *)"c";
	k.signal = 9;
	k.all = true;
	assert_ok(message_to_bytes(&k.base, &a, &bytes));
	assert_ok(message_decode(k.base.descriptor, bytes.data, bytes.len, &a, &m, NULL));
	assert_int_equal(((const Pb__Task__KillRequest *)m)->signal, 9);
	assert_true(((const Pb__Task__KillRequest *)m)->all);
}
