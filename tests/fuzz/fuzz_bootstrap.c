/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What containerd gives a shim to read. The first byte of the input chooses: 0 the standard input of
 * start, else a table of options as CRI sends it.
 */
#include <stdlib.h>
#include <string.h>

#include "rpc/any.h"
#include "shim/bootstrap.h"

#include "proto/options.pb-c.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Strings may be read to their end. */
static size_t touch(const struct task_options *o)
{
	const char *const strings[] = { o->shim_cgroup, o->run.binary_name, o->run.root,
		o->run.criu_path, o->run.criu_image_path, o->run.criu_work_path };
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_LEN(strings); i++)
		n += strings[i] ? strlen(strings[i]) : 0;
	return n;
}

static void input_of_start(const uint8_t *data, size_t size, struct arena *arena)
{
	struct bootstrap b;
	struct err err = { 0 };

	if (bootstrap_decode(data, size, "c1", "default", arena, &b, &err) == 0)
		touch(&b.options);
	else if (!err.text[0])
		abort();
}

static void table(const uint8_t *data, size_t size, struct arena *arena)
{
	Pb__Options__Runtime m = PB__OPTIONS__RUNTIME__INIT;
	ProtobufCBinaryData bytes;
	struct task_options o;
	struct err err = { 0 };

	m.config_body = (ProtobufCBinaryData){ size, (uint8_t *)data };
	if (message_to_bytes(&m.base, arena, &bytes) < 0)
		return;
	if (task_options_decode_any(ANY_RUNTIME_OPTIONS, bytes.data, bytes.len, arena, &o, &err) >
		0)
		touch(&o);
	else if (!err.text[0])
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_done(arena) struct arena arena = { 0 };

	if (size > 0 && data[0] == 0)
		input_of_start(data + 1, size - 1, &arena);
	else if (size > 0)
		table(data + 1, size - 1, &arena);
	return 0;
}
