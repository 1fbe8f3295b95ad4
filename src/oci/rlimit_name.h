/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Names of resource limits: "RLIMIT_NOFILE" and the kernel's number.
 *
 * Owner, Errors, Blocks, Context: as word.h.
 */
#include "oci/word.h"

extern const struct word rlimit_name_words[];

int rlimit_name_parse(const char *name, int *ret);
const char *rlimit_name(int resource);
