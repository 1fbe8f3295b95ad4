/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * criu: one dump or restore, by its RPC, from start to end.
 *
 * Owner    Nothing outlives the call but what was restored.
 * Errors   Told through `news`; the return value is the exit status.
 * Blocks   Until it is over.
 * Context  reeve-helper only.
 */
#include <stddef.h>

/* `news`: a socket as criu_wire.h says; words: the order. */
int criu_main(int news, char *const *words, size_t n);
