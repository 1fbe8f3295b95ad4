/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Criu run: one dump or restore by reeve-helper, as a source on the loop.
 *
 * Owner    The run is the caller's, ended with criu_run_free(), also in its handler; that ends the helper, and criu with
 *          it, unless `done` has come.
 * Errors   Negative errno with *err, or in `done`.
 * Blocks   Never.
 * Context  Parent, on the loop's thread.
 */
#include "base/err.h"
#include "base/mem.h"
#include "container/helper_run.h"
#include "container/host.h"

struct criu_run;

struct criu_run_handler {
	void *arg;
	/* The restored first process: in its namespaces, and when all is made and nothing runs yet. criu_run_go() answers. */
	void (*hooks)(void *arg, pid_t pid);
	void (*made)(void *arg, pid_t pid);
	void (*terminal)(void *arg, int master); /* takes the fd */
	void (*done)(void *arg, const struct err *err);
};

/* criu inherits this fd, taken over, in place of what was known as `key`. */
void criu_order_inherit(struct helper_words *w, const char *key, int fd);

/* The order: words as helper/criu_order.c takes them. */
int criu_run_start(const struct host *h, const struct helper_words *order,
	const struct criu_run_handler *handler, struct criu_run **ret, struct err *err);
int criu_run_go(struct criu_run *r);
void criu_run_free(struct criu_run *r); /* accepts NULL */
AUTO_FREE(struct criu_run, criu_run)
