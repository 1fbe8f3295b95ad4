/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The native back end: operations of the table become operations of src/container. One state
 * directory per namespace (or per root that a client asks for), shared host facts: cgroup layout
 * and the sealed executor are found out once.
 */
#include "supervisor/native.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "container/cgroup_entry.h"
#include "container/container.h"
#include "container/host.h"
#include "container/oom_watch.h"
#include "container/salvage.h"
#include "container/seccomp_filter.h"
#include "container/state.h"
#include "container/stats.h"
#include "supervisor/native_criu.h"

/* One state directory with the host facts beside it. Few: they stay until the end. */
struct root {
	struct root *next;
	struct state_dir dir;
	struct host host;
};

struct native {
	struct native_config config;
	struct host host;
	bool hosted;
	struct device_bpf_cache devices;
	struct cgroup_entry entry;    /* of the container that had the last exec */
	struct seccomp_cache filters; /* of execs and of a pod's containers: mostly one profile */
	char *state_root;
	struct root *roots;
	struct stats stats; /* the last that were asked for */
};

struct backend_container {
	struct native *native;
	struct root *root;
	struct container *container;
	struct backend_call *call;    /* of the create, start or delete that runs */
	struct backend_call *freezer; /* of the pause or resume */
	struct backend_call *dump;
	struct backend_call *update;
	/* From a checkpoint. */
	struct native_restore *restore; /* until its Start there is no container */
	bool restored;                  /* by an earlier worker */
	bool lost; /* or not quite: its streams or its restore ended with that one */
	struct backend_notice *notice;
	struct oom_watch oom;
	uint64_t oom_logged; /* kills that the log has */
};

struct backend_process {
	struct backend_container *owner;
	struct container_process *process;
	struct backend_call *call;
};

/* ---- state directories ---- */

static int open_root(struct native *n, const char *path, struct root **ret, struct err *err)
{
	struct root *r = mem_calloc(1, sizeof(*r));
	int code;

	if (!r)
		return err_oom(err);
	r->dir = STATE_DIR_NULL;
	code = file_mkdirs_at(AT_FDCWD, path, 0711);
	if (code < 0)
		err_code(err, code, "make state directory '%s'", path);
	else
		code = state_dir_open(path, true, &r->dir, err);
	if (code < 0) {
		free(r);
		return code;
	}
	r->host = n->host;
	r->host.state = &r->dir;
	r->next = n->roots;
	n->roots = r;
	*ret = r;
	return 0;
}

static int find_root(struct native *n, const char *ns, const struct request_create *req,
	struct root **ret, struct err *err)
{
	const char *base = req->options.root;
	auto_free char *path = NULL;

	if (asprintf(&path, "%s/%s", str_empty(base) ? n->state_root : base, ns) < 0) {
		path = NULL;
		return err_oom(err);
	}
	for (struct root *r = n->roots; r; r = r->next)
		if (str_eq(r->dir.path, path)) {
			*ret = r;
			return 0;
		}
	return open_root(n, path, ret, err);
}

/* ---- handlers ---- */

static void warn(const struct native *n, const struct err *e, const char *what)
{
	if (n->config.log)
		log_write(n->config.log, LOG_WARN_, "%s: %s", what, e->text);
}

static void end_call(struct backend_container *c, const struct err *e, bool with_process)
{
	struct backend_call *call = take_ptr(c->call);
	struct backend_outcome o = { .err = e };

	if (!call)
		return;
	if (!e && with_process) {
		o.process = container_init(c->container);
		o.shared_pidns = !container_owns_pidns(c->container);
	}
	call->done(call, &o);
}

static void on_console(void *arg, int master)
{
	struct backend_container *c = arg;

	if (c->call && c->call->console)
		c->call->console(c->call, master);
	else
		fd_close(master);
}

static void on_oom(struct oom_watch *w)
{
	struct backend_container *c = container_of(w, struct backend_container, oom);

	c->notice->oom(c->notice);
}

/* From Create on (4.14). A container without a memory controller has nothing to watch. */
static void watch_oom(struct backend_container *c)
{
	struct cgroup *cg = container_cgroup(c->container);
	struct err e = { 0 };

	if (cg && oom_watch_start(&c->oom, c->native->config.loop, cg, on_oom, &e) < 0 &&
		e.code != -ENOENT)
		warn(c->native, &e, "watch for OOM kills");
}

static void on_created(void *arg, const struct err *e)
{
	struct backend_container *c = arg;

	if (!e)
		watch_oom(c);
	end_call(c, e, true);
}

/* Its configuration is some KiB that few containers need again. */
static void on_started(void *arg, const struct err *e)
{
	struct backend_container *c = arg;

	if (!e)
		container_forget_spec(c->container);
	end_call(c, e, false);
}

/* ---- create, start, delete ---- */

static int start_create(
	struct backend_container *c, const struct backend_create *req, struct err *err)
{
	const struct request_create *rc = req->request;
	struct container_handler h = { .arg = c, .console = on_console, .done = on_created };
	struct container_create cc = {
		.id = req->id,
		.bundle = rc->bundle,
		.stdio = { -EBADF, -EBADF, -EBADF },
		.no_pivot = rc->options.no_pivot_root,
		.no_new_keyring = rc->options.no_new_keyring,
		.systemd_cgroup = rc->options.systemd_cgroup,
	};
	auto_free char *json = NULL;
	int r = container_load_bundle(rc->bundle, NULL, &cc.spec, &json, &cc.json_size, err);

	if (r < 0)
		return r;
	cc.json = json;
	if (cc.spec->process)
		cc.spec->process->terminal = rc->stdio.terminal;
	if (!rc->stdio.terminal)
		memcpy(cc.stdio, req->stdio, sizeof(cc.stdio));
	return container_create(&c->root->host, &cc, &h, &c->container, err);
}

/* Nothing is made before its Start. */
static int keep_restore(
	struct backend_container *c, const struct backend_create *req, struct err *err)
{
	struct backend_outcome o = { .shared_pidns = false };
	struct backend_call *call = c->call;
	int r = native_restore_keep(req, &c->restore, err);

	if (r < 0)
		return r;
	c->call = NULL;
	call->done(call, &o);
	return 0;
}

static int native_create(void *arg, const struct backend_create *req, struct backend_call *call,
	struct backend_container **ret, struct err *err)
{
	struct native *n = arg;
	struct backend_container *c;
	struct root *root = NULL;
	int r;

	r = find_root(n, req->ns, req->request, &root, err);
	if (r < 0)
		return r;
	c = mem_calloc(1, sizeof(*c));
	if (!c)
		return err_oom(err);
	c->native = n;
	c->root = root;
	c->call = call;
	c->notice = req->notice;
	*ret = c;
	r = str_empty(req->request->checkpoint) ? start_create(c, req, err)
						: keep_restore(c, req, err);
	if (r < 0) {
		*ret = NULL;
		free(c);
	}
	return r;
}

/* A restore that failed has left nothing, and can be tried again. */
static void on_restored(void *arg, const struct err *e)
{
	struct backend_container *c = arg;

	if (e) {
		container_free(take_ptr(c->container));
		end_call(c, e, false);
		return;
	}
	native_restore_free(take_ptr(c->restore));
	watch_oom(c);
	end_call(c, NULL, true);
}

static int native_start(struct backend_container *c, struct backend_call *call, struct err *err)
{
	struct container_handler h = { .arg = c, .done = on_started };
	int r;

	if (c->lost)
		return err_set(err, -ECANCELED,
			"its streams ended with an earlier process of the shim: delete it and "
			"create it again");
	c->call = call;
	if (c->restored) { /* before we were there; only its answer was due */
		end_call(c, NULL, true);
		return 0;
	}
	if (c->restore) {
		h.console = on_console;
		h.done = on_restored;
		r = native_restore_run(c->restore, &c->root->host, &h, &c->container, err);
	} else
		r = container_start(c->container, &h, err);
	if (r < 0)
		c->call = NULL;
	return r;
}

/* What is gone already is deleted: a start that failed takes it all away. */
static void on_deleted(void *arg, const struct err *e)
{
	end_call(arg, e && e->code != -ENOENT ? e : NULL, false);
}

static int native_delete(struct backend_container *c, struct backend_call *call, struct err *err)
{
	struct container_handler h = { .arg = c, .done = on_deleted };
	int r;

	c->call = call;
	if (!c->container) { /* never restored */
		end_call(c, NULL, false);
		return 0;
	}
	r = container_delete(c->container, true, &h, err);
	if (r == -ENOENT) {
		end_call(c, NULL, false);
		return 0;
	}
	if (r < 0)
		c->call = NULL;
	return r;
}

/* ---- a container of an earlier worker ---- */

static int open_container(
	struct backend_container *c, const struct backend_adopt *req, struct err *err)
{
	int r = container_open(&c->root->host, req->id, &c->container, err);
	int sync;

	if (r == -EBADMSG) { /* not one that was ever finished */
		r = container_salvage(&c->root->host, req->id, err);
		return r < 0 ? r
			     : err_set(err, -ENOENT, "container '%s' was left half made", req->id);
	}
	if (r == -ENOENT) /* what an interrupted create had not given its name yet */
		state_sweep(&c->root->dir);
	if (r < 0 || req->barrier < 0)
		return r;
	sync = fcntl(req->barrier, F_DUPFD_CLOEXEC, 3);
	if (sync < 0)
		return err_sys(err, "go on with container '%s'", req->id);
	return container_adopt(c->container, sync, err);
}

static bool runs(struct backend_container *c)
{
	enum container_status s = container_status(c->container);

	return s == CONTAINER_RUNNING || s == CONTAINER_PAUSED;
}

static int native_adopt(
	void *arg, const struct backend_adopt *req, struct backend_container **ret, struct err *err)
{
	struct native *n = arg;
	struct backend_container *c = mem_calloc(1, sizeof(*c));
	int r;

	if (!c)
		return err_oom(err);
	c->native = n;
	c->notice = req->notice;
	r = find_root(n, req->ns, req->request, &c->root, err);
	if (r == 0)
		r = open_container(c, req, err);
	if (!str_empty(req->request->checkpoint)) {
		c->lost = r == -ENOENT || (r == 0 && !runs(c));
		r = r == -ENOENT ? 0 : r;
	}
	if (r < 0) {
		container_free(c->container);
		free(c);
		return r;
	}
	c->restored = !str_empty(req->request->checkpoint);
	if (c->container)
		watch_oom(c);
	*ret = c;
	return 0;
}

static const struct pidref *native_init(struct backend_container *c)
{
	return c->container ? container_init(c->container) : NULL;
}

static int native_barrier(struct backend_container *c, struct backend_process *p)
{
	if (p)
		return container_exec_sync(p->process);
	return c->container ? container_sync(c->container) : -EBADF;
}

/* ---- exec ---- */

static void exec_ended(struct backend_process *p, const struct err *e)
{
	struct backend_call *call = take_ptr(p->call);
	struct backend_outcome o = { .err = e };

	if (!call)
		return;
	o.process = e ? NULL : container_exec_process(p->process);
	call->done(call, &o);
}

static void on_exec_console(void *arg, int master)
{
	struct backend_process *p = arg;

	if (p->call && p->call->console)
		p->call->console(p->call, master);
	else
		fd_close(master);
}

static void on_exec_made(void *arg, const struct err *e)
{
	struct backend_process *p = arg;

	if (e)
		exec_ended(p, e);
	else if (p->call)
		p->call->made(p->call, container_exec_process(p->process));
}

static void on_exec_running(void *arg, const struct err *e)
{
	exec_ended(arg, e);
}

static int parse_process(struct backend_container *c, const struct request_exec *req,
	struct spec_process_doc **ret, struct err *err)
{
	auto_freep(spec_process_doc) struct spec_process_doc *doc = NULL;
	int r = spec_parse_process(req->spec, req->spec_size, &doc, err);

	if (r == 0)
		r = spec_validate_process(&doc->process, err);
	if (r == 0)
		r = container_need_spec(c->container, err);
	if (r == 0)
		r = container_exec_defaults(c->container, &doc->process, &doc->arena);
	if (r < 0)
		return r;
	doc->process.terminal = req->stdio.terminal;
	*ret = take_ptr(doc);
	return 0;
}

static int native_exec(struct backend_container *c, const struct backend_exec *req,
	struct backend_call *call, struct backend_process **ret, struct err *err)
{
	auto_freep(spec_process_doc) struct spec_process_doc *doc = NULL;
	struct container_exec ce = { .stdio = { -EBADF, -EBADF, -EBADF } };
	struct backend_process *p;
	struct container_handler h = { .console = on_exec_console, .done = on_exec_made };
	int r = parse_process(c, req->request, &doc, err);

	if (r < 0)
		return r;
	p = mem_calloc(1, sizeof(*p));
	if (!p)
		return err_oom(err);
	p->owner = c;
	p->call = call;
	h.arg = p;
	ce.process = &doc->process;
	if (!req->request->stdio.terminal)
		memcpy(ce.stdio, req->stdio, sizeof(ce.stdio));
	r = container_exec(c->container, &ce, &h, &p->process, err);
	if (r < 0)
		free(p);
	else
		*ret = p;
	return r;
}

static int native_adopt_exec(struct backend_container *c, const struct pidref *process, int barrier,
	struct backend_call *call, struct backend_process **ret, struct err *err)
{
	struct backend_process *p = mem_calloc(1, sizeof(*p));
	int sync, r;

	if (!p)
		return err_oom(err);
	p->owner = c;
	p->call = call;
	sync = fcntl(barrier, F_DUPFD_CLOEXEC, 3);
	r = sync < 0 ? err_sys(err, "go on with an exec")
		     : container_exec_adopt(c->container, process, sync, &p->process, err);
	if (r < 0)
		free(p);
	else
		*ret = p;
	return r;
}

static int native_exec_release(struct backend_process *p, struct err *err)
{
	struct container_handler h = {
		.arg = p, .console = on_exec_console, .done = on_exec_running
	};

	return container_exec_release(p->process, &h, err);
}

/* Its process is killed; the launch then fails by itself. One that does not exist yet is at the
 * executor, and short. */
static void native_cancel(struct backend_container *c, struct backend_process *p)
{
	const struct pidref *who = p              ? container_exec_process(p->process)
				   : c->container ? container_init(c->container)
						  : NULL;

	if (who && who->pid)
		pidref_kill(who, SIGKILL);
}

/* ---- what takes no time ---- */

static int finished(struct backend_call *call, int r)
{
	struct backend_outcome o = { 0 };

	if (r == 0)
		call->done(call, &o);
	return r;
}

static int native_kill(
	struct backend_container *c, int sig, bool all, struct backend_call *call, struct err *err)
{
	if (!c->container)
		return err_set(err, -ENOENT, "no such container");
	return finished(call, container_kill(c->container, sig, all, err));
}

static void on_frozen(void *arg, const struct err *e)
{
	struct backend_container *c = arg;
	struct backend_call *call = take_ptr(c->freezer);
	struct backend_outcome o = { .err = e };

	call->done(call, &o);
}

typedef int freezer_fn(
	struct container *c, const struct container_handler *handler, struct err *err);

static int freeze(
	struct backend_container *c, freezer_fn *fn, struct backend_call *call, struct err *err)
{
	struct container_handler h = { .arg = c, .done = on_frozen };
	int r;

	if (c->freezer)
		return err_set(err, -EBUSY, "container is being paused or resumed");
	c->freezer = call;
	r = fn(c->container, &h, err);
	if (r < 0)
		c->freezer = NULL;
	return r;
}

static int native_pause(struct backend_container *c, struct backend_call *call, struct err *err)
{
	return freeze(c, container_pause, call, err);
}

static int native_resume(struct backend_container *c, struct backend_call *call, struct err *err)
{
	return freeze(c, container_resume, call, err);
}

static void on_updated(void *arg, const struct err *e)
{
	struct backend_container *c = arg;
	struct backend_call *call = take_ptr(c->update);
	struct backend_outcome o = { .err = e };

	call->done(call, &o);
}

static int native_update(struct backend_container *c, const char *resources, size_t size,
	struct backend_call *call, struct err *err)
{
	auto_freep(spec_resources_doc) struct spec_resources_doc *doc = NULL;
	struct container_handler h = { .arg = c, .done = on_updated };
	int r = spec_parse_resources(resources, size, &doc, err);

	if (r == 0)
		r = spec_validate_resources(&doc->resources, err);
	if (r == 0 && !c->container)
		r = err_set(err, -EBUSY, "container has not been restored yet");
	if (r == 0 && c->update)
		r = err_set(err, -EBUSY, "container is being updated");
	if (r < 0)
		return r;
	c->update = call;
	r = container_update(c->container, &doc->resources, &h, err);
	if (r < 0)
		c->update = NULL;
	return r;
}

static void on_dumped(void *arg, const struct err *e)
{
	struct backend_container *c = arg;
	struct backend_call *call = take_ptr(c->dump);
	struct backend_outcome o = { .err = e };

	call->done(call, &o);
}

static int native_checkpoint(struct backend_container *c, const struct request_checkpoint *req,
	struct backend_call *call, struct err *err)
{
	struct container_handler h = { .arg = c, .done = on_dumped };
	int r;

	if (c->dump)
		return err_set(err, -EBUSY, "container is being checkpointed");
	c->dump = call;
	r = native_dump(c->container, req, &h, err);
	if (r < 0)
		c->dump = NULL;
	return r;
}

static void native_kill_all(struct backend_container *c)
{
	struct err e = { 0 };

	if (c->container && container_kill(c->container, SIGKILL, true, &e) < 0)
		warn(c->native, &e, "kill what the init left");
}

static void native_thaw(struct backend_container *c)
{
	if (c->container)
		container_thaw(c->container);
}

static int native_pids(struct backend_container *c, pid_t **ret, size_t *ret_n, struct err *err)
{
	if (c->container)
		return container_pids(c->container, ret, ret_n, err);
	*ret_n = 0;
	*ret = NULL;
	return 0;
}

static int native_stats(struct backend_container *c, const struct stats **ret, struct err *err)
{
	struct cgroup *cg = c->container ? container_cgroup(c->container) : NULL;
	struct native *n = c->native;
	int r;

	if (!cg)
		return err_set(err, -ENOENT, "cgroup does not exist");
	stats_done(&n->stats);
	r = stats_read(cg, &n->stats, err);
	*ret = &n->stats;
	return r;
}

/* Whoever asks first, the notice or the exit, has it logged with its reason. */
static uint64_t native_oom_kills(struct backend_container *c)
{
	uint64_t kills = oom_watch_kills(&c->oom);
	char reason[OOM_REASON_SIZE];

	if (kills > c->oom_logged && c->container && c->native->config.log) {
		oom_watch_reason(&c->oom, container_cgroup(c->container), reason);
		log_write(c->native->config.log, LOG_WARN_,
			"container '%s': %" PRIu64 " killed for want of memory: %s",
			container_id(c->container), kills - c->oom_logged, reason);
		c->oom_logged = kills;
	}
	return kills;
}

static const char *native_state_root(struct backend_container *c)
{
	return c->root->dir.path;
}

static void native_exec_free(struct backend_process *p)
{
	if (!p)
		return;
	container_exec_free(p->process);
	free(p);
}

static void native_container_free(struct backend_container *c)
{
	if (!c)
		return;
	oom_watch_stop(&c->oom);
	container_free(c->container);
	native_restore_free(c->restore);
	free(c);
}

const struct backend native_backend = {
	.name = "native",
	.create = native_create,
	.start = native_start,
	.exec = native_exec,
	.exec_release = native_exec_release,
	.barrier = native_barrier,
	.adopt = native_adopt,
	.init = native_init,
	.adopt_exec = native_adopt_exec,
	.cancel = native_cancel,
	.kill = native_kill,
	.pause = native_pause,
	.resume = native_resume,
	.update = native_update,
	.checkpoint = native_checkpoint,
	.delete_ = native_delete,
	.kill_all = native_kill_all,
	.thaw = native_thaw,
	.pids = native_pids,
	.stats = native_stats,
	.oom_kills = native_oom_kills,
	.state_root = native_state_root,
	.exec_free = native_exec_free,
	.free = native_container_free,
};

/* ---- the back end itself ---- */

int native_new(const struct native_config *config, struct native **ret, struct err *err)
{
	struct native *n = mem_calloc(1, sizeof(*n));
	int r;

	if (!n)
		return err_oom(err);
	n->config = *config;
	n->state_root = strdup(config->state_root ? config->state_root : NATIVE_STATE_ROOT);
	n->host.loop = config->loop;
	n->host.log = config->log;
	n->host.reaper = config->reaper;
	n->host.parent_pid = config->parent_pid;
	r = n->state_root ? host_open(&n->host, err) : err_oom(err);
	if (r < 0) {
		native_free(n);
		return r;
	}
	n->hosted = true;
	seccomp_cache_init_below(&n->filters, -EBADF, SECCOMP_CACHE_SLOTS);
	device_bpf_cache_init(&n->devices);
	n->host.seccomp = &n->filters;
	n->host.devices = &n->devices;
	n->host.entry = &n->entry;
	*ret = n;
	return 0;
}

const struct host *native_host(const struct native *n)
{
	return &n->host;
}

void native_quiet(struct native *n)
{
	cgroup_entry_done(&n->entry);
}

void native_free(struct native *n)
{
	if (!n)
		return;
	while (n->roots) {
		struct root *r = n->roots;

		n->roots = r->next;
		state_dir_done(&r->dir);
		free(r);
	}
	cgroup_entry_done(&n->entry);
	seccomp_cache_done(&n->filters);
	if (n->host.devices)
		device_bpf_cache_done(&n->devices);
	if (n->hosted)
		host_close(&n->host);
	stats_done(&n->stats);
	free(n->state_root);
	free(n);
}
