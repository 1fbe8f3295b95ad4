/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Info: what -info and -v print (spec/shim.md 1.12).
 *
 * Owner    Nothing is kept.
 * Errors   0 or negative errno with *err.
 * Blocks   Reads the input to its end.
 * Context  Parent.
 */
#include "api/runtime_info.h"
#include "base/err.h"
#include "base/str.h"

#define SHIM_RUNTIME_NAME RUNTIME_INFO_NAME

/* The input is an Any of options, or empty, for every version of containerd; it is given back. */
int info_run(int input, int output, struct err *err);

/* Version and commit, for people. */
void info_version(const char *program, struct buf *out);
