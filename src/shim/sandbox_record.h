/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Sandbox record: what a sandbox is, in its bundle, for the call that cleans up and for a shim that starts again
 * (docs/formats/sandbox.md).
 *
 * Owner    Strings are borrowed when written, and live in the arena when read.
 * Errors   -EBADMSG: not such a record, with what is wrong. -ENOENT: the bundle has none. -ENOMEM.
 * Blocks   A small local file.
 * Context  Parent.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

#define SANDBOX_RECORD_NAME "reeve-sandbox.json"
#define SANDBOX_RECORD_VERSION 1

enum sandbox_state {
	SANDBOX_CREATED,
	SANDBOX_READY,
	SANDBOX_STOPPED,
};

struct sandbox_record {
	const char *id;
	const char *cgroup; /* of the pod; "": not told */
	uint64_t state;     /* enum sandbox_state */
	bool own_net, own_ipc, own_pid, host_pid;
	bool guardian;   /* it is in the namespaces itself */
	uint32_t holder; /* host pid of reeve-sandbox; 0: there is none */
	uint64_t holder_start;
	uint64_t holder_inode; /* of its pidfd */
	uint64_t created_wall_ns;
	uint64_t exited_wall_ns; /* 0 until it is stopped */
	uint32_t exit_status;
};

int sandbox_record_write(const struct sandbox_record *r, struct buf *out);
int sandbox_record_parse(const char *text, size_t size, struct arena *arena,
	struct sandbox_record *ret, struct err *err);
int sandbox_record_save(const char *bundle, const struct sandbox_record *r, struct err *err);
/* -ENOENT also when there is no such bundle. */
int sandbox_record_load(
	const char *bundle, struct arena *arena, struct sandbox_record *ret, struct err *err);
