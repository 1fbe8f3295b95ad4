/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The load: every bundle becomes a task, all shims are asked at the same time, and one timer is enough for all of them.
 * What a crash has left under hidden names, and the work directories of tasks that are no more, go first: by then
 * every bundle that stands is known, and nothing new is being made.
 *
 * One namespace that cannot be read, or one bundle that makes no sense, keeps nobody else from being loaded.
 */
#include "manager/task_manager_impl.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "manager/runtime_name.h"

static void on_load_end(struct loop_deferred *d)
{
	struct task_manager *m = container_of(d, struct task_manager, load_end);

	if (!m->loads)
		return;
	m->loads = false;
	loop_timer_cancel(&m->load_timer);
	m->config.ops->loaded(m->config.arg);
}

static void look_for_end(struct task_manager *m)
{
	if (m->loads && m->loading == 0)
		loop_defer(m->config.loop, &m->load_end, on_load_end);
}

void task_manager_settled(void *arg, struct shim_task *t)
{
	struct task_manager *m = arg;

	m->loading--;
	look_for_end(m);
}

static void on_late(struct loop_timer *timer)
{
	struct task_manager *m = container_of(timer, struct task_manager, load_timer);

	for (size_t i = 0; i < TASK_MANAGER_BUCKETS; i++)
		for (struct shim_task *t = m->buckets[i]; t; t = shim_task_place(t)->next)
			shim_task_load_late(t);
}

/* ---- bundles ---- */

/* Of one that cannot be read no more is to be had. */
static bool is_empty(struct task_manager *m, const char *ns, const char *id)
{
	int fd = -EBADF;
	struct err ignored;
	const struct dirent *e;
	size_t n = 0;
	DIR *dir;

	if (bundle_open(&m->store, ns, id, &fd, &ignored) < 0)
		return true;
	dir = fdopendir(fd);
	if (!dir) {
		fd_close(fd);
		return false;
	}
	while ((e = readdir(dir)))
		n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
	closedir(dir);
	return n == 0;
}

/* Heap; NULL: nobody knows. */
static char *binary_of(struct task_manager *m, const char *ns, const char *id)
{
	auto_free char *runtime = NULL;
	struct err ignored;
	char *binary = NULL;

	if (!m->config.ops->runtime_of ||
		m->config.ops->runtime_of(m->config.arg, ns, id, &runtime) < 0)
		return NULL;
	if (runtime_name_resolve(runtime, m->config.search, m->beside, &binary, &ignored) < 0)
		return NULL;
	return binary;
}

/* True: it is none of a shim's. */
static bool load_embedded(struct task_manager *m, const char *ns, const char *id)
{
	auto_close int bundle = -EBADF;
	struct err ignored;

	if (!m->embedded)
		return false;
	if (embedded_knows(m->embedded, ns, id))
		return true;
	if (bundle_open(&m->store, ns, id, &bundle, &ignored) < 0 || !embedded_is_bundle(bundle))
		return false;
	embedded_clear(m->embedded, ns, id);
	return true;
}

static void load_one(struct task_manager *m, const char *ns, const char *id)
{
	auto_free char *binary = NULL;
	struct shim_task *t;
	struct err err;
	int r;

	if (load_embedded(m, ns, id))
		return;
	if (is_empty(m, ns, id)) {
		r = bundle_remove(&m->store, ns, id, &err);
	} else {
		binary = binary_of(m, ns, id);
		r = shim_task_load(&m->host, ns, id, binary, &t, &err);
		if (r == 0) {
			task_manager_add(m, t);
			m->loading++;
		}
	}
	if (r < 0)
		log_write(m->config.log, LOG_WARN_, "load '%s/%s': %s", ns, id, err.text);
}

static void on_bundle(void *arg, const char *ns, const char *id, const struct err *why)
{
	struct task_manager *m = arg;

	if (id)
		load_one(m, ns, id);
	else
		log_write(m->config.log, LOG_WARN_, "load: %s", why->text);
}

static bool is_known(void *arg, const char *ns, const char *id)
{
	const struct task_manager *m = arg;

	if (task_manager_find(m, ns, id))
		return true;
	return m->embedded &&
	       (embedded_knows(m->embedded, ns, id) || embedded_clear_lost(m->embedded, ns, id));
}

static void on_sweep_failed(void *arg, const struct err *why)
{
	struct task_manager *m = arg;

	log_write(m->config.log, LOG_WARN_, "load: %s", why->text);
}

int task_manager_load(struct task_manager *m, struct err *err)
{
	const struct bundle_sweep sweep = { m, is_known, on_sweep_failed };
	uint64_t deadline = clock_boot_ns() + m->host.limits.load_ns;
	int r;

	m->loads = true;
	if (m->embedded && embedded_load(m->embedded, err) < 0)
		log_write(m->config.log, LOG_ERROR_, "no embedded task outlives this process: %s",
			err->text);
	r = bundle_each(&m->store, on_bundle, m, err);
	if (r < 0)
		return r;
	bundle_sweep(&m->store, &sweep);
	r = loop_timer_set(m->config.loop, &m->load_timer, deadline, on_late);
	if (r < 0)
		return err_code(err, r, "set the time limit of the load");
	look_for_end(m);
	return 0;
}
