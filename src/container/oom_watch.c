/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OOM watch. v2: memory.events polls readable when a count in it changes. v1: an eventfd that is
 * registered with memory.oom_control.
 *
 * What surprises: v1 wakes when memory has run out, before anything is killed, and once more when the
 * cgroup is removed; so a wake is only a reason to look at the count, now and a few times soon. The
 * count is oom_kill in both: `oom` also counts limits above the container (6323).
 */
#include "container/oom_watch.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"

#define LOOKS_MAX 6 /* 10 ms, 20 ms, ... 320 ms after a wake */

static void look(struct oom_watch *w)
{
	char text[1024];
	ssize_t n = pread(w->counter, text, sizeof(text) - 1, 0);
	uint64_t value;

	if (n < 0) /* the cgroup is gone: what was counted stays */
		return;
	text[n] = '\0';
	if (cgroup_keyed(text, "oom_kill", &value) == 0)
		w->kills = value;
	if (w->v2 && cgroup_keyed(text, "oom", &value) == 0)
		w->own = value;
}

uint64_t oom_watch_kills(struct oom_watch *w)
{
	if (w->loop)
		look(w);
	return w->kills;
}

/* True when it has grown, which has been told. */
static bool look_and_tell(struct oom_watch *w)
{
	uint64_t before = w->kills;

	look(w);
	if (w->kills <= before)
		return false;
	w->fn(w);
	return true;
}

static void on_timer(struct loop_timer *t)
{
	struct oom_watch *w = container_of(t, struct oom_watch, timer);

	if (look_and_tell(w) || ++w->looks == LOOKS_MAX)
		return;
	loop_timer_set(w->loop, t, clock_boot_ns() + (10 * NS_PER_MS << w->looks), on_timer);
}

static void on_v1(struct loop_fd *s, uint32_t events)
{
	struct oom_watch *w = container_of(s, struct oom_watch, source);
	uint64_t n;

	if (read(w->event, &n, sizeof(n)) < 0)
		return;
	w->looks = 0;
	on_timer(&w->timer);
	(void)events;
}

static void on_v2(struct loop_fd *s, uint32_t events)
{
	(void)events;
	look_and_tell(container_of(s, struct oom_watch, source));
}

/* "EVENT_FD CONTROL_FD" */
static int register_v1(struct oom_watch *w, struct cgroup_dir *d, struct err *err)
{
	char line[32];
	int r;

	w->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (w->event < 0)
		return err_sys(err, "make an eventfd");
	snprintf(line, sizeof(line), "%d %d", w->event, w->counter);
	r = cgroup_put(d, "cgroup.event_control", line);
	return r < 0 ? err_code(err, r, "watch for memory running out") : 0;
}

int oom_watch_start(
	struct oom_watch *w, struct loop *l, struct cgroup *cg, oom_fn *fn, struct err *err)
{
	struct cgroup_dir *d = cgroup_controller_dir(cg, CGROUP_MEMORY);
	int dirfd, r = 0;

	*w = (struct oom_watch){ .loop = l, .fn = fn, .counter = -EBADF, .event = -EBADF };
	if (!d) {
		w->loop = NULL;
		return err_set(err, -ENOENT, "no memory controller");
	}
	w->v2 = d->v2;
	dirfd = cgroup_dir_fd(d);
	w->counter = dirfd < 0 ? dirfd
			       : fd_open_at(dirfd, d->v2 ? "memory.events" : "memory.oom_control",
					 O_RDONLY, 0);
	if (w->counter < 0)
		r = err_code(err, w->counter, "open the count of OOM kills");
	if (r == 0 && !w->v2)
		r = register_v1(w, d, err);
	if (r == 0) {
		look(w);
		r = w->v2 ? loop_fd_add(l, &w->source, w->counter, EPOLLPRI, on_v2)
			  : loop_fd_add(l, &w->source, w->event, EPOLLIN, on_v1);
		if (r < 0)
			err_code(err, r, "watch for OOM kills");
	}
	if (r < 0)
		oom_watch_stop(w);
	return r;
}

static uint64_t number_in(struct cgroup_dir *d, const char *file)
{
	char text[CGROUP_VALUE_SIZE];
	uint64_t value;

	return cgroup_get(d, file, text) == 0 && str_to_u64(text, UINT64_MAX, &value) == 0 ? value
											   : 0;
}

static bool own_limit_v1(struct cgroup_dir *d, char out[OOM_REASON_SIZE])
{
	static const char *const kinds[] = { "memory", "memory.memsw" };
	char file[64];

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		snprintf(file, sizeof(file), "%s.failcnt", kinds[i]);
		if (number_in(d, file) == 0)
			continue;
		snprintf(file, sizeof(file), "%s.limit_in_bytes", kinds[i]);
		snprintf(out, OOM_REASON_SIZE, "the container's limit of %" PRIu64 " bytes (%s)",
			number_in(d, file), file);
		return true;
	}
	return false;
}

/* Somewhere on the way up the kernel counted that a limit was the reason. */
static bool limit_above(struct cgroup_dir *d)
{
	char text[CGROUP_VALUE_SIZE];
	uint64_t n;

	for (unsigned int up = 1; up < d->depth; up++) {
		if (cgroup_get_up(d, up, d->v2 ? "memory.events" : "memory.failcnt", text) < 0)
			continue;
		if ((d->v2 ? cgroup_keyed(text, "oom", &n) : str_to_u64(text, UINT64_MAX, &n)) ==
				0 &&
			n > 0)
			return true;
	}
	return false;
}

void oom_watch_reason(const struct oom_watch *w, struct cgroup *cg, char out[OOM_REASON_SIZE])
{
	struct cgroup_dir *d = cgroup_controller_dir(cg, CGROUP_MEMORY);

	snprintf(out, OOM_REASON_SIZE, "the machine's memory");
	if (!d)
		return;
	if (d->v2 && w->own)
		snprintf(out, OOM_REASON_SIZE,
			"the container's limit of %" PRIu64 " bytes (memory.max)",
			number_in(d, "memory.max"));
	else if ((d->v2 || !own_limit_v1(d, out)) && limit_above(d))
		snprintf(out, OOM_REASON_SIZE, "a limit above the container");
}

void oom_watch_stop(struct oom_watch *w)
{
	if (!w->loop)
		return;
	loop_fd_remove(&w->source);
	loop_timer_cancel(&w->timer);
	w->counter = fd_close(w->counter);
	w->event = fd_close(w->event);
	w->loop = NULL;
}
