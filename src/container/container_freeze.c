/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pause and resume. A freeze takes as long as the processes need to come to rest, so it is a source on the loop: other
 * containers of the same shim do not wait for it.
 *
 * What surprises: a freeze that is not reached in time is undone, for half frozen is the worst: nothing runs and nobody
 * is told. A thaw that somebody orders meanwhile (SIGKILL, the init's exit) ends it at once.
 */
#include "container/container_impl.h"

#include <errno.h>
#include <sys/epoll.h>

#include "base/clock.h"

#define FREEZE_NS (2 * NS_PER_SEC)
#define RETRY_MAX_NS (10 * NS_PER_MS)

static void end(struct container *c, const struct err *e)
{
	struct container_handler h = c->freezer.handler;
	struct err copy = { 0 };

	if (e)
		copy = *e;
	cgroup_freezing_done(&c->freezer.freezing);
	c->freezer.handler = (struct container_handler){ 0 };
	c->freezer.busy = false;
	if (h.done)
		h.done(h.arg, e ? &copy : NULL);
}

static void write_thaw(struct container *c)
{
	struct cgroup_freezing f = { .fd = -EBADF };

	if (c->cgroup && cgroup_freeze_start(c->cgroup, false, &f, NULL) == 0)
		cgroup_freezing_done(&f);
}

static int look(struct wait_until *w, struct err *err)
{
	struct container *c = container_of(w, struct container, freezer.wait);

	return cgroup_freeze_check(&c->freezer.freezing, err);
}

static void reached(struct wait_until *w, const struct err *e)
{
	struct container *c = container_of(w, struct container, freezer.wait);
	bool freeze = c->freezer.freezing.freeze;
	struct err copy;

	if (!e) {
		end(c, NULL);
		return;
	}
	copy = *e;
	if (e->code == -ETIMEDOUT)
		err_set(&copy, -ETIMEDOUT, "cgroup '%s' did not %s in time",
			c->freezer.freezing.dir->path, freeze ? "freeze" : "thaw");
	if (freeze)
		write_thaw(c);
	end(c, &copy);
}

static int start(
	struct container *c, bool freeze, const struct container_handler *handler, struct err *err)
{
	struct container_freezer *f = &c->freezer;
	int r;

	if (f->busy)
		return err_set(err, -EBUSY, "container '%s' is being %s", container_id(c),
			f->freezing.freeze ? "paused" : "resumed");
	r = cgroup_freeze_start(c->cgroup, freeze, &f->freezing, err);
	if (r < 0)
		return r;
	f->wait = (struct wait_until){
		.look = look,
		.done = reached,
		.fd = f->freezing.fd,
		.events = EPOLLPRI,
		.deadline_ns = clock_boot_ns() + FREEZE_NS,
		.retry_ns = f->freezing.retry_ns,
		.retry_max_ns = RETRY_MAX_NS,
	};
	f->handler = *handler;
	f->busy = true;
	r = wait_until_start(c->host->loop, &f->wait, err);
	if (r < 0) {
		f->handler = (struct container_handler){ 0 };
		if (freeze)
			write_thaw(c);
		end(c, NULL);
	}
	return r;
}

int container_pause(struct container *c, const struct container_handler *handler, struct err *err)
{
	enum container_status s = container_status(c);

	if (s != CONTAINER_RUNNING && s != CONTAINER_CREATED)
		return err_set(err, -ESRCH, "container not running");
	if (!c->cgroup)
		return err_set(err, -ENOTSUP, "cannot pause container '%s': it has no cgroup",
			container_id(c));
	return start(c, true, handler, err);
}

int container_resume(struct container *c, const struct container_handler *handler, struct err *err)
{
	if (container_status(c) != CONTAINER_PAUSED)
		return err_set(err, -EBUSY, "container not paused");
	return start(c, false, handler, err);
}

void container_thaw(struct container *c)
{
	struct err e;

	write_thaw(c);
	if (!c->freezer.busy || !c->freezer.freezing.freeze)
		return;
	wait_until_stop(&c->freezer.wait);
	err_set(&e, -ECANCELED, "container '%s' was thawed meanwhile", container_id(c));
	end(c, &e);
}

void container_freezer_stop(struct container *c)
{
	if (!c->freezer.busy)
		return;
	wait_until_stop(&c->freezer.wait);
	c->freezer.handler = (struct container_handler){ 0 };
	if (c->freezer.freezing.freeze) /* nobody would see it through */
		write_thaw(c);
	end(c, NULL);
}
