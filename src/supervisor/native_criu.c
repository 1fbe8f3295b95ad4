/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between Create and Start of a restore there is no process, so what Create brought is kept here: names, and the ends of
 * the streams that the processes will get.
 *
 * A dump that fails leaves criu's log in the bundle, where people look for it, and says so.
 */
#include "supervisor/native_criu.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"

#define LOG_MAX (64u << 20)
#define LOG_IN_BUNDLE "criu-dump.log"
#define OWN_WORK "criu-work"

/* ---- restore ---- */

struct native_restore {
	struct arena arena;
	const char *id, *bundle, *images, *parent, *criu, *work;
	bool terminal, no_pivot, no_new_keyring, systemd_cgroup;
	int stdio[3];
};

static int keep_stdio(struct native_restore *r, const int stdio[3], struct err *err)
{
	for (size_t i = 0; i < 3; i++) {
		if (stdio[i] < 0)
			continue;
		r->stdio[i] = fcntl(stdio[i], F_DUPFD_CLOEXEC, 3);
		if (r->stdio[i] < 0)
			return err_sys(err, "keep the standard streams");
	}
	return 0;
}

int native_restore_keep(
	const struct backend_create *req, struct native_restore **ret, struct err *err)
{
	const struct request_create *rc = req->request;
	const struct request_options *o = &rc->options;
	struct native_restore *r = mem_calloc(1, sizeof(*r));
	int code = 0;

	if (!r)
		return err_oom(err);
	for (size_t i = 0; i < 3; i++)
		r->stdio[i] = -EBADF;
	r->id = arena_strdup(&r->arena, req->id);
	r->bundle = arena_strdup(&r->arena, rc->bundle);
	r->images = arena_strdup(&r->arena, rc->checkpoint);
	r->parent = arena_strdup(&r->arena, rc->parent_checkpoint ? rc->parent_checkpoint : "");
	r->criu = arena_strdup(&r->arena, o->criu_path ? o->criu_path : "");
	r->work = str_empty(o->criu_work_path) ? arena_printf(&r->arena, "%s/work", rc->bundle)
					       : arena_strdup(&r->arena, o->criu_work_path);
	r->terminal = rc->stdio.terminal;
	r->no_pivot = o->no_pivot_root;
	r->no_new_keyring = o->no_new_keyring;
	r->systemd_cgroup = o->systemd_cgroup;
	if (!r->id || !r->bundle || !r->images || !r->parent || !r->criu || !r->work)
		code = err_oom(err);
	else if (!r->terminal)
		code = keep_stdio(r, req->stdio, err);
	if (code < 0)
		native_restore_free(r);
	else
		*ret = r;
	return code;
}

int native_restore_run(const struct native_restore *r, const struct host *host,
	const struct container_handler *handler, struct container **ret, struct err *err)
{
	struct container_criu o = {
		.criu = r->criu,
		.images = r->images,
		.parent = r->parent,
		.work = r->work,
	};
	struct container_create cc = {
		.id = r->id,
		.bundle = r->bundle,
		.stdio = { r->stdio[0], r->stdio[1], r->stdio[2] },
		.no_pivot = r->no_pivot,
		.no_new_keyring = r->no_new_keyring,
		.systemd_cgroup = r->systemd_cgroup,
		.starts_at_once = true,
	};
	auto_free char *json = NULL;
	int code = container_load_bundle(r->bundle, NULL, &cc.spec, &json, &cc.json_size, err);

	if (code < 0)
		return code;
	cc.json = json;
	if (cc.spec->process)
		cc.spec->process->terminal = r->terminal;
	code = file_mkdirs_at(AT_FDCWD, r->work, 0700);
	if (code < 0) {
		spec_free(cc.spec);
		return err_code(err, code, "make work directory '%s'", r->work);
	}
	return container_restore(host, &cc, &o, handler, ret, err);
}

void native_restore_free(struct native_restore *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < 3; i++)
		fd_close(r->stdio[i]);
	arena_done(&r->arena);
	free(r);
}

/* ---- dump ---- */

struct dump {
	struct container_handler handler;
	char *bundle;
	char *work;
	bool own_work; /* ours to remove */
};

static void dump_free(struct dump *d)
{
	free(d->bundle);
	free(d->work);
	free(d);
}

/* True when it lies in the bundle now. */
static bool keep_log(const struct dump *d)
{
	auto_close int work = fd_open(d->work, O_RDONLY | O_DIRECTORY, 0);
	auto_close int bundle = fd_open(d->bundle, O_RDONLY | O_DIRECTORY, 0);
	auto_free char *text = NULL;
	size_t size;

	return work >= 0 && bundle >= 0 &&
	       fd_read_file_at(work, "dump.log", LOG_MAX, &text, &size) == 0 &&
	       file_replace_at(bundle, LOG_IN_BUNDLE, text, size, 0600) == 0;
}

/* `work` of a bundle is a link to where containerd keeps such things. */
static void remove_work(const struct dump *d)
{
	auto_free char *path = path_join(d->bundle, "work");
	auto_close int dir = path ? fd_open(path, O_RDONLY | O_DIRECTORY, 0) : -ENOMEM;

	if (dir >= 0)
		file_remove_tree_at(dir, OWN_WORK);
}

static void on_dumped(void *arg, const struct err *e)
{
	struct dump *d = arg;
	struct container_handler h = d->handler;
	struct err told;

	if (e && keep_log(d))
		err_set(&told, e->code, "%.300s path= %.150s/" LOG_IN_BUNDLE, e->text, d->bundle);
	else if (e)
		told = *e;
	if (d->own_work)
		remove_work(d);
	dump_free(d);
	h.done(h.arg, e ? &told : NULL);
}

int native_dump(struct container *c, const struct request_checkpoint *req,
	const struct container_handler *handler, struct err *err)
{
	struct container_handler h = { .done = on_dumped };
	struct dump *d = mem_calloc(1, sizeof(*d));
	struct container_criu o = {
		.images = req->path,
		.parent = req->parent_path,
		.empty_ns = req->empty_namespaces,
		.n_empty_ns = req->n_empty_namespaces,
		.leave_running = !req->exit,
		.tcp_established = req->open_tcp,
		.ext_unix_sockets = req->external_unix_sockets,
		.shell_job = req->terminal,
		.file_locks = req->file_locks,
	};
	int r;

	if (!d)
		return err_oom(err);
	d->handler = *handler;
	d->own_work = str_empty(req->work_path);
	d->bundle = strdup(container_record(c)->bundle);
	d->work = d->own_work ? path_join(container_record(c)->bundle, "work/" OWN_WORK)
			      : strdup(req->work_path);
	h.arg = d;
	o.work = d->work;
	r = d->bundle && d->work ? container_checkpoint(c, &o, &h, err) : err_oom(err);
	if (r < 0)
		dump_free(d);
	return r;
}
