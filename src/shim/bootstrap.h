/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Bootstrap: what containerd says to `start` on its standard input, what it hears, and how the two
 * depend on its version (spec/shim.md 1.6). Pure but for options that name a file.
 *
 * Owner    Strings live in the caller's arena.
 * Errors   -EBADMSG: neither of the two forms; errors of options.h.
 * Blocks   As options.h.
 * Context  Parent.
 */
#include "api/task_options.h"
#include "base/str.h"

struct bootstrap {
	bool params; /* containerd >= 2.3: BootstrapParams came, BootstrapResult is expected */
	bool debug;  /* of params: containerd logs at debug or below */
	const char *ttrpc_address; /* of params; NULL where it says nothing */
	const char *grpc_address;
	const char *socket_dir;
	struct task_options options;
};

/* `id` and `ns` are those of the arguments: they tell the two forms apart. */
int bootstrap_decode(const void *data, size_t size, const char *id, const char *ns,
	struct arena *arena, struct bootstrap *ret, struct err *err);

/* Append the answer: a BootstrapResult for one who sent params, else the address alone, which every
 * version takes for a shim of version 2. */
int bootstrap_encode(bool params, int version, const char *address, struct buf *out);
