/* SPDX-License-Identifier: Apache-2.0 */
/*
 * update: the limits of a container that exists, all of them or none.
 *
 * What surprises: the private copy of the configuration is changed too, as a document and not through our model, so that
 * whoever reads it later (a checkpoint, another process) finds the limits in force and all else as it was written.
 */
#include "container/container_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <string.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"

#define CONFIG_MAX (4u << 20)

/* Elements that speak of the same device, page size or interface. */
static bool same_subject(struct json_object *a, struct json_object *b)
{
	static const char *const keys[] = { "major", "minor", "pageSize", "name" };
	bool any = false;

	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		struct json_object *x = json_object_object_get(a, keys[i]);
		struct json_object *y = json_object_object_get(b, keys[i]);

		if (!json_object_equal(x, y))
			return false;
		any |= x != NULL;
	}
	return any;
}

static int merge_list(struct json_object *into, struct json_object *from)
{
	for (size_t i = 0; i < json_object_array_length(from); i++) {
		struct json_object *one = json_object_array_get_idx(from, i);
		size_t k = 0;

		while (k < json_object_array_length(into) &&
			!same_subject(json_object_array_get_idx(into, k), one))
			k++;
		if (json_object_array_put_idx(into, k, json_object_get(one)) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* Depth is that of linux.resources, which our own writer made. */
static int merge(struct json_object *into, struct json_object *from)
{
	int r = 0;

	json_object_object_foreach(from, key, value)
	{
		struct json_object *old = json_object_object_get(into, key);
		enum json_type type = json_object_get_type(value);

		if (old && json_object_get_type(old) == type && type == json_type_object)
			r = merge(old, value);
		else if (old && json_object_get_type(old) == type && type == json_type_array)
			r = merge_list(old, value);
		else
			r = json_object_object_add(into, key, json_object_get(value));
		if (r < 0)
			return -ENOMEM;
	}
	return 0;
}

static struct json_object *member(struct json_object *of, const char *key)
{
	struct json_object *o = json_object_object_get(of, key);

	if (o || !of)
		return o;
	o = json_object_new_object();
	if (o && json_object_object_add(of, key, o) < 0) {
		json_object_put(o);
		return NULL;
	}
	return o;
}

/* The configuration with these resources in it; heap. */
static char *merged_text(const char *config, const char *resources)
{
	struct json_object *doc = json_tokener_parse(config);
	struct json_object *res = json_tokener_parse(resources);
	struct json_object *into = member(member(doc, "linux"), "resources");
	const char *text = NULL;
	char *copy = NULL;

	if (into && res && merge(into, res) == 0)
		text = json_object_to_json_string_ext(
			doc, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
	if (text)
		copy = strdup(text);
	json_object_put(res);
	json_object_put(doc);
	return copy;
}

static int merged_config(
	struct container *c, const struct spec_resources *res, char **ret, struct err *err)
{
	auto_done(buf) struct buf text = { 0 };
	auto_free char *json = NULL;
	size_t size;
	int r = fd_read_file_at(c->state.dirfd, "config.json", CONFIG_MAX, &json, &size);

	if (r < 0)
		return err_code(
			err, r, "read the configuration of container '%s'", container_id(c));
	if (spec_write_resources(res, &text) < 0)
		return err_oom(err);
	*ret = merged_text(json, text.data);
	return *ret ? 0 : err_oom(err);
}

/* ---- the update ---- */

struct container_update {
	struct cgroup_journal journal;
	struct spec *merged; /* the configuration with the new limits: what the unit is told */
	char *config;        /* the same as text */
	bool locked;         /* by our caller, and left so */
};

static void update_free(struct container *c)
{
	struct container_update *u = take_ptr(c->update);

	if (!u)
		return;
	if (!u->locked)
		state_unlock(&c->state);
	cgroup_journal_done(&u->journal);
	spec_free(u->merged);
	free(u->config);
	free(u);
}

void container_update_stop(struct container *c)
{
	if (!c->update)
		return;
	unit_run_free(take_ptr(c->unit));
	update_free(c);
}

static int save(struct container *c, struct err *err)
{
	const char *config = c->update->config;
	int r = file_save_at(c->state.dirfd, "config.json", config, strlen(config), 0600);

	return r < 0 ? err_code(err, r, "save the limits of container '%s'", container_id(c)) : 0;
}

static void finish(struct container *c, int r, struct err *err)
{
	struct container_handler h = c->updater;

	if (r < 0)
		cgroup_journal_undo(&c->update->journal);
	update_free(c);
	c->updater = (struct container_handler){ 0 };
	h.done(h.arg, r < 0 ? err : NULL);
}

/* It has written its own, rounded, values of all limits: ours once more. */
static void on_unit_set(struct container *c, const struct err *e)
{
	const struct spec_linux *l = c->update->merged->linux_;
	struct err copy = { 0 };
	int r = 0;

	if (e)
		copy = *e;
	r = copy.code;
	if (r == 0)
		r = cgroup_apply(c->cgroup, l ? l->resources : NULL, true, &copy);
	if (r == 0)
		r = save(c, &copy);
	finish(c, r, &copy);
}

/* The files first: they know what is wrong with a value, and can be undone. */
static int set_unit(struct container *c, struct err *err)
{
	struct container_update *u = c->update;
	int r = spec_parse(u->config, strlen(u->config), &u->merged, err);

	if (r < 0)
		return r;
	return container_unit_set(
		c, u->merged->linux_ ? u->merged->linux_->resources : NULL, on_unit_set, err);
}

static int begin(struct container *c, const struct spec_resources *res, struct err *err)
{
	int r = c->state.locked ? 0 : state_relock(&c->state, err);

	if (r == 0)
		r = merged_config(c, res, &c->update->config, err);
	return r < 0 ? r : cgroup_update(c->cgroup, res, &c->update->journal, err);
}

int container_update(struct container *c, const struct spec_resources *res,
	const struct container_handler *handler, struct err *err)
{
	bool unit = container_has_unit(c);
	int r;

	if (container_status(c) == CONTAINER_STOPPED)
		return err_set(err, -ESRCH, "container not running");
	if (!c->cgroup)
		return err_set(err, -ENOTSUP, "cannot update container '%s': it has no cgroup",
			container_id(c));
	if (c->update)
		return err_set(err, -EBUSY, "container '%s' is being updated", container_id(c));
	c->update = mem_calloc(1, sizeof(*c->update));
	if (!c->update)
		return err_oom(err);
	c->update->locked = c->state.locked;
	r = begin(c, res, err);
	if (r == 0) {
		r = unit ? set_unit(c, err) : save(c, err);
		if (r < 0)
			cgroup_journal_undo(&c->update->journal);
	}
	if (r < 0) {
		update_free(c);
		return r;
	}
	c->updater = *handler;
	if (!unit)
		finish(c, 0, NULL);
	return 0;
}
