/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Runtime name: which shim binary a container's runtime is (spec/manager.md 1.5, spec/shim.md 1.1).
 *
 * Owner    *ret is the caller's (heap).
 * Errors   -EINVAL: no name of a runtime; -ENOENT: no such program.
 * Blocks   Looks at local files.
 * Context  Parent.
 */
#include "base/err.h"

/*
 * An absolute path as it is, or "io.containerd.NAME.VERSION" as the program containerd-shim-NAME-VERSION, looked for in
 * `search` (as $PATH), then in `beside`, the directory of our own program (NULL: nowhere).
 */
int runtime_name_resolve(
	const char *name, const char *search, const char *beside, char **ret, struct err *err);

/* The program's name alone, of a name that is no path. Pure. */
int runtime_name_program(const char *name, char **ret, struct err *err);
