/* SPDX-License-Identifier: Apache-2.0 */
/*
 * restore: a container whose processes come from criu instead of the executor. The id, the record and the cgroups are
 * made as by create; there is no `created` in between: when it is done the program runs.
 *
 * What surprises: criu stops twice for us, as the executor does at its barriers: when the namespaces exist (hooks), and
 * when everything exists and nothing runs. Only after the second is on record it lets the processes go on.
 */
#include "container/container_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "container/container_criu.h"
#include "container/mount_point.h"
#include "container/sandbox_group.h"

#define FILE_MAX (1u << 20)

/* ---- failure ---- */

static void undone(struct container *c, const struct err *e)
{
	container_forget(c);
	container_done(c, &c->failure);
}

static void failed(struct container *c, const struct err *e)
{
	c->failure = *e;
	criu_run_free(c->criu);
	c->criu = NULL;
	hook_cancel(c->hooks);
	c->hooks = NULL;
	container_destroy(c, NS_PER_SEC, undone);
}

/* ---- on the way ---- */

static void go(struct container *c)
{
	struct err e;
	int r = criu_run_go(c->criu);

	if (r < 0) {
		err_code(&e, r, "talk to reeve-helper");
		failed(c, &e);
	}
}

static void next_hooks(void *arg, const struct err *e);

static int run_hooks(struct container *c, const char *kind, const struct spec_hook *hooks, size_t n,
	hook_done_fn *done, struct err *err)
{
	struct hook_request req = {
		.hooks = hooks,
		.n_hooks = n,
		.state = c->hook_state,
		.cwd = c->state.record.bundle,
		.kind = kind,
	};

	return hook_start(c->host, &req, done, c, &c->hooks, err);
}

static void hooks_done(void *arg, const struct err *e)
{
	struct container *c = arg;

	c->hooks = NULL;
	if (e)
		failed(c, e);
	else
		go(c);
}

/* prestart are done: createRuntime. */
static void next_hooks(void *arg, const struct err *e)
{
	struct container *c = arg;
	struct err err;

	c->hooks = NULL;
	if (e)
		failed(c, e);
	else if (run_hooks(c, "createRuntime", c->spec->hooks->create_runtime,
			 c->spec->hooks->n_create_runtime, hooks_done, &err) < 0)
		failed(c, &err);
}

static void on_hooks(void *arg, pid_t pid)
{
	struct container *c = arg;
	const struct spec_hooks *h = c->spec->hooks;
	struct err err;

	if (!h || !(h->n_prestart + h->n_create_runtime)) {
		go(c);
		return;
	}
	free(c->hook_state);
	c->hook_state = container_hook_state(c, "creating", pid);
	if (!c->hook_state)
		err_oom(&err);
	else if (run_hooks(c, "prestart", h->prestart, h->n_prestart, next_hooks, &err) == 0)
		return;
	failed(c, &err);
}

/* Everything is there, and nobody but the container's processes is in its cgroup. */
static void made(struct container *c)
{
	struct err err;

	if (container_save_init(c, STATE_RUNNING, &err) < 0)
		failed(c, &err);
	else
		go(c);
}

static void on_made(void *arg, pid_t pid)
{
	struct container *c = arg;
	struct err err;
	int r = pidref_open(pid, &c->init);

	if (r < 0) {
		err_code(&err, r, "open the restored process %d", pid);
		failed(c, &err);
	} else if (!container_unit_leave(c, made)) {
		made(c);
	}
}

static void on_terminal(void *arg, int master)
{
	struct container *c = arg;

	if (c->handler.console)
		c->handler.console(c->handler.arg, master);
	else
		fd_close(master);
}

static void on_done(void *arg, const struct err *e)
{
	struct container *c = arg;
	struct err none;

	if (!e && !c->init.pid)
		e = (err_set(&none, -EPROTO, "criu restored no process"), &none);
	if (e) {
		failed(c, e);
		return;
	}
	criu_run_free(c->criu);
	c->criu = NULL;
	container_trace(c, "restored");
	sandbox_group_started(c->host, &c->state.record);
	container_done(c, NULL);
}

/* ---- the order ---- */

static int read_beside(const char *images, const char *name, char **ret, size_t *ret_size)
{
	auto_close int dir = fd_open(images, O_RDONLY | O_DIRECTORY, 0);

	return dir < 0 ? dir : fd_read_file_at(dir, name, FILE_MAX, ret, ret_size);
}

/* What stood behind the standard streams is replaced by what stands there now. */
static int order_streams(const struct container_create *req, const char *images,
	struct helper_words *w, struct err *err)
{
	auto_free char *json = NULL;
	struct json_object *names = NULL;
	size_t size;
	int r = read_beside(images, CRIU_STREAMS_FILE, &json, &size);

	if (r < 0)
		return err_code(err, r, "read %s of checkpoint '%s'", CRIU_STREAMS_FILE, images);
	names = json_tokener_parse(json);
	if (!json_object_is_type(names, json_type_array)) {
		json_object_put(names);
		return err_set(err, -EBADMSG, "%s of checkpoint '%s' is damaged", CRIU_STREAMS_FILE,
			images);
	}
	for (size_t i = 0; i < 3 && i < json_object_array_length(names); i++) {
		const char *name = json_object_get_string(json_object_array_get_idx(names, i));
		int fd = -EBADF;

		if (!name || !str_starts(name, "pipe:"))
			continue;
		fd = req->stdio[i] >= 0 ? fcntl(req->stdio[i], F_DUPFD_CLOEXEC, 3)
					: fd_open("/dev/null", O_RDWR, 0);
		if (fd < 0)
			r = -errno;
		else
			criu_order_inherit(w, name, fd);
	}
	json_object_put(names);
	return r < 0 ? err_code(err, r, "hand on the standard streams") : 0;
}

static int order_mounts(
	struct container *c, const char *images, struct helper_words *w, struct err *err)
{
	struct criu_mounts saved = { 0 };
	auto_free char *json = NULL;
	size_t size;
	int r = read_beside(images, CRIU_MOUNTS_FILE, &json, &size);

	if (r == 0)
		r = criu_mounts_read(json, size, &w->arena, &saved, err);
	else if (r == -ENOENT)
		r = 0;
	else
		err_code(err, r, "read %s of checkpoint '%s'", CRIU_MOUNTS_FILE, images);
	return r < 0 ? r : criu_mounts_order(&saved, c->spec, c->host->cgroups, c->cgroup, w, err);
}

static int order_namespaces(const struct container *c, struct helper_words *w, struct err *err)
{
	static const struct {
		enum spec_ns_type type;
		const char *key;
	} kept[] = { { SPEC_NS_NETWORK, CRIU_NET }, { SPEC_NS_PID, CRIU_PID } };

	for (size_t i = 0; i < ARRAY_LEN(kept); i++) {
		const struct spec_namespace *ns = spec_namespace_find(c->spec, kept[i].type);
		int fd;

		if (!ns || str_empty(ns->path))
			continue;
		fd = fd_open(ns->path, O_RDONLY, 0);
		if (fd < 0)
			return err_code(err, fd, "open namespace '%s'", ns->path);
		criu_order_inherit(w, kept[i].key, fd);
	}
	return 0;
}

static void order_cgroups(const struct container *c, struct helper_words *w)
{
	for (size_t i = 0; c->cgroup && i < c->cgroup->n_dirs; i++) {
		const struct cgroup_dir *d = &c->cgroup->dirs[i];
		const char *label = d->label;

		helper_words_add(w, "join", "%s/cgroup.procs", d->path);
		if (c->cgroup->mode == CGROUP_MODE_V2) { /* the only one: it needs no name */
			helper_words_add(w, "root_cgroup", "%s", d->name);
			continue;
		}
		do {
			size_t len = strcspn(label, ",");

			helper_words_add(w, "controllers", "%.*s", (int)len, label);
			helper_words_add(w, "path", "%s", d->name);
			label += len + (label[len] == ',');
		} while (*label);
	}
}

static int start_criu(struct container *c, const struct container_create *req,
	const struct container_criu *o, struct err *err)
{
	auto_done(helper_words) struct helper_words w = { 0 };
	struct criu_run_handler h = {
		.arg = c,
		.hooks = on_hooks,
		.made = on_made,
		.terminal = on_terminal,
		.done = on_done,
	};
	int r = container_criu_words(o, &w, err);

	helper_words_add(&w, "do", "restore");
	helper_words_add(&w, "root", "%s", c->state.record.rootfs);
	if (!str_empty(o->lsm_profile))
		helper_words_add(&w, "lsm_profile", "%s", o->lsm_profile);
	if (!str_empty(o->lsm_mount_context))
		helper_words_add(&w, "lsm_mount_context", "%s", o->lsm_mount_context);
	order_cgroups(c, &w);
	if (r == 0)
		r = mount_point_make_all(
			c->spec, c->state.record.bundle, c->state.record.rootfs, err);
	if (r == 0)
		r = container_criu_empty_ns(o, &w, err);
	if (r == 0)
		r = order_mounts(c, o->images, &w, err);
	if (r == 0)
		r = order_streams(req, o->images, &w, err);
	if (r == 0)
		r = order_namespaces(c, &w, err);
	return r < 0 ? r : criu_run_start(c->host, &w, &h, &c->criu, err);
}

static int restore(struct container *c, const struct container_plan *plan, struct err *err)
{
	return start_criu(c, &plan->req, plan->criu, err);
}

int container_restore(const struct host *h, const struct container_create *req,
	const struct container_criu *o, const struct container_handler *handler,
	struct container **ret, struct err *err)
{
	struct container_plan plan = { .req = *req, .criu = o, .next = restore };

	if (geteuid() != 0) {
		spec_free(req->spec);
		return err_set(err, -EPERM, "restore: needs root");
	}
	if (str_empty(o->images)) {
		spec_free(req->spec);
		return err_set(err, -EINVAL, "no directory with the images of the checkpoint");
	}
	return container_begin(h, &plan, handler, ret, err);
}
