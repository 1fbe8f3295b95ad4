/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each call has a log of its own, in the bundle: with one for all of them, the error of one would be told as another's.
 * A runtime of which an exec or a create gets the container's streams has no other way to say what failed.
 */
#include "supervisor/oci_run.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "supervisor/oci_log.h"

void oci_args_add(struct oci_args *a, const char *arg)
{
	if (a->failed || mem_grow(&a->v, &a->cap, a->n + 1, sizeof(*a->v)) < 0)
		a->failed = true;
	else
		a->v[a->n++] = arg;
}

void oci_args_add2(struct oci_args *a, const char *option, const char *value)
{
	oci_args_add(a, option);
	oci_args_add(a, value);
}

void oci_args_done(struct oci_args *a)
{
	free(a->v);
	*a = (struct oci_args){ 0 };
}

static void on_end(struct command *command, const struct command_result *r)
{
	struct oci_run *run = container_of(command, struct oci_run, command);
	const struct oci_runtime *rt = run->runtime;
	struct err err = { 0 };

	if (command_failed(r, path_basename(rt->program), &err) < 0 && err.code == -EIO)
		oci_log_read_error(rt->bundle_fd, run->log, &err);
	unlinkat(rt->bundle_fd, run->log, 0);
	run->runtime = NULL;
	run->done(run, err.code ? &err : NULL);
}

static void add_global(struct oci_args *a, const struct oci_runtime *rt, const char *log)
{
	oci_args_add(a, rt->program);
	oci_args_add2(a, "--root", rt->root);
	oci_args_add2(a, "--log", log);
	oci_args_add2(a, "--log-format", "json");
	if (rt->systemd_cgroup)
		oci_args_add(a, "--systemd-cgroup");
	if (!str_empty(rt->criu))
		oci_args_add2(a, "--criu", rt->criu);
}

static int launch(struct oci_run *run, const struct oci_run_request *req, struct oci_args *argv,
	struct err *err)
{
	const struct oci_runtime *rt = run->runtime;
	auto_free char *log = path_join(rt->bundle, run->log);
	struct command_request cr = {
		.program = rt->program,
		.cwd = rt->bundle,
		.stdio = req->stdio,
		.input = req->input,
		.input_size = req->input_size,
		.limit_ns = req->limit_ns,
	};

	if (!log)
		return err_oom(err);
	add_global(argv, rt, log);
	for (size_t i = 0; i < req->args->n; i++)
		oci_args_add(argv, req->args->v[i]);
	oci_args_add(argv, NULL);
	if (argv->failed || req->args->failed)
		return err_oom(err);
	cr.argv = (char *const *)argv->v;
	return command_start(&run->command, rt->env, &cr, on_end, err);
}

int oci_run_start(struct oci_run *run, const struct oci_runtime *runtime,
	const struct oci_run_request *req, oci_run_fn *done, struct err *err)
{
	struct oci_args argv = { 0 };
	int r;

	*run = (struct oci_run){ .runtime = runtime, .done = done };
	/* A number that no other call has, in this worker or a later one. */
	snprintf(run->log, sizeof(run->log), "log.%llx.json", (unsigned long long)clock_boot_ns());
	r = launch(run, req, &argv, err);
	oci_args_done(&argv);
	if (r < 0)
		run->runtime = NULL;
	return r;
}

bool oci_run_is_active(const struct oci_run *run)
{
	return run->runtime != NULL;
}

void oci_run_cancel(struct oci_run *run)
{
	if (run->runtime)
		command_cancel(&run->command);
}

void oci_run_drop(struct oci_run *run)
{
	if (!run->runtime)
		return;
	command_drop(&run->command);
	unlinkat(run->runtime->bundle_fd, run->log, 0);
	run->runtime = NULL;
}
