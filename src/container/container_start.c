/* SPDX-License-Identifier: Apache-2.0 */
/*
 * start: give init its go and learn whether the program runs. In the process that created the container the go is a
 * message on the launch's socket; from another one it goes through ROOT/ID/start.sock, on which init listens.
 */
#include "container/container_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "container/notify_socket.h"
#include "container/sandbox_group.h"

static void finish(struct container *c, const struct err *e)
{
	launch_free(c->launch);
	notify_socket_free(c->notify);
	c->notify = NULL;
	c->launch = NULL;
	container_done(c, e);
}

static void destroyed(void *arg, const struct err *e)
{
	struct container *c = arg;

	c->handler = c->outer;
	finish(c, &c->failure);
}

static void ready(void *arg)
{
	finish(arg, NULL);
}

/* Started, and the service manager, if there is one, is told when the program is ready. */
static void started(struct container *c)
{
	struct err e = { 0 };

	if (!c->notify)
		finish(c, NULL);
	else if (notify_socket_wait(c->notify, c->host->loop, &c->init, ready, c, &e) < 0)
		finish(c, &e);
}

static void poststart_done(void *arg, const struct err *e)
{
	struct container *c = arg;
	struct container_handler h = { .arg = c, .done = destroyed };
	struct err ignored = { 0 };

	c->hooks = NULL;
	if (!e) {
		started(c);
		return;
	}
	/* runtime-spec 1.3: an error that stops and destroys the container */
	c->failure = *e;
	c->outer = c->handler;
	if (container_delete(c, true, &h, &ignored) < 0)
		destroyed(c, NULL);
}

/*
 * They run at most once: that they begin is on record before, for a launcher that comes after this one does not know how
 * far they came.
 */
static int claim_poststart(struct container *c, struct err *err)
{
	int r = state_relock(&c->state, err);

	if (r < 0)
		return r;
	c->state.record.poststart_hooks = false;
	r = state_save(&c->state, err);
	state_unlock(&c->state);
	return r;
}

static void run_poststart(struct container *c)
{
	const struct spec_hooks *h = c->spec ? c->spec->hooks : NULL;
	struct hook_request req = { .cwd = c->state.record.bundle, .kind = "poststart" };
	struct err e = { 0 };

	if (!h || !h->n_poststart || !c->state.record.poststart_hooks) {
		started(c);
		return;
	}
	if (claim_poststart(c, &e) < 0)
		log_write(c->host->log, LOG_WARN_, "%s", e.text); /* as with a program that runs */
	e = (struct err){ 0 };
	free(c->hook_state);
	c->hook_state = container_hook_state(c, "running", c->init.pid);
	req.hooks = h->poststart;
	req.n_hooks = h->n_poststart;
	req.state = c->hook_state;
	if (!c->hook_state)
		err_oom(&e);
	else
		hook_start(c->host, &req, poststart_done, c, &c->hooks, &e);
	if (e.code)
		poststart_done(c, &e);
}

static int save_running(struct container *c, struct err *err)
{
	int r = state_relock(&c->state, err);

	if (r < 0)
		return r;
	/* After the go: a crash in between leaves "created" with an init that is no longer ours, which reads as running. */
	c->state.record.status = STATE_RUNNING;
	r = state_save(&c->state, err);
	unlinkat(c->state.dirfd, "start.sock", 0);
	state_unlock(&c->state);
	return r;
}

static void on_running(void *arg)
{
	struct container *c = arg;
	struct err e = { 0 };

	container_trace(c, "program runs");
	/* A full disk does not stop a program that runs: the record only says it less well. */
	if (!c->starts_at_once && save_running(c, &e) < 0)
		log_write(c->host->log, LOG_WARN_, "%s", e.text);
	sandbox_group_started(c->host, &c->state.record);
	run_poststart(c);
}

static int on_listener(void *arg, const struct pidref *process, int fd, struct err *err)
{
	return container_give_listener(arg, process, "created", fd, err);
}

static int not_startable(const struct container *c, struct err *err)
{
	return err_set(err, -EBUSY,
		container_gone(c) ? "cannot start a container that has stopped"
				  : "cannot start an already running container");
}

/* Not by its pidfd, which others watch in this loop: init has nothing left to do. */
#define ENDING_MS 2000
#define ENDING_LOOK_NS 200000

static int look_ended(struct wait_until *w, struct err *err)
{
	return container_gone(container_of(w, struct container, ending));
}

static void ended(struct wait_until *w, const struct err *e)
{
	struct container *c = container_of(w, struct container, ending);

	finish(c, &c->failure);
}

/* "MUST generate an error, stop the container": who hears of the error finds it stopped. */
static void on_failed(void *arg, const struct err *e)
{
	struct container *c = arg;
	struct err ignored;

	c->failure = *e;
	if (e->code == -ECONNRESET) {
		not_startable(c, &c->failure);
		finish(c, &c->failure);
		return;
	}
	launch_free(c->launch);
	c->launch = NULL;
	c->ending = (struct wait_until){
		.look = look_ended,
		.done = ended,
		.fd = -EBADF,
		.deadline_ns = clock_boot_ns() + ENDING_MS * 1000000ull,
		.retry_ns = ENDING_LOOK_NS,
		.retry_max_ns = 10 * 1000000ull,
	};
	if (wait_until_start(c->host->loop, &c->ending, &ignored) < 0)
		finish(c, &c->failure);
}

static int connect_to_init(struct container *c, struct err *err)
{
	struct launch_handler h = {
		.arg = c, .listener = on_listener, .running = on_running, .failed = on_failed
	};
	int sock = fd_unix_connect_at(c->state.dirfd, "start.sock", SOCK_SEQPACKET);

	if (sock == -ENOENT || sock == -ECONNREFUSED)
		return not_startable(c, err);
	if (sock < 0)
		return err_code(
			err, sock, "reach the init process of container '%s'", container_id(c));
	return launch_attach(c->host, sock, &h, &c->launch, err);
}

static int may_start(struct container *c, struct err *err)
{
	/* Just created, by us: the launch knows better than the record. */
	if ((c->starts_at_once || c->adopted) && c->launch)
		return 0;
	switch (container_status(c)) {
	case CONTAINER_CREATED:
		return 0;
	case CONTAINER_STOPPED:
		return err_set(err, -EBUSY, "cannot start a container that has stopped");
	case CONTAINER_CREATING:
		return err_set(err, -EBUSY, "cannot start a container that is being created");
	case CONTAINER_PAUSED:
		return err_set(err, -EBUSY, "cannot start a paused container");
	default:
		return err_set(err, -EBUSY, "cannot start an already running container");
	}
}

/* It ended while it waited: whoever deletes the container finds it gone. */
static void adopted_ended(void *arg, const struct err *e)
{
	struct container *c = arg;

	launch_free(c->launch);
	c->launch = NULL;
}

int container_sync(const struct container *c)
{
	return c->launch ? launch_sync(c->launch) : -EBADF;
}

int container_adopt(struct container *c, int sync, struct err *err)
{
	struct launch_handler h = { .arg = c, .failed = adopted_ended };

	c->adopted = true;
	return launch_adopt(c->host, sync, &c->init, &h, &c->launch, err);
}

int container_notify(struct container *c, const char *manager, struct err *err)
{
	if (str_empty(manager) || !c->state.record.notify_socket)
		return 0;
	free((char *)c->manager);
	c->manager = strdup(manager);
	return c->manager ? 0 : err_oom(err);
}

int container_start(struct container *c, const struct container_handler *handler, struct err *err)
{
	int r = may_start(c, err);

	if (r == 0 && c->state.record.no_process)
		r = err_set(err, -EINVAL, "process: missing in the configuration");
	if (r < 0)
		return r;
	c->handler = *handler;
	container_trace(c, "start");
	if (c->state.record.poststart_hooks) {
		r = container_need_spec(c, err);
		if (r < 0)
			return r;
	}
	if (c->manager && !c->notify) {
		r = notify_socket_open(c->state.dirfd, c->manager, &c->notify, err);
		if (r < 0)
			return r;
	}
	if (!c->launch)
		return connect_to_init(c, err);
	launch_set_handler(c->launch, &(struct launch_handler){ .arg = c,
					      .listener = on_listener,
					      .running = on_running,
					      .failed = on_failed });
	return launch_release(c->launch, err);
}
