/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `reeve events ID`: what a container uses, each interval, and OOM kills as they come, until its cgroup is gone; or with
 * --stats what it uses now.
 *
 * What surprises: nothing tells that a cgroup has gone. From the end of init on it is asked for, often.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cli/commands.h"
#include "cli/event_doc.h"
#include "cli/session.h"
#include "container/oom_watch.h"

#define GONE_NS (50 * NS_PER_MS)
#define INTERVAL_DEFAULT "5s"

struct events_options {
	const char *interval;
	bool stats;
};

#define AT(member) offsetof(struct events_options, member)

// clang-format off
static const struct args_option options[] = {
	{ "interval", 0, ARGS_STRING, AT(interval), "TIME", "between two reports (5s; 500ms, 1m30s)" },
	{ "stats", 0, ARGS_BOOL, AT(stats), NULL, "one report, and no more" },
};
// clang-format on

struct events {
	struct session session;
	struct container *container;
	struct cgroup *cgroup;
	struct oom_watch oom;
	uint64_t interval_ns;
	struct loop_timer tick, gone;
	struct loop_fd init;
	struct err *err;
};

/* ---- durations ---- */

/* As Go writes them: numbers with units, one after the other. */
static int read_duration(const char *text, uint64_t *ret_ns, struct err *err)
{
	static const struct {
		const char *unit;
		double ns;
	} units[] = { { "ns", 1 }, { "us", 1e3 }, { "\u00b5s", 1e3 }, { "ms", 1e6 }, { "s", 1e9 },
		{ "m", 60e9 }, { "h", 3600e9 } };
	const char *p = text;
	double sum = 0;

	while (*p) {
		char *end = NULL;
		double n = *p == '.' || (*p >= '0' && *p <= '9') ? strtod(p, &end) : -1;
		double unit = 0;
		size_t len = end ? strcspn(end, ".0123456789") : 0;

		for (size_t i = 0; i < ARRAY_LEN(units); i++)
			if (strlen(units[i].unit) == len && strncmp(end, units[i].unit, len) == 0)
				unit = units[i].ns;
		if (n < 0 || unit == 0)
			return err_set(
				err, -EINVAL, "invalid value \"%s\" for flag --interval", text);
		sum += n * unit;
		p = end + len;
	}
	if (!(sum >= 1))
		return err_set(err, -EINVAL, "duration interval must be greater than 0");
	*ret_ns = sum < 1e18 ? (uint64_t)sum : (uint64_t)1e18;
	return 0;
}

/* ---- reports ---- */

static void end(struct events *e, int r)
{
	loop_stop(e->session.loop, r);
}

/* -ENOENT: there is no cgroup any more. */
static int report(struct events *e, struct err *err)
{
	auto_done(buf) struct buf out = { 0 };
	struct stats s;
	int r = stats_read(e->cgroup, &s, err);

	if (r < 0)
		return r;
	r = event_doc_stats(container_id(e->container), e->cgroup, &s, &out);
	stats_done(&s);
	return r < 0 ? err_oom(err) : cli_print(&out, err);
}

static void on_tick(struct loop_timer *t)
{
	struct events *e = container_of(t, struct events, tick);
	int r = report(e, e->err);

	if (r == 0)
		r = loop_timer_set(e->session.loop, t, t->deadline_ns + e->interval_ns, on_tick);
	if (r < 0)
		end(e, r == -ENOENT ? 0 : r);
}

static void on_oom(struct oom_watch *w)
{
	struct events *e = container_of(w, struct events, oom);
	auto_done(buf) struct buf out = { 0 };
	int r = event_doc_oom(container_id(e->container), &out);

	r = r < 0 ? err_oom(e->err) : cli_print(&out, e->err);
	if (r < 0)
		end(e, r);
}

static void on_gone(struct loop_timer *t)
{
	struct events *e = container_of(t, struct events, gone);
	struct err ignored = { 0 };
	struct stats s;
	int r = stats_read(e->cgroup, &s, &ignored);

	if (r == 0)
		stats_done(&s);
	if (r == -ENOENT ||
		loop_timer_set(e->session.loop, t, clock_boot_ns() + GONE_NS, on_gone) < 0)
		end(e, 0);
}

static void on_init(struct loop_fd *s, uint32_t events)
{
	struct events *e = container_of(s, struct events, init);

	loop_fd_remove(s);
	on_gone(&e->gone);
}

static int watch(struct events *e, struct err *err)
{
	struct loop *l = e->session.loop;
	struct err no_memory = { 0 };
	int r;

	e->err = err;
	r = oom_watch_start(&e->oom, l, e->cgroup, on_oom, &no_memory);
	if (r < 0)
		log_write(&e->session.cli->log, LOG_WARN_, "OOM kills are not told: %s",
			no_memory.text);
	r = loop_fd_add(l, &e->init, container_init(e->container)->fd, EPOLLIN, on_init);
	if (r == 0)
		r = loop_timer_set(l, &e->tick, clock_boot_ns() + e->interval_ns, on_tick);
	if (r < 0)
		return err_code(err, r, "watch container '%s'", container_id(e->container));
	r = loop_run(l);
	return r < 0 && !err->code ? err_code(err, r, "wait for events") : r;
}

static int look(struct events *e, bool once, struct err *err)
{
	if (container_status(e->container) == CONTAINER_STOPPED)
		return err_set(
			err, -ESRCH, "container not running: '%s'", container_id(e->container));
	e->cgroup = container_cgroup(e->container);
	if (!e->cgroup)
		return err_set(
			err, -ENOENT, "container '%s' has no cgroup", container_id(e->container));
	return once ? report(e, err) : watch(e, err);
}

static int run(struct cli *cli, const void *target, const struct args_list *args, struct err *err)
{
	const struct events_options *o = target;
	struct events e = { 0 };
	int r = read_duration(o->interval ? o->interval : INTERVAL_DEFAULT, &e.interval_ns, err);

	if (r == 0)
		r = session_look(&e.session, cli, args->items[0], false, &e.container, err);
	if (r == 0)
		r = look(&e, o->stats, err);
	oom_watch_stop(&e.oom);
	loop_timer_cancel(&e.tick);
	loop_timer_cancel(&e.gone);
	loop_fd_remove(&e.init);
	container_free(e.container);
	session_done(&e.session);
	return r;
}

const struct cli_command events_command = {
	.name = "events",
	.usage = "[OPTIONS] ID",
	.summary = "print what a container uses, and its OOM kills",
	.options = options,
	.n_options = ARRAY_LEN(options),
	.target_size = sizeof(struct events_options),
	.min_args = 1,
	.max_args = 1,
	.run = run,
};
