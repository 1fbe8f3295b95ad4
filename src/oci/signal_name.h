/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Names of signals: what `kill` is given and what is shown.
 *
 * Owner    The caller's.
 * Errors   -EINVAL with the text `unknown signal "X"`.
 * Blocks   Never.
 * Context  Any.
 */
#include "base/err.h"

/*
 * "9", "KILL", "SIGKILL", "kill", "RTMIN+3", "SIGRTMAX-1"; case does not matter. 0 is a number that
 * may be given (it asks whether the process exists). RTMIN is the C library's (34), as everywhere.
 */
int signal_name_parse(const char *text, int *ret, struct err *err);

/* "SIGKILL", "SIGRTMIN+3"; "signal 77" for a number that is none. Returns out. */
#define SIGNAL_NAME_SIZE 24
const char *signal_name(int sig, char out[SIGNAL_NAME_SIZE]);
