/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Where records go: what stands behind --log.
 *
 *	PATH, file:PATH     appended to a file
 *	journald:NAME       to the journal, NAME as the identifier
 *	syslog:NAME         to /dev/log
 *
 * Owner    The caller closes log->fd. NAME stays the caller's and must outlive the log.
 * Errors   Negative errno with *err; the log is unchanged then.
 * Blocks   No.
 * Context  Parent.
 *
 * Sources: crun(1); systemd's "Native Journal Protocol"; RFC 3164.
 */
#include "base/err.h"
#include "base/log.h"

int cli_log_open(const char *target, struct log *log, struct err *err);
