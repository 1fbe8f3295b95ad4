/* SPDX-License-Identifier: Apache-2.0 */
/*
 * containerd asks once per runtime and daemon, without a container: there is no namespace, and the
 * answer is for the machine. It decides by it whether containers may have id-mapped mounts.
 */
#include "shim/info.h"

#include "config.h"

#include "api/runtime_info.h"
#include "base/fd.h"
#include "rpc/message.h"

#include "proto/common.pb-c.h"

#define INPUT_MAX_BYTES (4u << 20)

int info_run(int input, int output, struct err *err)
{
	auto_done(arena) struct arena arena = { 0 };
	auto_done(buf) struct buf out = { 0 };
	const ProtobufCMessage *options = NULL;
	auto_free char *text = NULL;
	size_t size;
	int r;

	r = fd_read_file(input, INPUT_MAX_BYTES, &text, &size);
	if (r < 0)
		return err_code(err, r, "read standard input");
	if (size > 0)
		r = message_decode(&pb__any__descriptor, text, size, &arena, &options, err);
	if (r < 0) {
		err_in(err, "standard input");
		return r;
	}
	if (runtime_info_encode(options, &out) < 0)
		return err_oom(err);
	r = fd_write_full(output, out.data, out.len);
	return r < 0 ? err_code(err, r, "write the answer") : 0;
}

void info_version(const char *program, struct buf *out)
{
	buf_addf(
		out, "%s:\n  Version:  %s\n  Revision: %s\n", program, REEVE_VERSION, REEVE_COMMIT);
}
