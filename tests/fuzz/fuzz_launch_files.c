/* SPDX-License-Identifier: Apache-2.0 */
/* What the task manager reads of a shim's answer and of a bundle: what was read can be written and reads the same. */
#include <stdlib.h>

#include "manager/bundle.h"
#include "manager/endpoint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void endpoint(const char *text, size_t size)
{
	auto_done(endpoint) struct endpoint a = { 0 };
	auto_done(endpoint) struct endpoint b = { 0 };
	auto_done(buf) struct buf out = { 0 };
	struct err err = { 0 };
	int r = endpoint_parse(text, size, &a, &err);

	if (r < 0 && !err.text[0])
		abort();
	if (r == 0 &&
		(endpoint_write(&a, &out) < 0 || endpoint_parse(out.data, out.len, &b, &err) < 0 ||
			a.version != b.version || !str_eq(a.address, b.address)))
		abort();
}

static void intent(const char *text, size_t size)
{
	auto_done(arena) struct arena arena = { 0 };
	auto_done(buf) struct buf out = { 0 };
	struct intent a, b;
	struct err err = { 0 };
	int r = intent_parse(text, size, &arena, &a, &err);

	if (r < 0 && !err.text[0])
		abort();
	if (r == 0 && (intent_write(&a, &out) < 0 ||
			      intent_parse(out.data, out.len, &arena, &b, &err) < 0 ||
			      a.stage != b.stage || !str_eq(a.binary, b.binary)))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err err = { 0 };
	gid_t gid;

	endpoint((const char *)data, size);
	intent((const char *)data, size);
	if (bundle_root_gid(data, size, &gid, &err) < 0 && !err.text[0])
		abort();
	return 0;
}
