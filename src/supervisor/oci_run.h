/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Run: one call of an OCI runtime's command line for one container, with what it says of a failure (spec/shim.md 9,
 * 4.2): global options before the subcommand, a log of its own in JSON.
 *
 * Owner    As a command (command.h): embedded, valid until `done` ran or oci_run_drop() returned, and to the end of the
 *          loop's round. The runtime is the caller's and outlives its runs.
 * Errors   Negative errno with *err when it could not be started. A failed one: -EIO with the last error of its log, or
 *          how it ended and what it printed; -ETIMEDOUT; -ECANCELED.
 * Blocks   Until execve has happened.
 * Context  Parent, on the loop's thread.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "supervisor/command.h"

struct oci_runtime {
	const struct command_env *env;
	const char *program; /* absolute */
	const char *root;    /* where it keeps its state */
	const char *criu;    /* --criu; NULL: none */
	const char *
		bundle; /* its working directory: names of files that are given to it count from there */
	int bundle_fd;
	bool systemd_cgroup;
};

/* Arguments that are borrowed; the last, of oci_run_start(), is NULL. */
struct oci_args {
	const char **v;
	size_t n, cap;
	bool failed;
};

void oci_args_add(struct oci_args *a, const char *arg);
void oci_args_add2(struct oci_args *a, const char *option, const char *value);
void oci_args_done(struct oci_args *a);

struct oci_run;
typedef void oci_run_fn(struct oci_run *run, const struct err *err); /* NULL: success */

struct oci_run_request {
	const struct oci_args *args; /* from the subcommand on */
	const int *stdio;            /* become its 0-2; NULL: `input`, and what it prints is kept */
	const char *input;
	size_t input_size;
	uint64_t limit_ns;
};

struct oci_run {
	struct command command;
	const struct oci_runtime *runtime;
	oci_run_fn *done;
	char log[40]; /* in the bundle */
};

int oci_run_start(struct oci_run *run, const struct oci_runtime *runtime,
	const struct oci_run_request *req, oci_run_fn *done, struct err *err);
bool oci_run_is_active(const struct oci_run *run);
void oci_run_cancel(struct oci_run *run);
void oci_run_drop(struct oci_run *run);
