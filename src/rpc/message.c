/* SPDX-License-Identifier: Apache-2.0 */
/*
 * protobuf-c does the work; this adds what it leaves open. It copies strings without a look at
 * their bytes, so a first pass walks the wire form along the type's descriptor and refuses NUL and
 * bad UTF-8 while lengths are still known. And it allocates a struct for each two bytes of an empty
 * repeated message, so what one decode may take is bounded by a share of the input.
 *
 * None of our types contains itself: the depth of the walk is that of proto/.
 */
#include "rpc/message.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"

#define YEAR_1_SECONDS (-62135596800)

enum wire_type { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

#define BUDGET_BYTES (1u << 20)
#define BUDGET_PER_BYTE 16

struct cursor {
	const uint8_t *p;
	size_t left;
};

static bool take_varint(struct cursor *c, uint64_t *ret)
{
	uint64_t v = 0;

	for (unsigned int shift = 0; shift < 70; shift += 7) {
		if (c->left == 0)
			return false;
		v |= shift < 64 ? (uint64_t)(*c->p & 0x7f) << shift : 0;
		c->left--;
		if (!(*c->p++ & 0x80)) {
			*ret = v;
			return true;
		}
	}
	return false;
}

static bool take_bytes(struct cursor *c, uint64_t n, struct cursor *ret)
{
	if (n > c->left)
		return false;
	*ret = (struct cursor){ c->p, (size_t)n };
	c->p += n;
	c->left -= (size_t)n;
	return true;
}

static int check_string(const ProtobufCFieldDescriptor *f, struct cursor s, struct err *err)
{
	while (s.left > 0) {
		size_t n = *s.p ? str_utf8_len(s.p, s.left) : 0;

		if (n == 0)
			return err_set(err, -EBADMSG, "field '%s' contains %s", f->name,
				*s.p ? "invalid UTF-8" : "a NUL byte");
		s.p += n;
		s.left -= n;
	}
	return 0;
}

static int check(const ProtobufCMessageDescriptor *type, struct cursor c, struct err *err);

static int check_field(const ProtobufCFieldDescriptor *f, struct cursor value, struct err *err)
{
	if (!f)
		return 0;
	if (f->type == PROTOBUF_C_TYPE_STRING)
		return check_string(f, value, err);
	if (f->type == PROTOBUF_C_TYPE_MESSAGE)
		return check(f->descriptor, value, err);
	return 0;
}

static int check(const ProtobufCMessageDescriptor *type, struct cursor c, struct err *err)
{
	while (c.left > 0) {
		struct cursor value = { 0 };
		uint64_t tag = 0, n = 0;
		bool whole = take_varint(&c, &tag) && tag >> 3 > 0 && tag >> 3 < 1u << 29;
		int r;

		if (whole && (tag & 7) == WIRE_VARINT)
			whole = take_varint(&c, &n);
		else if (whole && (tag & 7) == WIRE_FIXED64)
			whole = take_bytes(&c, 8, &value);
		else if (whole && (tag & 7) == WIRE_FIXED32)
			whole = take_bytes(&c, 4, &value);
		else
			whole = whole && (tag & 7) == WIRE_BYTES && take_varint(&c, &n) &&
				take_bytes(&c, n, &value);
		if (!whole)
			return err_set(err, -EBADMSG, "malformed message '%s'", type->short_name);
		if ((tag & 7) != WIRE_BYTES)
			continue;
		r = check_field(
			protobuf_c_message_descriptor_get_field(type, (unsigned int)(tag >> 3)),
			value, err);
		if (r < 0)
			return r;
	}
	return 0;
}

struct budget {
	struct arena *arena;
	size_t left;
	bool no_memory;
};

static void *budget_alloc(void *data, size_t size)
{
	struct budget *b = data;
	void *p;

	if (size > b->left)
		return NULL;
	b->left -= size;
	p = arena_alloc(b->arena, size);
	if (!p)
		b->no_memory = true;
	return p;
}

static void budget_free(void *data, void *p)
{
}

int message_decode(const ProtobufCMessageDescriptor *type, const void *data, size_t size,
	struct arena *arena, const ProtobufCMessage **ret, struct err *err)
{
	struct budget budget = { .arena = arena, .left = BUDGET_BYTES + BUDGET_PER_BYTE * size };
	ProtobufCAllocator allocator = { budget_alloc, budget_free, &budget };
	ProtobufCMessage *m;
	int r;

	r = check(type, (struct cursor){ data, size }, err);
	if (r < 0)
		return r;
	m = protobuf_c_message_unpack(type, &allocator, size, data);
	if (!m && budget.no_memory)
		return err_oom(err);
	if (!m)
		return err_set(err, -EBADMSG, "malformed message '%s'", type->short_name);
	*ret = m;
	return 0;
}

struct sink {
	ProtobufCBuffer base;
	struct buf *out;
};

static void sink_append(ProtobufCBuffer *base, size_t len, const uint8_t *data)
{
	struct sink *s = container_of(base, struct sink, base);

	buf_add(s->out, data, len);
}

void message_encode(const ProtobufCMessage *m, struct buf *out)
{
	struct sink s = { { sink_append }, out };

	protobuf_c_message_pack_to_buffer(m, &s.base);
}

int message_to_bytes(const ProtobufCMessage *m, struct arena *arena, ProtobufCBinaryData *ret)
{
	size_t size = protobuf_c_message_get_packed_size(m);
	uint8_t *data = arena_alloc(arena, size ? size : 1);

	if (!data)
		return -ENOMEM;
	protobuf_c_message_pack(m, data);
	*ret = (ProtobufCBinaryData){ size, data };
	return 0;
}

void message_set_time(Pb__Timestamp *t, uint64_t wall_ns)
{
	pb__timestamp__init(t);
	t->seconds = wall_ns ? (int64_t)(wall_ns / NS_PER_SEC) : YEAR_1_SECONDS;
	t->nanos = (int32_t)(wall_ns % NS_PER_SEC);
}

uint64_t message_get_time(const Pb__Timestamp *t)
{
	if (!t || t->seconds <= 0 || (uint64_t)t->seconds > UINT64_MAX / NS_PER_SEC - 1)
		return 0;
	return (uint64_t)t->seconds * NS_PER_SEC + (t->nanos > 0 ? (uint64_t)t->nanos : 0);
}
