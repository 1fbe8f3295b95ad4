/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Store report: what is in a store of reeved, and what is wrong with it, for who does not link the library that it
 * stands on.
 *
 *	reeve-helper store path=FILE
 *
 * Owner    -
 * Errors   Told on `news`, lines of words with tabs between: "bad FINDING", "container NAMESPACE ID", and at the end
 *          "ok", "damaged", "none" (there is no such file) or "error TEXT". The exit status is 0.
 * Blocks   On the disk, and up to seconds on a daemon that writes.
 * Context  A process of its own. A daemon may have the store open.
 */
#include <stddef.h>

int store_report_main(int news, char **words, size_t n);
