/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Read by clang-tidy before every file but err.c: its analyzer looks at one file at a time, and must be told that
 * what these functions return is a failure, or it follows paths that do not exist.
 */
#include "../../src/base/err.h"

#define err_set(...) (err_set(__VA_ARGS__), -5)
#define err_sys(...) (err_sys(__VA_ARGS__), -5)
#define err_code(...) (err_code(__VA_ARGS__), -5)
#define err_in(...) (err_in(__VA_ARGS__), -5)
#define err_oom(...) (err_oom(__VA_ARGS__), -12)
