/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Wire: small records as bytes, in memory that the caller gives: protobuf's wire format (varints
 * and length-delimited fields only), so that `protoc --decode_raw` reads a dump and a reader can
 * step over fields that it does not know.
 *
 * Owner    The caller's memory; what the reader returns points into its input.
 * Errors   A writer that runs out of room goes on counting: `len` is then what is needed. A reader
 *          that meets malformed bytes sets `bad` and ends; nothing it returned before is unsafe to
 *          use.
 * Blocks   Never.
 * Context  Any; nothing is allocated.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wire_out {
	uint8_t *data; /* may be NULL with cap 0: measures */
	size_t cap;
	size_t len; /* bytes needed so far; more than cap means that the bytes are not complete */
};

/* A zero and an empty string are not written: absent means zero. */
void wire_put_int(struct wire_out *w, uint32_t field, uint64_t value);
void wire_put_bytes(struct wire_out *w, uint32_t field, const void *data, size_t size);
/* With its NUL, so that a reader can use it where it lies. */
void wire_put_str(struct wire_out *w, uint32_t field, const char *s);
/* Head of a nested record of `size` bytes, also when that is 0: they follow. */
void wire_put_head(struct wire_out *w, uint32_t field, size_t size);

struct wire_in {
	const uint8_t *data;
	size_t size;
	size_t at;
	bool bad;
};

struct wire_field {
	uint32_t number;
	bool is_bytes;
	uint64_t value; /* of an integer */
	const uint8_t *data;
	size_t size;
};

/* The next field; false at the end, which is fine unless w->bad. */
bool wire_next(struct wire_in *w, struct wire_field *ret);
/* The string in a field that wire_put_str() wrote; NULL when it is none (an inner NUL, no NUL,
 * an integer). */
const char *wire_str(const struct wire_field *f);
/* Reader of a nested record. */
struct wire_in wire_nested(const struct wire_field *f);
