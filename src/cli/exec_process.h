/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Exec process: the process that `exec` is to start, from a document or from flags on top of the container's own.
 *
 * Owner    The document is the caller's; it borrows from the options and the container's spec while they live.
 * Errors   Negative errno with *err.
 * Blocks   Reads the document.
 * Context  Parent.
 */
#include <stdbool.h>

#include "cli/args.h"
#include "oci/spec.h"

struct exec_options {
	const char *process; /* FILE */
	const char *pid_file;
	const char *console_socket;
	const char *pidfd_socket;
	const char *cwd;
	const char *user;
	const char *process_label;
	const char *apparmor;
	struct args_list env;
	struct args_list additional_gids;
	struct args_list caps;
	struct args_list cgroups;
	uint32_t preserve_fds;
	bool detach;
	bool tty;
	bool no_new_privs;
	bool ignore_paused;
};

/* From the file of --process. */
int exec_process_read(const char *path, struct spec_process_doc **ret, struct err *err);
/* From the container's process, the flags and argv. */
int exec_process_build(const struct spec_process *own, const struct exec_options *o,
	const char *const *argv, size_t argc, struct spec_process_doc **ret, struct err *err);
