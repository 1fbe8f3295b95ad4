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

int machine_features_write(struct buf *out);
