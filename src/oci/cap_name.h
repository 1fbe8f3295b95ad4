/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Names of capabilities: "CAP_CHOWN" and the kernel's number.
 *
 * Owner    Names are constant.
 * Errors   -EINVAL: no capability of that name.
 * Blocks   Never.
 * Context  Any.
 */
#include <stddef.h>
#include <stdint.h>

#define CAP_NAME_COUNT 41 /* CAP_CHOWN (0) to CAP_CHECKPOINT_RESTORE (40) */

int cap_name_parse(const char *name, unsigned int *ret);
/* NULL for a number that has no name. */
const char *cap_name(unsigned int cap);

/*
 * The set of these names, one bit each. Unknown names are no error (runtime-spec 1.1: warn and go
 * on): they are left out, and the first of them is given in *ret_unknown (else NULL).
 */
uint64_t cap_name_mask(const char *const *names, size_t n, const char **ret_unknown);
