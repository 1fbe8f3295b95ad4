/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Arguments of a shim as containerd writes them (spec/shim.md 1.3): the syntax of Go's flag package.
 *
 * Owner    The strings are argv's.
 * Errors   -EINVAL. Unknown flags are none: newer versions may send what we do not know.
 * Blocks   Never; pure.
 * Context  Any.
 */
#include <stdbool.h>

#include "base/err.h"

/* Absent strings are NULL. */
struct shim_args {
	const char *ns;
	const char *id;
	const char *address; /* of containerd's gRPC socket */
	const char *publish_binary;
	const char *bundle;
	const char *socket;
	const char *debug_socket;
	bool debug;
	bool version;
	bool info;
	bool help;
	const char *action; /* the first word that is no flag: "start", "delete" */
};

int shim_args_parse(int argc, char *const *argv, struct shim_args *ret, struct err *err);
