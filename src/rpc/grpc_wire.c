/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What surprises: the box of a message grows with the bytes that have come, not with the size that
 * was announced, so that five bytes do not cost sixteen MiB.
 */
#include "rpc/grpc_wire.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"

int grpc_timeout_parse(const char *s, uint64_t *ret_ns)
{
	static const struct {
		char unit;
		uint64_t ns;
	} units[] = {
		{ 'H', 3600 * NS_PER_SEC },
		{ 'M', 60 * NS_PER_SEC },
		{ 'S', NS_PER_SEC },
		{ 'm', NS_PER_MS },
		{ 'u', NS_PER_US },
		{ 'n', 1 },
	};
	uint64_t n = 0;
	size_t i = 0;

	for (; i < 8 && s[i] >= '0' && s[i] <= '9'; i++)
		n = n * 10 + (uint64_t)(s[i] - '0');
	if (i == 0 || s[i] == '\0' || s[i + 1] != '\0')
		return -EINVAL;
	for (size_t k = 0; k < sizeof(units) / sizeof(units[0]); k++) {
		if (units[k].unit != s[i])
			continue;
		/* 99999999 hours fit: 3.6e20 ns do not, and nobody waits for them. */
		*ret_ns = n > INT64_MAX / units[k].ns ? INT64_MAX : n * units[k].ns;
		return 0;
	}
	return -EINVAL;
}

bool grpc_content_type_ok(const char *s)
{
	static const char word[] = "application/grpc";
	const char *rest = s + sizeof(word) - 1;

	return strncmp(s, word, sizeof(word) - 1) == 0 &&
	       (*rest == '\0' || *rest == ';' || str_eq(rest, "+proto") ||
		       str_starts(rest, "+proto;"));
}

static void add_hex(struct buf *out, unsigned char c)
{
	static const char hex[] = "0123456789ABCDEF";

	buf_add(out, (char[]){ '%', hex[c >> 4], hex[c & 15] }, 3);
}

void grpc_text_encode(const char *text, struct buf *out)
{
	size_t room = GRPC_TEXT_MAX, n, cost;

	for (; *text; text += n) {
		bool plain = *text >= 0x20 && *text <= 0x7e && *text != '%';
		const char *bytes = text;
		size_t n_bytes;

		n = n_bytes = str_utf8_len(text, strnlen(text, 4));
		if (n == 0) { /* as Go's servers do: clients expect text, and formats cut it */
			n = 1;
			bytes = "\xef\xbf\xbd";
			n_bytes = 3;
		}
		cost = plain ? 1 : 3 * n_bytes;
		if (room < cost)
			return;
		room -= cost;
		if (plain)
			buf_addc(out, *text);
		for (size_t i = 0; !plain && i < n_bytes; i++)
			add_hex(out, (unsigned char)bytes[i]);
	}
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

void grpc_text_decode(const char *text, struct buf *out)
{
	while (*text) {
		int high = *text == '%' ? hex_digit(text[1]) : -1;
		int low = high >= 0 ? hex_digit(text[2]) : -1;

		buf_addc(out, low >= 0 ? (char)(high << 4 | low) : *text);
		text += low >= 0 ? 3 : 1;
	}
}

void grpc_prefix(uint8_t out[GRPC_PREFIX_BYTES], uint32_t size)
{
	out[0] = 0;
	out[1] = (uint8_t)(size >> 24);
	out[2] = (uint8_t)(size >> 16);
	out[3] = (uint8_t)(size >> 8);
	out[4] = (uint8_t)size;
}

uint32_t grpc_prefix_size(const uint8_t in[GRPC_PREFIX_BYTES])
{
	return (uint32_t)in[1] << 24 | (uint32_t)in[2] << 16 | (uint32_t)in[3] << 8 | in[4];
}

static enum grpc_read read_prefix(struct grpc_reader *r, const uint8_t **data, size_t *size)
{
	size_t n = GRPC_PREFIX_BYTES - r->n_prefix;

	if (n > *size)
		n = *size;
	memcpy(r->prefix + r->n_prefix, *data, n);
	r->n_prefix += n;
	*data += n;
	*size -= n;
	if (r->n_prefix < GRPC_PREFIX_BYTES)
		return GRPC_PARTIAL;
	r->size = grpc_prefix_size(r->prefix);
	if (r->prefix[0])
		return GRPC_COMPRESSED;
	return r->size > GRPC_MESSAGE_MAX ? GRPC_TOO_LONG : GRPC_WHOLE;
}

enum grpc_read grpc_read(
	struct grpc_reader *r, const uint8_t **data, size_t *size, struct buf **ret)
{
	size_t n;

	if (r->whole) {
		buf_done(&r->box);
		r->n_prefix = 0;
		r->whole = false;
	}
	if (r->n_prefix < GRPC_PREFIX_BYTES) {
		enum grpc_read got = read_prefix(r, data, size);

		if (got != GRPC_WHOLE)
			return got;
	}
	n = r->size - r->box.len < *size ? r->size - r->box.len : *size;
	buf_add(&r->box, *data, n);
	*data += n;
	*size -= n;
	if (buf_ok(&r->box) < 0)
		return GRPC_NO_MEMORY;
	if (r->box.len < r->size)
		return GRPC_PARTIAL;
	r->whole = true;
	*ret = &r->box;
	return GRPC_WHOLE;
}

size_t grpc_reader_held(const struct grpc_reader *r)
{
	return r->box.cap;
}

bool grpc_reader_between(const struct grpc_reader *r)
{
	return r->n_prefix == 0 || r->whole;
}

void grpc_reader_done(struct grpc_reader *r)
{
	buf_done(&r->box);
	*r = (struct grpc_reader){ 0 };
}
