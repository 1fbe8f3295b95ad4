/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What checkpoint and restore share: options, file names, words.
 *
 * Owner    Strings are borrowed for the call.
 * Errors   Negative errno with *err.
 * Blocks   No.
 * Context  Parent.
 */
#include "container/container.h"
#include "container/criu_mounts.h"
#include "container/criu_run.h"

#define CRIU_STREAMS_FILE \
	"descriptors.json" /* names of the standard streams, as runc writes them */
#define CRIU_MOUNTS_FILE "reeve-mounts.json" /* criu_mounts_write() */
#define CRIU_NET "extRootNetNS"
#define CRIU_PID "extRootPidNS"

int container_criu_words(const struct container_criu *o, struct helper_words *w, struct err *err);
int container_criu_empty_ns(
	const struct container_criu *o, struct helper_words *w, struct err *err);
