/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Crash: what a program leaves behind when a fault of its own, or its watchdog, ends it: signal, address and a
 * backtrace, on standard error and in a file.
 *
 * Owner    Constant; `path` is copied.
 * Errors   Negative errno with *err.
 * Blocks   In the handler: on writing those lines, for two seconds at most; then SIGALRM ends the process.
 * Context  Process-wide: handlers of SIGSEGV, SIGBUS, SIGFPE, SIGILL and SIGABRT, on a stack of their own. They use no
 *          heap and no lock, and end the process by the same signal.
 */
#include "base/err.h"

/* `path`: the file, replaced by each crash. Addresses are told from the beginning of the program: addr2line -e PROGRAM. */
int crash_catch(const char *program, const char *path, struct err *err);
