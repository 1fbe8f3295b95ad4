/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Runtime path: which program a BinaryName of containerd's options is (spec/shim.md 3.2).
 *
 * Owner    *ret is the caller's (heap).
 * Errors   -ENOENT with a text that quotes the name, for clients look for it (4.2).
 * Blocks   No.
 * Context  Parent.
 */
#include <stdbool.h>

#include "base/err.h"

/* An absolute path as it is, or a name that is looked up in `search` (as $PATH). */
int runtime_path_find(const char *name, const char *search, char **ret, struct err *err);

/*
 * Whether the program is our own `reeve`, by whatever name: it is called so once links are followed, or it is the file
 * of that name in `search` or beside this program.
 */
bool runtime_path_is_reeve(const char *path, const char *search);
