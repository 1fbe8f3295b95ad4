/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Reload: the part of supervisor_load() that looks at nothing but bytes.
 *
 * Owner    The bytes stay the caller's.
 * Errors   None: a record that makes no sense is logged and passed over, for each task stands for itself.
 * Blocks   Never.
 * Context  Parent.
 */
#include "supervisor/holder.h"

/* The records of a whole journal, fed to a supervisor without tasks; nothing is performed. */
void reload_read(struct supervisor *sup, const void *data, size_t size);
