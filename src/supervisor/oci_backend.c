/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operations of the table as calls of a runtime; what makes processes is in oci_make.c. Calls for one container may
 * run at the same time, for a kill must not wait for a start that hangs. Only a delete waits for what we ourselves have
 * ordered for the container (kill what init left, thaw), each of which is bounded.
 *
 * What surprises: the runtime's name is written into the bundle before the container is made, so that whoever cleans up
 * after a shim that died meanwhile knows whom to ask.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "supervisor/bundle_record.h"
#include "supervisor/oci_impl.h"
#include "supervisor/oci_spec.h"
#include "supervisor/runtime_path.h"

#define USUAL_NS (60 * NS_PER_SEC)
#define START_NS (120 * NS_PER_SEC) /* hooks run in it */
#define CHECKPOINT_NS (600 * NS_PER_SEC)

uint64_t oci_limit(const struct oci *o, uint64_t usual_ns)
{
	return o->config.limit_ns ? o->config.limit_ns : usual_ns;
}

static void warn(const struct backend_container *c, const struct err *e, const char *what)
{
	struct log *log = c->oci->config.log;

	if (log)
		log_write(log, LOG_WARN_, "%s: %s: %s", c->id, what, e->text);
}

/* ---- orders ---- */

static void unlink_order(struct oci_order *o)
{
	struct oci_order **at = &o->c->orders;

	while (*at && *at != o)
		at = &(*at)->next;
	if (*at)
		*at = o->next;
}

static void on_order_release(struct loop_deferred *d)
{
	struct oci_order *o = container_of(d, struct oci_order, release);

	free(o->files);
	free(o);
}

static void order_free(struct oci_order *o)
{
	loop_defer(o->c->oci->config.loop, &o->release, on_order_release);
}

static void tell(struct backend_call *call, const struct err *err)
{
	struct backend_outcome outcome = { .err = err };

	if (call)
		call->done(call, &outcome);
}

static void start_delete(struct backend_container *c, struct backend_call *call);

static bool has_own_orders(const struct backend_container *c)
{
	for (const struct oci_order *o = c->orders; o; o = o->next)
		if (!o->call)
			return true;
	return false;
}

static void on_ordered(struct oci_run *run, const struct err *err)
{
	struct oci_order *o = container_of(run, struct oci_order, run);
	struct backend_container *c = o->c;
	struct backend_call *call = o->call;

	unlink_order(o);
	if (o->ended)
		o->ended(o, err);
	else if (call)
		tell(call, err); /* which may free the container */
	else if (err)
		warn(c, err, o->what);
	if (!call && c->parked && !has_own_orders(c))
		start_delete(c, take_ptr(c->parked));
	order_free(o);
}

struct order {
	const char *what;
	struct backend_call *call; /* NULL: our own */
	void (*ended)(struct oci_order *o, const struct err *err);
	const struct oci_args *args;
	const char *input;
	size_t input_size;
	uint64_t limit_ns;
	char *files; /* taken over on success */
	bool files_are_ours;
};

static int order(struct backend_container *c, const struct order *what, struct err *err)
{
	struct oci_run_request req = {
		.args = what->args,
		.input = what->input,
		.input_size = what->input_size,
		.limit_ns = oci_limit(c->oci, what->limit_ns ? what->limit_ns : USUAL_NS),
	};
	struct oci_order *o = mem_calloc(1, sizeof(*o));
	int r;

	if (!o)
		return err_oom(err);
	o->c = c;
	o->what = what->what;
	o->call = what->call;
	o->ended = what->ended;
	r = oci_run_start(&o->run, &c->runtime, &req, on_ordered, err);
	if (r < 0) {
		free(o);
		return r;
	}
	o->files = what->files;
	o->files_are_ours = what->files_are_ours;
	o->next = c->orders;
	c->orders = o;
	return 0;
}

/* SUBCOMMAND [OPTION] ID [ARGUMENT] */
static int order_simply(struct backend_container *c, struct order *what, const char *option,
	const char *argument, struct err *err)
{
	struct oci_args args = { 0 };
	int r;

	oci_args_add(&args, what->what);
	if (option)
		oci_args_add(&args, option);
	oci_args_add(&args, c->id);
	if (argument)
		oci_args_add(&args, argument);
	what->args = &args;
	r = order(c, what, err);
	what->args = NULL;
	oci_args_done(&args);
	return r;
}

/* ---- create ---- */

static char *keep(struct backend_container *c, const char *text)
{
	return str_empty(text) ? NULL : arena_strdup(&c->arena, text);
}

static int find_runtime(
	struct backend_container *c, const struct request_options *o, struct err *err)
{
	const char *name = str_empty(o->binary_name) ? "runc" : o->binary_name;
	auto_free char *path = NULL;
	int r = runtime_path_find(name, c->oci->config.search, &path, err);

	if (r == 0) {
		c->runtime.program = keep(c, path);
		r = c->runtime.program ? 0 : err_oom(err);
	}
	return r;
}

static int fill(struct backend_container *c, const char *ns, const char *id,
	const struct request_create *rc, struct err *err)
{
	const struct request_options *o = &rc->options;

	c->runtime.env = &c->oci->env;
	c->runtime.bundle_fd = -EBADF;
	c->runtime.root =
		arena_printf(&c->arena, "%s/%s", str_empty(o->root) ? OCI_STATE_ROOT : o->root, ns);
	c->runtime.bundle = keep(c, rc->bundle);
	c->runtime.criu = keep(c, o->criu_path);
	c->runtime.systemd_cgroup = o->systemd_cgroup;
	c->id = keep(c, id);
	c->no_pivot = o->no_pivot_root;
	c->no_new_keyring = o->no_new_keyring;
	c->checkpoint = keep(c, rc->checkpoint);
	c->parent_checkpoint = keep(c, rc->parent_checkpoint);
	c->work_path = keep(c, o->criu_work_path);
	c->terminal = rc->stdio.terminal;
	if (!c->runtime.root || !c->runtime.bundle || !c->id)
		return err_oom(err);
	c->runtime.bundle_fd = fd_open(c->runtime.bundle, O_PATH | O_DIRECTORY, 0);
	if (c->runtime.bundle_fd < 0)
		return err_code(err, c->runtime.bundle_fd, "open bundle '%s'", c->runtime.bundle);
	return find_runtime(c, o, err);
}

static int save_record(struct backend_container *c, struct err *err)
{
	const struct bundle_record record = {
		.root = c->runtime.root,
		.program = c->runtime.program,
		.systemd_cgroup = c->runtime.systemd_cgroup,
	};

	return bundle_record_save(c->runtime.bundle_fd, &record, err);
}

/* A process from a checkpoint gets its streams when it is restored. */
static int keep_for_restore(struct backend_container *c, const int *stdio, struct err *err)
{
	for (int i = 0; i < 3 && !c->terminal; i++) {
		if (stdio[i] < 0)
			continue;
		c->stdio[i] = fcntl(stdio[i], F_DUPFD_CLOEXEC, 3);
		if (c->stdio[i] < 0)
			return err_sys(err, "keep the streams for the restore");
	}
	return 0;
}

static void container_done(struct backend_container *c)
{
	for (int i = 0; i < 3; i++)
		c->stdio[i] = fd_close(c->stdio[i]);
	c->runtime.bundle_fd = fd_close(c->runtime.bundle_fd);
	oom_watch_stop(&c->oom);
	cgroup_free(c->cgroup);
	c->cgroup = NULL;
	pidref_done(&c->init);
}

static void container_free(struct backend_container *c)
{
	container_done(c);
	arena_done(&c->arena);
	free(c);
}

static int start_create(struct backend_container *c, const struct backend_create *req,
	struct backend_call *call, struct err *err)
{
	int r = fill(c, req->ns, req->id, req->request, err);

	if (r == 0)
		r = save_record(c, err);
	if (r < 0)
		return r;
	c->shared_pidns = oci_spec_shares_pidns(c->runtime.bundle);
	return c->checkpoint ? keep_for_restore(c, req->stdio, err)
			     : oci_make_create(c, req->stdio, c->terminal, call, err);
}

static int oci_create(void *arg, const struct backend_create *req, struct backend_call *call,
	struct backend_container **ret, struct err *err)
{
	struct backend_container *c = mem_calloc(1, sizeof(*c));
	struct backend_outcome o = { 0 };
	int r;

	if (!c)
		return err_oom(err);
	c->oci = arg;
	c->notice = req->notice;
	c->init = PIDREF_NULL;
	for (int i = 0; i < 3; i++)
		c->stdio[i] = -EBADF;
	r = start_create(c, req, call, err);
	if (r < 0) {
		container_free(c);
		return r;
	}
	*ret = c;
	if (c->checkpoint) {
		o.shared_pidns = c->shared_pidns;
		call->done(call, &o);
	}
	return 0;
}

/* All of its processes that the core knows are watched now: an exec that was on its way is none of them. */
static void on_settle(struct loop_deferred *d)
{
	oci_kill_strays(container_of(d, struct backend_container, settle), 0);
}

/*
 * Of an earlier worker. Whether the runtime knows of it the runtime tells when it is asked for something; what it was doing
 * when that worker died ended with it.
 */
static int oci_adopt(
	void *arg, const struct backend_adopt *req, struct backend_container **ret, struct err *err)
{
	struct backend_container *c = mem_calloc(1, sizeof(*c));
	int r;

	if (!c)
		return err_oom(err);
	c->oci = arg;
	c->notice = req->notice;
	c->init = PIDREF_NULL;
	for (int i = 0; i < 3; i++)
		c->stdio[i] = -EBADF;
	r = fill(c, req->ns, req->id, req->request, err);
	if (r < 0) {
		container_free(c);
		return r;
	}
	c->shared_pidns = oci_spec_shares_pidns(c->runtime.bundle);
	if (pidref_reopen(req->init->pid, req->init->inode, req->init->start_time, &c->init) == 0)
		oci_find_cgroup(c);
	else
		c->init.pid = req->init->pid;
	c->adopted = true;
	loop_defer(c->oci->config.loop, &c->settle, on_settle);
	*ret = c;
	return 0;
}

/* Its processes wait for nobody but the runtime itself. */
static int oci_barrier(struct backend_container *c, struct backend_process *p)
{
	(void)c, (void)p;
	return -EBADF;
}

static int oci_adopt_exec(struct backend_container *c, const struct pidref *process, int barrier,
	struct backend_call *call, struct backend_process **ret, struct err *err)
{
	(void)c, (void)process, (void)barrier, (void)call, (void)ret;
	return err_set(err, -EOPNOTSUPP, "an exec of this runtime has no barrier");
}

/* ---- start ---- */

/* A start that is repeated, for the worker before had ordered it: what runtimes say when it had been done. */
static bool was_started(const struct oci_order *o, const struct err *err)
{
	return o->c->adopted &&
	       (strstr(err->text, "running") || strstr(err->text, "stopped") ||
		       strstr(err->text, "created state") || strstr(err->text, "'created'"));
}

/* Whether a start that was ended has let the program run, nobody knows: its exit is the answer. */
static void on_started(struct oci_order *o, const struct err *err)
{
	if (err && was_started(o, err))
		err = NULL;
	if (err && (err->code == -ETIMEDOUT || err->code == -ECANCELED))
		pidref_kill(&o->c->init, SIGKILL);
	tell(o->call, err);
}

static int oci_start(struct backend_container *c, struct backend_call *call, struct err *err)
{
	struct order o = {
		.what = "start", .call = call, .ended = on_started, .limit_ns = START_NS
	};

	if (c->checkpoint && c->init.pid == 0)
		return oci_make_restore(c, call, err);
	return order_simply(c, &o, NULL, NULL, err);
}

/* ---- exec ---- */

static int oci_exec(struct backend_container *c, const struct backend_exec *req,
	struct backend_call *call, struct backend_process **ret, struct err *err)
{
	struct backend_process *p = mem_calloc(1, sizeof(*p));
	int r;

	if (!p)
		return err_oom(err);
	p->c = c;
	r = oci_make_exec(p, req, call, err);
	if (r < 0) {
		free(p);
		return r;
	}
	p->next = c->processes;
	c->processes = p;
	*ret = p;
	return 0;
}

static int oci_exec_release(struct backend_process *p, struct err *err)
{
	(void)err;
	oci_make_release(&p->make);
	return 0;
}

static void oci_cancel(struct backend_container *c, struct backend_process *p)
{
	oci_make_cancel(p ? &p->make : &c->make);
	for (struct oci_order *o = c->orders; !p && o; o = o->next)
		if (o->ended == on_started)
			oci_run_cancel(&o->run);
}

static void on_process_release(struct loop_deferred *d)
{
	free(container_of(d, struct backend_process, release));
}

static void oci_exec_free(struct backend_process *p)
{
	struct backend_process **at;

	if (!p)
		return;
	for (at = &p->c->processes; *at && *at != p; at = &(*at)->next)
		;
	if (*at)
		*at = p->next;
	oci_make_drop(&p->make);
	loop_defer(p->c->oci->config.loop, &p->release, on_process_release);
}

/* ---- signals ---- */

/* What runtimes say of a process or a container that is gone (4.2). */
static int kill_code(const struct err *err)
{
	static const struct {
		const char *text;
		int code;
	} known[] = {
		{ "process already finished", -ESRCH },
		{ "not running", -ESRCH },
		{ "no such process", -ESRCH },
		{ "does not exist", -ENOENT },
		{ "no such file or directory", -ENOENT },
	};

	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (strcasestr(err->text, known[i].text))
			return known[i].code;
	return err->code;
}

static void on_killed(struct oci_order *o, const struct err *err)
{
	struct err e;

	if (err) {
		e = *err;
		e.code = kill_code(err);
	}
	tell(o->call, err ? &e : NULL);
}

static int oci_kill(
	struct backend_container *c, int sig, bool all, struct backend_call *call, struct err *err)
{
	struct order o = { .what = "kill", .call = call, .ended = on_killed };
	char number[16];

	snprintf(number, sizeof(number), "%d", sig);
	return order_simply(c, &o, all ? "--all" : NULL, number, err);
}

static void order_ourselves(
	struct backend_container *c, const char *what, const char *option, const char *argument)
{
	struct order o = { .what = what };
	struct err err;

	if (order_simply(c, &o, option, argument, &err) < 0)
		warn(c, &err, what);
}

static void oci_kill_all(struct backend_container *c)
{
	order_ourselves(c, "kill", "--all", "9");
}

static void oci_thaw(struct backend_container *c)
{
	order_ourselves(c, "resume", NULL, NULL);
}

/* ---- the rest ---- */

static int oci_pause(struct backend_container *c, struct backend_call *call, struct err *err)
{
	struct order o = { .what = "pause", .call = call };

	return order_simply(c, &o, NULL, NULL, err);
}

static int oci_resume(struct backend_container *c, struct backend_call *call, struct err *err)
{
	struct order o = { .what = "resume", .call = call };

	return order_simply(c, &o, NULL, NULL, err);
}

static int oci_update(struct backend_container *c, const char *resources, size_t size,
	struct backend_call *call, struct err *err)
{
	struct order o = { .what = "update", .call = call, .input = resources, .input_size = size };

	return order_simply(c, &o, "--resources=-", NULL, err);
}

/* Its name is in the container's working directory, which is a link in the bundle. */
static void remove_files(const char *path)
{
	auto_free char *parent = strndup(path, (size_t)(path_basename(path) - path));
	auto_close int dir = parent ? fd_open(parent, O_PATH | O_DIRECTORY, 0) : -EBADF;

	if (dir >= 0)
		file_remove_tree_at(dir, path_basename(path));
}

/* criu's own words are in its log, which is taken to where people look for it (4.12). */
static void on_checkpointed(struct oci_order *o, const struct err *err)
{
	auto_free char *text = NULL;
	auto_close int from = fd_open(o->files, O_PATH | O_DIRECTORY, 0);
	int to = o->c->runtime.bundle_fd;
	size_t size;
	struct err e;

	if (err) {
		e = *err;
		if (from >= 0 && fd_read_file_at(from, "dump.log", 4u << 20, &text, &size) == 0 &&
			file_replace_at(to, "criu-dump.log", text, size, 0600) == 0)
			err_set(&e, err->code, "%.200s path= %.200s/criu-dump.log", err->text,
				o->c->runtime.bundle);
	}
	if (o->files_are_ours)
		remove_files(o->files);
	tell(o->call, err ? &e : NULL);
}

static void add_checkpoint(
	struct oci_args *a, const struct request_checkpoint *req, const char *work, const char *id)
{
	oci_args_add(a, "checkpoint");
	oci_args_add2(a, "--image-path", req->path);
	oci_args_add2(a, "--work-path", work);
	if (!str_empty(req->parent_path))
		oci_args_add2(a, "--parent-path", req->parent_path);
	if (req->open_tcp)
		oci_args_add(a, "--tcp-established");
	if (req->external_unix_sockets)
		oci_args_add(a, "--ext-unix-sk");
	if (req->terminal)
		oci_args_add(a, "--shell-job");
	if (req->file_locks)
		oci_args_add(a, "--file-locks");
	for (size_t i = 0; i < req->n_empty_namespaces; i++)
		oci_args_add2(a, "--empty-ns", req->empty_namespaces[i]);
	if (!req->exit)
		oci_args_add(a, "--leave-running");
	oci_args_add(a, id);
}

/* The client's, or one of our own below the container's working directory, which is removed. */
static char *work_directory(const struct backend_container *c, const char *given)
{
	char name[48];

	if (!str_empty(given))
		return strdup(given);
	snprintf(name, sizeof(name), "work/criu-work.%llx", (unsigned long long)clock_boot_ns());
	return path_join(c->runtime.bundle, name);
}

static int oci_checkpoint(struct backend_container *c, const struct request_checkpoint *req,
	struct backend_call *call, struct err *err)
{
	auto_free char *work = work_directory(c, req->work_path);
	struct oci_args args = { 0 };
	struct order o = {
		.what = "checkpoint",
		.call = call,
		.ended = on_checkpointed,
		.args = &args,
		.limit_ns = CHECKPOINT_NS,
		.files = work,
		.files_are_ours = str_empty(req->work_path),
	};
	int r;

	if (!work)
		return err_oom(err);
	if (str_empty(req->path))
		return err_set(err, -EINVAL, "no path is given for the checkpoint");
	r = file_mkdirs_at(AT_FDCWD, work, 0711);
	if (r < 0)
		return err_code(err, r, "make criu's directory '%s'", work);
	add_checkpoint(&args, req, work, c->id);
	r = order(c, &o, err);
	oci_args_done(&args);
	if (r < 0 && o.files_are_ours)
		remove_files(work);
	if (r == 0)
		work = NULL; /* the order's */
	return r;
}

/* ---- delete ---- */

static void on_deleted(struct oci_order *o, const struct err *err)
{
	bool gone = err && kill_code(err) == -ENOENT;

	tell(o->call, gone ? NULL : err);
}

/* By force: what init has left goes too, and what is gone already is no failure. */
static int order_delete(struct backend_container *c, struct backend_call *call, struct err *err)
{
	struct order o = { .what = "delete", .call = call, .ended = on_deleted };

	return order_simply(c, &o, "--force", NULL, err);
}

static void start_delete(struct backend_container *c, struct backend_call *call)
{
	struct err err;

	if (order_delete(c, call, &err) < 0)
		tell(call, &err);
}

static int oci_delete(struct backend_container *c, struct backend_call *call, struct err *err)
{
	struct backend_outcome o = { 0 };

	if (c->checkpoint &&
		c->init.pid == 0) { /* never restored: the runtime knows nothing of it */
		call->done(call, &o);
		return 0;
	}
	if (has_own_orders(c)) {
		c->parked = call;
		return 0;
	}
	return order_delete(c, call, err);
}

/* ---- what is known of it ---- */

static uint64_t oci_oom_kills(struct backend_container *c)
{
	return oom_watch_kills(&c->oom);
}

static const char *oci_state_root(struct backend_container *c)
{
	return c->runtime.root;
}

static const char *oci_program(struct backend_container *c)
{
	return c->runtime.program;
}

static void on_release(struct loop_deferred *d)
{
	container_free(container_of(d, struct backend_container, release));
}

static void oci_container_free(struct backend_container *c)
{
	if (!c)
		return;
	oci_make_drop(&c->make);
	while (c->orders) {
		struct oci_order *o = c->orders;

		c->orders = o->next;
		oci_run_drop(&o->run);
		order_free(o);
	}
	c->parked = NULL;
	loop_defer_cancel(&c->settle);
	container_done(c);
	loop_defer(c->oci->config.loop, &c->release, on_release);
}

const struct backend oci_backend = {
	.name = "oci",
	.create = oci_create,
	.start = oci_start,
	.exec = oci_exec,
	.exec_release = oci_exec_release,
	.barrier = oci_barrier,
	.adopt = oci_adopt,
	.adopt_exec = oci_adopt_exec,
	.cancel = oci_cancel,
	.kill = oci_kill,
	.pause = oci_pause,
	.resume = oci_resume,
	.update = oci_update,
	.checkpoint = oci_checkpoint,
	.delete_ = oci_delete,
	.kill_all = oci_kill_all,
	.thaw = oci_thaw,
	.pids = oci_pids,
	.stats = oci_stats,
	.oom_kills = oci_oom_kills,
	.state_root = oci_state_root,
	.program = oci_program,
	.exec_free = oci_exec_free,
	.free = oci_container_free,
};

int oci_new(const struct oci_config *config, struct oci **ret, struct err *err)
{
	struct oci *o = mem_calloc(1, sizeof(*o));

	if (!o)
		return err_oom(err);
	o->config = *config;
	o->env = (struct command_env){ .loop = config->loop, .reaper = config->reaper };
	*ret = o;
	return 0;
}

void oci_free(struct oci *o)
{
	if (!o)
		return;
	cgroup_host_done(&o->cgroups);
	stats_done(&o->stats);
	free(o);
}
