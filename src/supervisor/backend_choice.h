/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Backend choice: the back end that gives each container to one of two: to the runtime in process when its options name
 * no runtime or one that is our own `reeve`, else to the binary that they name.
 *
 * Owner    The caller's struct is the `arg` of all operations and outlives every container, as do both back ends.
 * Errors   As backend.h.
 * Blocks   As backend.h.
 * Context  Parent, on the loop's thread.
 */
#include "supervisor/backend.h"

struct backend_choice {
	const struct backend *native;
	void *native_arg;
	const struct backend *oci;
	void *oci_arg;
	const char *search; /* as $PATH, for names */
};

extern const struct backend backend_choice;
