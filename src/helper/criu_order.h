/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The order that the helper was given: words of the command line as options of criu.
 *
 * Owner    The caller; everything that it points to is of argv or of the process' life, which is short.
 * Errors   Negative errno with *err.
 * Blocks   Opens directories.
 * Context  reeve-helper only.
 */
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/mem.h"

#include "proto/criu.pb-c.h"

struct criu_order {
	struct arena arena;
	Pb__Criu__RequestType type;
	Pb__Criu__Options opts;
	Pb__Criu__PageServer page_server;
	const char *criu;   /* program, with or without a directory */
	const char *images; /* directory of the images */
	const char *work;   /* for its log */
	const char **join;  /* cgroup.procs files that criu enters before it restores */
	size_t n_join;
	int *keep; /* fds that criu inherits */
	size_t n_keep;
};

int criu_order_read(struct criu_order *o, char *const *words, size_t n, struct err *err);
/* Open its directories, in the mount namespace that criu will work in: it mounts below them. */
int criu_order_open(struct criu_order *o, struct err *err);
