/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Options: what containerd, CRI and Docker say about how a container is to be run (spec/shim.md
 * 3.2): runc's message, or the table of a runtime that they do not know, as TOML.
 *
 * Owner    Strings live in the caller's arena.
 * Errors   1 when the options were of a type that we know, 0 with none set when not. -EINVAL with
 *          the name of the option; -EBADMSG; errors of reading a named file.
 * Blocks   Reads a local file when the options name one.
 * Context  Parent.
 */
#include "base/err.h"
#include "base/mem.h"
#include "rpc/message.h"
#include "supervisor/request.h"

struct task_options {
	struct request_options run; /* of each container */
	const char *shim_cgroup;    /* of the shim, in `start`; NULL: stay where we are */
};

/* The Any in `data`; size 0: none. */
int task_options_decode(const void *data, size_t size, struct arena *arena,
	struct task_options *ret, struct err *err);

/* The same for an Any whose parts are known; type_url may be NULL. */
int task_options_decode_any(const char *type_url, const void *value, size_t size,
	struct arena *arena, struct task_options *ret, struct err *err);

/* CheckpointTaskRequest.options; of another type than runc's: none. Strings live in the arena. */
int task_options_decode_checkpoint(const char *type_url, const void *value, size_t size,
	struct arena *arena, struct request_checkpoint *ret, struct err *err);
