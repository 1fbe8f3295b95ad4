/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Own children: the reaper.
 *
 * A zombie is looked at before it is reaped (WNOWAIT): whether its status is somebody else's, and
 * who it was, while its pid still names it. What surprises: waitid(P_ALL) shows the same zombie
 * until it is reaped, so one that is claimed hides all behind it. Then the watched ones are asked
 * for one by one, and the rest wait until the claim ends.
 */
#include "exit/own_children.h"

#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/pidref.h"
#include "base/rule.h"

struct own_children {
	struct loop *loop;
	struct exit_source *exits;
	int fd;
	struct loop_fd source;
	struct own_children_claim *claims;
	struct loop_deferred again;
	struct exit_room room;
	bool hidden; /* zombies wait behind one that is claimed, or for room */
};

static bool is_claimed(const struct own_children *c, pid_t pid)
{
	for (const struct own_children_claim *x = c->claims; x; x = x->next)
		if (x->pid == pid)
			return true;
	return false;
}

static int wait_status_of(const siginfo_t *si)
{
	switch (si->si_code) {
	case CLD_EXITED:
		return (si->si_status & 0xff) << 8;
	case CLD_DUMPED:
		return (si->si_status & 0x7f) | 0x80;
	default:
		return si->si_status & 0x7f;
	}
}

/* A zombie that may be reaped: who it was, then its status. */
static void reap(struct own_children *c, pid_t pid)
{
	struct exit_info info = { .pid = pid };
	struct pidref who = PIDREF_NULL;
	siginfo_t si = { 0 };

	if (!exit_is_watched(c->exits, pid) && exit_is_expected(c->exits) &&
		pidref_open(pid, &who) == 0) {
		info.inode = who.inode;
		info.start_time = who.start_time;
		pidref_done(&who);
	}
	if (waitid(P_PID, (id_t)pid, &si, WEXITED | WNOHANG) < 0 || si.si_pid != pid)
		return;
	info.wait_status = wait_status_of(&si);
	info.boot_ns = clock_boot_ns();
	info.wall_ns = clock_wall_ns();
	exit_report(c->exits, &info);
}

/* The next zombie in the kernel's order, 0 when there is none. */
static pid_t look(idtype_t type, id_t id)
{
	siginfo_t si = { 0 };

	while (waitid(type, id, &si, WEXITED | WNOHANG | WNOWAIT) < 0)
		if (errno != EINTR)
			return 0;
	return si.si_pid;
}

static void reap_watched(struct own_children *c)
{
	pid_t pid = 0;

	while ((pid = exit_next_watched(c->exits, pid)) != 0)
		if (!is_claimed(c, pid) && look(P_PID, (id_t)pid) == pid)
			reap(c, pid);
}

static void reap_all(struct own_children *c)
{
	pid_t pid;

	c->hidden = false;
	while ((pid = look(P_ALL, 0)) != 0) {
		bool keep = exit_is_expected(c->exits) && !exit_is_watched(c->exits, pid);

		if (is_claimed(c, pid) || (RULE(what_must_be_kept_waits_for_room) && keep &&
						  !exit_has_room(c->exits))) {
			c->hidden = true;
			reap_watched(c);
			return;
		}
		reap(c, pid);
		if (NAIVE(every_zombie_is_reaped, true))
			return;
	}
}

static void on_again(struct loop_deferred *d)
{
	reap_all(container_of(d, struct own_children, again));
}

static void look_again(struct own_children *c)
{
	if (c->hidden)
		loop_defer(c->loop, &c->again, on_again);
}

static void on_room(struct exit_room *r)
{
	look_again(container_of(r, struct own_children, room));
}

static void on_signal(struct loop_fd *s, uint32_t events)
{
	struct own_children *c = container_of(s, struct own_children, source);
	struct signalfd_siginfo si;

	(void)events;
	while (read(c->fd, &si, sizeof(si)) > 0)
		;
	reap_all(c);
}

int own_children_new(struct loop *l, struct exit_source *to, struct own_children **ret)
{
	auto_freep(own_children) struct own_children *c = mem_calloc(1, sizeof(*c));
	sigset_t mask;
	int r;

	if (!c)
		return -ENOMEM;
	c->loop = l;
	c->exits = to;
	c->fd = -EBADF;
	sigemptyset(&mask);
	sigaddset(&mask, SIGCHLD);
	c->fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	if (c->fd < 0)
		return -errno;
	r = loop_fd_add(l, &c->source, c->fd, EPOLLIN, on_signal);
	if (r < 0)
		return r;
	exit_room_add(to, &c->room, on_room);
	loop_defer(l, &c->again, on_again); /* children that exited before the signalfd was there */
	*ret = take_ptr(c);
	return 0;
}

void own_children_free(struct own_children *c)
{
	if (!c)
		return;
	loop_fd_remove(&c->source);
	loop_defer_cancel(&c->again);
	exit_room_remove(c->exits, &c->room);
	fd_close(c->fd);
	free(c);
}

void own_children_claim(struct own_children *c, struct own_children_claim *claim, pid_t pid)
{
	*claim = (struct own_children_claim){ .source = c, .next = c->claims, .pid = pid };
	c->claims = claim;
}

void own_children_unclaim(struct own_children_claim *claim)
{
	struct own_children *c = claim->source;
	struct own_children_claim **at;

	if (!c)
		return;
	for (at = &c->claims; *at && *at != claim; at = &(*at)->next)
		;
	if (*at)
		*at = claim->next;
	claim->source = NULL;
	look_again(c);
}
