/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A container whose task lives must be known, or no client can end it. In a store that is sound, a
 * bundle without a record is left as it is: somebody has removed the container on purpose. There all
 * records are read once, in the order of the file; each bundle's own is asked for where that fails.
 */
#include "services/rebuild.h"

#include <errno.h>
#include <string.h>

#include "base/fd.h"
#include "base/str.h"
#include "manager/bundle.h"
#include "rpc/any.h"
#include "services/core.h"
#include "settings/settings.h"

#include "proto/api.pb-c.h"

#define SPEC_MAX_BYTES (16u << 20)
#define BINARY_NAME "shim-binary-path" /* of containerd, in bundles without an intent */
#define UNKNOWN_RUNTIME "io.containerd.reeve.v2"

struct damaged {
	struct damaged *next;
	const char *ns, *id;
};

struct rebuild {
	struct core *core;
	const struct bundle_store *bundles;
	bool lost;
	bool ask_each; /* the list below does not say it */
	struct damaged *damaged;
	struct arena arena;
	size_t made, seen;
};

static void tell(const struct rebuild *b, enum log_level level, const char *ns, const char *id,
	const char *text)
{
	if (b->core->log)
		log_write(
			b->core->log, level, "container '%s' of namespace '%s': %s", id, ns, text);
}

static int note_damaged(void *arg, const struct store_item *item)
{
	struct rebuild *b = arg;
	struct damaged *d;

	if (item->data)
		return 0;
	d = arena_alloc(&b->arena, sizeof(*d));
	if (!d)
		return -ENOMEM;
	*d = (struct damaged){ b->damaged, arena_strdup(&b->arena, item->ns),
		arena_strdup(&b->arena, item->key) };
	if (!d->ns || !d->id)
		return -ENOMEM;
	b->damaged = d;
	return 0;
}

static void find_damaged(struct rebuild *b)
{
	struct err why = { 0 };

	b->ask_each = b->lost ||
		      store_each(b->core->store, STORE_CONTAINER, NULL, note_damaged, b, &why) < 0;
}

static bool is_lost(struct rebuild *b, struct core_call *c, const char *id)
{
	const struct damaged *d = b->damaged;
	struct store_item item;
	struct err why = { 0 };
	int r;

	if (!b->ask_each) {
		while (d && !(str_eq(d->ns, c->ns) && str_eq(d->id, id)))
			d = d->next;
		return d != NULL;
	}
	r = store_get(b->core->store, STORE_CONTAINER, c->ns, id, c->arena, &item, &why);
	return r == -EUCLEAN || (r == -ENOENT && b->lost);
}

static const char *runtime_of(struct core_call *c, int bundle)
{
	auto_free char *text = NULL;
	struct intent intent = { 0 };
	struct err why = { 0 };

	if (intent_load(bundle, c->arena, &intent, &why) == 0 && !str_empty(intent.runtime))
		return intent.runtime;
	if (fd_read_regular_at(bundle, BINARY_NAME, 4096, &text, NULL) == 0 && *text == '/')
		return arena_strdup(c->arena, text);
	return UNKNOWN_RUNTIME;
}

static int make_record(struct core_call *c, const char *id, int bundle)
{
	Pb__Api__Container k = PB__API__CONTAINER__INIT;
	Pb__Api__Runtime runtime = PB__API__RUNTIME__INIT;
	Pb__Any spec = PB__ANY__INIT;
	auto_free char *config = NULL;
	size_t size = 0;
	int r = fd_read_regular_at(bundle, "config.json", SPEC_MAX_BYTES, &config, &size);

	if (r < 0)
		return err_code(c->err, r, "read its config.json");
	spec.type_url = (char *)ANY_SPEC;
	spec.value = (ProtobufCBinaryData){ size, (uint8_t *)config };
	runtime.name = (char *)runtime_of(c, bundle);
	k.id = (char *)id;
	k.runtime = &runtime;
	k.spec = &spec;
	k.created_at = k.updated_at = core_now(c);
	if (!runtime.name || !k.created_at)
		return err_oom(c->err);
	r = core_touch_namespace(c);
	return r < 0 ? r : core_save(c, STORE_CONTAINER, c->ns, id, &k.base);
}

static void look_at_bundle(void *arg, const char *ns, const char *id, const struct err *why)
{
	struct rebuild *b = arg;
	auto_done(arena) struct arena arena = { 0 };
	auto_close int bundle = -EBADF;
	struct err err = { 0 };
	struct core_call call = { .core = b->core, .ns = ns, .arena = &arena, .err = &err };
	int r;

	if (!id)
		return; /* the load of the tasks tells it */
	b->seen++;
	if (!is_lost(b, &call, id))
		return;
	r = bundle_open(b->bundles, ns, id, &bundle, &err);
	if (r == 0)
		r = make_record(&call, id, bundle);
	b->made += r == 0;
	if (r < 0)
		tell(b, LOG_ERROR_, ns, id, err.text);
	else
		tell(b, LOG_WARN_, ns, id,
			"its record was lost, and is made anew from the bundle: without labels, "
			"image and snapshot");
}

int rebuild_containers(struct core *core, const struct settings *s, bool lost, size_t *ret_n,
	size_t *ret_bundles, struct err *err)
{
	struct bundle_store bundles = BUNDLE_STORE_NULL;
	struct rebuild b = { .core = core, .bundles = &bundles, .lost = lost };
	int r = bundle_store_open(s->root, s->state, &bundles, err);

	if (r < 0)
		return r;
	find_damaged(&b);
	r = bundle_each(&bundles, look_at_bundle, &b, err);
	bundle_store_close(&bundles);
	arena_done(&b.arena);
	if (r < 0)
		return r;
	*ret_n = b.made;
	*ret_bundles = b.seen;
	return 0;
}
