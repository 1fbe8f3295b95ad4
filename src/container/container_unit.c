/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A container whose cgroup is a systemd unit: the unit is started before anything else is made, and stopped when all of its
 * processes are gone. What systemd cannot say is written into the cgroup's files as always, after it has written its own.
 *
 * What surprises: the name of the unit is on record before it is started, its invocation id after. With the id, what is
 * stopped is the run that is ours and no later unit of that name; without it (we were killed in between) the description
 * decides, which names the container and its state directory.
 */
#include "container/container_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "container/cgroup_host.h"
#include "container/unit_name.h"
#include "container/unit_property.h"

#define SUBGROUP "run.oci.systemd.subgroup"

/* A cgroup below the unit's for the container, as crun has it; v2 only. NULL: none, which an empty annotation says too. */
static const char *subgroup(const struct container *c, const struct container_create *req)
{
	const char *name = spec_annotation(c->spec, SUBGROUP);

	if (!name)
		name = req->subgroup;
	return c->host->cgroups->mode == CGROUP_MODE_V2 && !str_empty(name) ? name : NULL;
}

bool container_has_unit(const struct container *c)
{
	return !str_empty(c->state.record.cgroup_unit);
}

bool container_unit_is_free(const struct container *c)
{
	return container_has_unit(c) && container_owns_pidns(c) && container_gone(c);
}

int container_unit_name(struct container *c, const struct container_create *req, struct err *err)
{
	struct state_record *rec = &c->state.record;
	const struct spec_linux *l = c->spec->linux_;
	const char *sub = subgroup(c, req);
	struct unit_name name;
	int r;

	if (!req->systemd_cgroup || c->host->cgroups_disabled)
		return 0;
	if (c->host->cgroups->mode == CGROUP_MODE_NONE)
		return err_set(err, -EOPNOTSUPP,
			"systemd cgroup driver: no cgroup file system is mounted");
	rec->rootless = rec->owner != 0 || cgroup_in_user_namespace();
	if (sub && strchr(sub, '/'))
		return err_set(err, -EINVAL,
			"annotation '" SUBGROUP "': '%s' is not the name of a cgroup", sub);
	r = unit_name_resolve(l ? l->cgroups_path : NULL,
		str_empty(req->unit_prefix) ? "reeve" : req->unit_prefix, req->id, rec->rootless,
		&rec->arena, &name, err);
	if (r == 0)
		rec->cgroup_unit = name.unit;
	return r;
}

/* ---- orders ---- */

static void add_unit(const struct container *c, const char *what, struct helper_words *w)
{
	helper_words_add(w, "do", "%s", what);
	helper_words_add(w, "unit", "%s", c->state.record.cgroup_unit);
	helper_words_add(w, "of", "%s", c->state.record.rootless ? "user" : "system");
}

static const char *description(const struct container *c, struct arena *arena)
{
	return arena_printf(
		arena, "reeve container %s (%s)", c->state.record.id, c->host->state->path);
}

static int add_devices(const struct container *c, const struct spec_resources *res,
	struct helper_words *w, struct err *err)
{
	auto_done(device_policy) struct device_policy policy = { 0 };
	auto_free struct device_rule *rules = NULL;
	auto_free char *known = NULL;
	size_t n;
	int r;

	if (c->state.record.rootless)
		return 0;
	r = device_rules_complete(res, &rules, &n, err);
	if (r == 0)
		r = device_policy_build(rules, n, &policy, err);
	if (r < 0)
		return r;
	r = fd_read_file_at(AT_FDCWD, "/proc/devices", 1u << 20, &known, NULL);
	return unit_property_devices(&policy, r < 0 ? "" : known, w, err);
}

static int order_start(struct container *c, const struct container_create *req,
	struct helper_words *w, struct err *err)
{
	const struct spec_resources *res = c->spec->linux_ ? c->spec->linux_->resources : NULL;
	const char *path = c->spec->linux_ ? c->spec->linux_->cgroups_path : NULL;
	bool v2 = c->host->cgroups->mode == CGROUP_MODE_V2;
	const char *text = description(c, &w->arena);
	struct unit_name name;
	int r = unit_name_resolve(path, str_empty(req->unit_prefix) ? "reeve" : req->unit_prefix,
		req->id, c->state.record.rootless, &w->arena, &name, err);

	if (r < 0)
		return r;
	if (!text)
		return err_oom(err);
	add_unit(c, "start", w);
	unit_property_base(&name, text, v2, w);
	r = unit_property_annotations(c->spec->annotations, c->spec->n_annotations, w, err);
	if (r == 0)
		r = unit_property_limits(res, v2, w, err);
	return r < 0 ? r : add_devices(c, res, w, err);
}

/* ---- start ---- */

/* The starter goes there too: with a process in it a cgroup has no controllers to give to those below. */
static int enter_subgroup(struct container *c, struct err *err)
{
	struct cgroup_dir *d = cgroup_v2_dir(c->cgroup);
	char pid[16];
	int r;

	snprintf(pid, sizeof(pid), "%d", (int)unit_run_pid(c->unit));
	if (mkdir(d->path, 0755) < 0)
		return err_sys(err, "make cgroup '%s'", d->path);
	r = cgroup_put(d, "cgroup.procs", pid);
	return r < 0 ? err_code(err, r, "enter cgroup '%s'", d->path) : 0;
}

/* What systemd has made is on record before anything is done with it. */
static int take_cgroup(
	struct container *c, const char *cgroup, const char *invocation, struct err *err)
{
	struct state_record *rec = &c->state.record;
	const char *sub = subgroup(c, &c->plan->req);
	const char *path = sub ? arena_printf(&rec->arena, "%s/%s", cgroup, sub) : cgroup;
	int r;

	if (!path)
		return err_oom(err);
	r = cgroup_of_unit(c->host->cgroups, path, rec->rootless, &c->cgroup, err);
	if (r == 0 && sub)
		r = enter_subgroup(c, err);
	if (r < 0)
		return r;
	rec->cgroup_unit_invocation = state_record_string(rec, invocation);
	if (!rec->cgroup_unit_invocation)
		return err_oom(err);
	r = container_record_cgroup(c, err);
	return r < 0 ? r : state_save(&c->state, err);
}

static void on_started(void *arg, const char *cgroup, const char *invocation)
{
	struct container *c = arg;
	struct err e = { 0 };

	container_trace(c, "systemd unit started");
	if (take_cgroup(c, cgroup, invocation, &e) < 0 ||
		(c->state.record.rootless && cgroup_check_entry(c->cgroup, &e) < 0) ||
		container_go_on(c, &e) < 0)
		container_create_failed(c, &e);
}

static void on_start_done(void *arg, const struct err *e)
{
	struct container *c = arg;
	void (*left)(struct container * c) = c->unit_left;

	unit_run_free(take_ptr(c->unit));
	c->unit_left = NULL;
	if (!c->cgroup && e) /* never started */
		container_create_failed(c, e);
	else if (left)
		left(c);
}

int container_unit_start(struct container *c, const struct container_create *req, struct err *err)
{
	auto_done(helper_words) struct helper_words w = { 0 };
	struct unit_run_handler h = { .arg = c, .started = on_started, .done = on_start_done };
	int r = order_start(c, req, &w, err);

	return r < 0 ? r : unit_run_start(c->host, &w, &h, &c->unit, err);
}

bool container_unit_leave(struct container *c, void (*left)(struct container *c))
{
	if (!c->unit)
		return false;
	c->unit_left = left;
	unit_run_leave(c->unit);
	return true;
}

/* ---- stop ---- */

static void on_carried_out(void *arg, const struct err *e)
{
	struct container *c = arg;
	void (*done)(struct container * c, const struct err *err) = c->unit_done;

	unit_run_free(take_ptr(c->unit));
	c->unit_done = NULL;
	done(c, e);
}

int container_unit_stop(struct container *c,
	void (*done)(struct container *c, const struct err *err), struct err *err)
{
	const struct state_record *rec = &c->state.record;
	auto_done(helper_words) struct helper_words w = { 0 };
	struct unit_run_handler h = { .arg = c, .done = on_carried_out };
	const char *text = description(c, &w.arena);

	if (!text)
		return err_oom(err);
	unit_run_free(take_ptr(c->unit));
	add_unit(c, "stop", &w);
	if (!str_empty(rec->cgroup_unit_invocation))
		helper_words_add(&w, "invocation", "%s", rec->cgroup_unit_invocation);
	else
		helper_words_add(&w, "description", "%s", text);
	c->unit_done = done;
	return unit_run_start(c->host, &w, &h, &c->unit, err);
}

/* ---- limits ---- */

int container_unit_set(struct container *c, const struct spec_resources *res,
	void (*done)(struct container *c, const struct err *err), struct err *err)
{
	auto_done(helper_words) struct helper_words w = { 0 };
	struct unit_run_handler h = { .arg = c, .done = on_carried_out };
	int r;

	if (c->unit)
		return err_set(err, -EBUSY, "container '%s' is being changed", container_id(c));
	add_unit(c, "set", &w);
	r = unit_property_limits(res, c->cgroup->mode == CGROUP_MODE_V2, &w, err);
	if (r < 0)
		return r;
	c->unit_done = done;
	return unit_run_start(c->host, &w, &h, &c->unit, err);
}
