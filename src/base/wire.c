/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Wire: see the header. What surprises: strings carry their NUL on the wire, and a varint longer
 * than its value needs is refused, so every record has one form and can be compared and hashed as
 * bytes.
 */
#include "base/wire.h"

#include <string.h>

enum { KIND_VARINT = 0, KIND_BYTES = 2 };

static void put(struct wire_out *w, const void *data, size_t size)
{
	if (size > 0 && w->len <= w->cap && size <= w->cap - w->len)
		memcpy(w->data + w->len, data, size);
	w->len += size;
}

static void put_varint(struct wire_out *w, uint64_t v)
{
	uint8_t b[10];
	size_t n = 0;

	for (; v >= 0x80; v >>= 7)
		b[n++] = (uint8_t)(v | 0x80);
	b[n++] = (uint8_t)v;
	put(w, b, n);
}

void wire_put_int(struct wire_out *w, uint32_t field, uint64_t value)
{
	if (value == 0)
		return;
	put_varint(w, (uint64_t)field << 3 | KIND_VARINT);
	put_varint(w, value);
}

void wire_put_head(struct wire_out *w, uint32_t field, size_t size)
{
	put_varint(w, (uint64_t)field << 3 | KIND_BYTES);
	put_varint(w, size);
}

void wire_put_bytes(struct wire_out *w, uint32_t field, const void *data, size_t size)
{
	if (size == 0)
		return;
	wire_put_head(w, field, size);
	put(w, data, size);
}

void wire_put_str(struct wire_out *w, uint32_t field, const char *s)
{
	if (s && *s)
		wire_put_bytes(w, field, s, strlen(s) + 1);
}

static uint64_t next_varint(struct wire_in *w)
{
	uint64_t v = 0;

	for (unsigned int shift = 0; shift < 64 && w->at < w->size; shift += 7) {
		uint8_t b = w->data[w->at++];

		if ((shift == 63 && b > 1) || (b == 0 && shift > 0))
			break;
		v |= (uint64_t)(b & 0x7f) << shift;
		if (b < 0x80)
			return v;
	}
	w->bad = true;
	return 0;
}

bool wire_next(struct wire_in *w, struct wire_field *ret)
{
	struct wire_field f = { 0 };
	uint64_t key;

	if (w->bad || w->at == w->size)
		return false;
	key = next_varint(w);
	f.number = (uint32_t)(key >> 3);
	f.is_bytes = (key & 7) == KIND_BYTES;
	if (key >> 32 || f.number == 0 || (!f.is_bytes && (key & 7) != KIND_VARINT))
		w->bad = true;
	if (!w->bad)
		f.value = next_varint(w);
	if (f.is_bytes && f.value > w->size - w->at)
		w->bad = true;
	if (w->bad)
		return false;
	if (f.is_bytes) {
		f.data = w->data + w->at;
		f.size = (size_t)f.value;
		w->at += f.size;
	}
	*ret = f;
	return true;
}

const char *wire_str(const struct wire_field *f)
{
	if (!f->is_bytes || f->size == 0 || memchr(f->data, '\0', f->size) != f->data + f->size - 1)
		return NULL;
	return (const char *)f->data;
}

struct wire_in wire_nested(const struct wire_field *f)
{
	return (struct wire_in){ .data = f->data, .size = f->size, .bad = !f->is_bytes };
}
