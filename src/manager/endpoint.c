/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The three forms in the order in which containerd 2.3 tries them: a protobuf message, JSON with a version of at least
 * 2, the bare address. They cannot be confused: the first letters of an address and of a JSON object are no valid
 * protobuf.
 *
 * What surprises: JSON that says less than version 2 is an address to containerd. To us it is garbage, as is an address
 * with blanks or control characters: what a program says that failed is not to be connected to.
 */
#include "manager/endpoint.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/json_read.h"
#include "base/json_write.h"
#include "base/mem.h"
#include "rpc/message.h"

#include "proto/bootstrap.pb-c.h"

#define ADDRESS_MAX 4096
#define VERSION_MAX 3
#define SHOWN(size) ((int)((size) > 200 ? 200 : (size)))
#define FILE_NAME "bootstrap.json"
#define ADDRESS_NAME "address"

static const struct json_limits limits = {
	.bytes = 65536, .nodes = 256, .string = ADDRESS_MAX, .depth = 8
};

struct answer {
	int64_t version;
	const char *address;
	const char *protocol;
};

static bool is_address(const char *s, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if ((unsigned char)s[i] <= ' ' || (unsigned char)s[i] >= 0x7f)
			return false;
	return size > 0 && size < ADDRESS_MAX;
}

static int take(const struct answer *a, struct endpoint *ret, struct err *err)
{
	bool too_new = a->version > VERSION_MAX;

	if (!str_eq(a->protocol, "ttrpc"))
		return err_set(err, -EPROTONOSUPPORT, "unsupported protocol of a shim: '%s'",
			a->protocol ? a->protocol : "");
	if (!a->address || !is_address(a->address, strlen(a->address)))
		return err_set(err, -EBADMSG, "the shim's answer has no address");
	if (a->version < 2)
		return err_set(err, -EBADMSG, "the shim's answer has no version that there is");
	ret->version = too_new ? VERSION_MAX : (int)a->version;
	ret->address = strdup(a->address);
	if (!ret->address)
		return err_oom(err);
	return too_new ? err_set(err, -EPROTONOSUPPORT, "unsupported shim version (%lld)",
				 (long long)a->version)
		       : 0;
}

static size_t trimmed(const char **text, size_t size)
{
	while (size > 0 && strchr(" \r\n\t", (*text)[size - 1]))
		size--;
	for (; size > 0 && strchr(" \r\n\t", **text); size--)
		++*text;
	return size;
}

static int take_plain(const char *text, size_t size, struct endpoint *ret, struct err *err)
{
	auto_free char *address = strndup(text, size);

	if (!address)
		return err_oom(err);
	return take(&(struct answer){ 2, address, "ttrpc" }, ret, err);
}

static int take_result(const char *text, size_t size, struct endpoint *ret, struct err *err)
{
	auto_done(arena) struct arena arena = { 0 };
	const ProtobufCMessage *m;
	const Pb__Bootstrap__Result *result;

	if (message_decode(&pb__bootstrap__result__descriptor, text, size, &arena, &m, NULL) < 0)
		return err_set(err, -EBADMSG, "the shim's answer is no address: '%.*s'",
			SHOWN(size), text);
	result = (const Pb__Bootstrap__Result *)(const void *)m;
	return take(
		&(struct answer){ result->version, result->address, result->protocol }, ret, err);
}

static const char *string_of(const struct json_node *object, const char *key)
{
	const struct json_node *n = json_read_get(object, key);

	return n && n->kind == JSON_READ_STRING && strlen(n->text) == n->len ? n->text : NULL;
}

static int take_json(const char *text, size_t size, struct endpoint *ret, struct err *err)
{
	auto_done(arena) struct arena arena = { 0 };
	struct json_node *top = NULL;
	const struct json_node *version;
	struct answer a = { 0 };

	if (json_read(&arena, text, size, &limits, &top, err) < 0)
		return err_set(
			err, -EBADMSG, "the shim's answer is no JSON: '%.*s'", SHOWN(size), text);
	version = json_read_get(top, "version");
	if (!version || json_read_i64(version, &a.version) < 0)
		return err_set(err, -EBADMSG, "the shim's answer has no version");
	a.address = string_of(top, "address");
	a.protocol = string_of(top, "protocol");
	return take(&a, ret, err);
}

int endpoint_parse(const char *text, size_t size, struct endpoint *ret, struct err *err)
{
	const char *start = text;
	size_t n = trimmed(&start, size);

	if (n == 0)
		return err_set(err, -EBADMSG, "the shim's answer is empty");
	if (*start == '{')
		return take_json(start, n, ret, err);
	if (is_address(start, n))
		return take_plain(start, n, ret, err);
	return take_result(text, size, ret, err);
}

int endpoint_write(const struct endpoint *e, struct buf *out)
{
	struct json_writer w = { .out = out };

	json_write_open(&w, '{');
	json_write_member_i64(&w, "version", e->version);
	json_write_member_str(&w, "address", e->address);
	json_write_member_str(&w, "protocol", "ttrpc");
	json_write_close(&w, '}');
	return buf_ok(out);
}

int endpoint_load(int bundle, struct endpoint *ret, struct err *err)
{
	auto_free char *text = NULL;
	const char *name = FILE_NAME;
	size_t size;
	int r = fd_read_regular_at(bundle, name, ADDRESS_MAX, &text, &size);
	bool bare = r == -ENOENT;

	if (bare) {
		name = ADDRESS_NAME;
		r = fd_read_regular_at(bundle, name, ADDRESS_MAX, &text, &size);
	}
	if (r < 0)
		return err_code(err, r, "the bundle's '%s'", name);
	r = endpoint_parse(text, size, ret, err);
	if (r < 0)
		return err_in(err, "the bundle's '%s'", name);
	if (bare) /* shims of 2.x leave it as well, and have no version 2 */
		ret->version = VERSION_MAX;
	return 0;
}

/* Readable for all, as containerd's: tools without privileges look into it. */
int endpoint_save(int bundle, const struct endpoint *e, struct err *err)
{
	auto_done(buf) struct buf text = { 0 };
	int r = endpoint_write(e, &text);

	if (r == 0)
		r = file_replace_at(bundle, FILE_NAME, text.data, text.len, 0644);
	return r < 0 ? err_code(err, r, "write " FILE_NAME) : 0;
}

const char *endpoint_service(const struct endpoint *e)
{
	return e->version >= 3 ? "containerd.task.v3.Task" : "containerd.task.v2.Task";
}

void endpoint_done(struct endpoint *e)
{
	free(e->address);
	*e = (struct endpoint){ 0 };
}
