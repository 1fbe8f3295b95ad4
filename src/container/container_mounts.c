/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mounts into, and out of, a container that runs. All is done when the executor says that it is ready; it is never
 * released to anything.
 */
#include "container/container_impl.h"

#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"

struct container_change {
	struct container *container;
	struct container_handler handler;
	struct launch *launch;
	struct loop_deferred release;
	bool ended;
};

static void release(struct loop_deferred *d)
{
	free(container_of(d, struct container_change, release));
}

static void end(struct container_change *m)
{
	m->ended = true;
	launch_free(m->launch);
	loop_defer(m->container->host->loop, &m->release, release);
}

static void finish(struct container_change *m, const struct err *e)
{
	struct container_handler h = m->handler;

	if (m->ended)
		return;
	end(m);
	h.done(h.arg, e);
}

static void on_ready(void *arg)
{
	finish(arg, NULL);
}

static void on_failed(void *arg, const struct err *e)
{
	struct err copy = *e;

	finish(arg, &copy);
}

static int start(
	struct container_change *m, const struct spec *mounts, bool remove, struct err *err)
{
	struct container *c = m->container;
	struct plan plan = { 0 };
	const struct compile_change in = {
		.spec = c->spec,
		.mounts = mounts->mounts,
		.n_mounts = mounts->n_mounts,
		.remove = remove,
		.bundle = c->state.record.bundle,
		.init_pidfd = c->init.fd,
	};
	struct launch_request lr = {
		.plan = &plan,
		.stdio = { -EBADF, -EBADF, -EBADF },
		.keep = &c->init.fd,
		.n_keep = 1,
	};
	struct launch_handler h = { .arg = m, .ready = on_ready, .failed = on_failed };
	int r = compile_change(&in, &plan, err);

	if (r == 0)
		r = launch_start(c->host, &lr, &h, &m->launch, err);
	plan_done(&plan);
	return r;
}

int container_change_mounts(struct container *c, const struct spec *mounts, bool remove,
	const struct container_handler *handler, struct err *err)
{
	enum container_status status = container_status(c);
	struct container_change *m;
	int r;

	if (status == CONTAINER_STOPPED || status == CONTAINER_CREATING)
		return err_set(err, -EBUSY, "container not running");
	r = container_need_spec(c, err);
	if (r < 0)
		return r;
	m = mem_calloc(1, sizeof(*m));
	if (!m)
		return err_oom(err);
	m->container = c;
	m->handler = *handler;
	r = start(m, mounts, remove, err);
	if (r < 0 && !m->ended)
		end(m);
	return r;
}
