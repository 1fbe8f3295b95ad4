/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Machine features: the features document of this build on this machine, for the command line and for shims.
 *
 * Owner    Appends to the caller's buf.
 * Errors   -ENOMEM.
 * Blocks   Never; asks the kernel which seccomp flags it has.
 * Context  Parent.
 */
#include "base/str.h"

/* `alias` (NULL: none): an annotation more, with the version of the runtime that we stand in for. */
int machine_features_write(const char *alias, const char *alias_version, struct buf *out);
