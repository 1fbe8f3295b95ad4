/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Of the removal of a directory that is open nothing is told, but of that of what is in it: so it is looked for when
 * something has gone from it, and nothing more went for a moment, for a tree is removed leaf by leaf.
 */
#include "main/reeved_state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/path.h"
#include "main/reeved_control.h"

#define LOOK_NS (200 * NS_PER_MS)
#define MODE 0711

/* What the worker makes there before it serves. */
static const char *const ours[] = { "io.containerd.runtime.v2.task" };

int reeved_state_open(const struct settings *s, int *ret_fd, bool *ret_made, struct err *err)
{
	auto_free char *target = path_join(s->root, CONTROL_NAME);
	auto_close int fd = -EBADF;
	int r;

	if (!target)
		return err_oom(err);
	r = file_mkdirs_at(AT_FDCWD, s->state, MODE);
	if (r < 0 && r != -EEXIST)
		return err_code(err, r, "make directory '%s'", s->state);
	fd = fd_open(s->state, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return err_code(err, fd, "open directory '%s'", s->state);
	/* Whoever has started the daemon has made the link. Where the root directory takes no sockets there is one here. */
	if (access(target, F_OK) == 0)
		r = symlinkat(target, fd, CONTROL_NAME) < 0 ? -errno : 1;
	if (r < 0 && r != -EEXIST)
		return err_code(err, r, "make '%s/" CONTROL_NAME "'", s->state);
	*ret_made = r == 1;
	*ret_fd = take_fd(&fd);
	return 0;
}

static bool is_lost(const struct reeved_state *w)
{
	struct stat now, then;

	if (stat(w->path, &now) < 0 || fstat(w->dir, &then) < 0 || now.st_ino != then.st_ino ||
		now.st_dev != then.st_dev)
		return true;
	for (size_t i = 0; i < ARRAY_LEN(ours); i++)
		if (faccessat(w->dir, ours[i], F_OK, 0) < 0 && errno == ENOENT)
			return true;
	return false;
}

static void on_look(struct loop_timer *t)
{
	struct reeved_state *w = container_of(t, struct reeved_state, look);

	if (is_lost(w))
		w->lost(w->arg);
}

static int look_soon(struct reeved_state *w)
{
	return loop_timer_set(w->loop, &w->look, clock_boot_ns() + LOOK_NS, on_look);
}

static void on_event(struct loop_fd *source, uint32_t events)
{
	struct reeved_state *w = container_of(source, struct reeved_state, source);
	char some[4096];

	while (read(w->inotify, some, sizeof(some)) > 0)
		;
	(void)look_soon(w);
}

int reeved_state_watch(struct reeved_state *w, struct loop *l, const char *path, int dir,
	void (*lost)(void *arg), void *arg, struct err *err)
{
	int r;

	*w = (struct reeved_state){ .path = path, .dir = dir, .loop = l, .lost = lost, .arg = arg };
	w->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (w->inotify < 0 || inotify_add_watch(w->inotify, path,
				      IN_DELETE | IN_MOVED_FROM | IN_MOVE_SELF | IN_DELETE_SELF |
					      IN_ONLYDIR) < 0) {
		err_sys(err, "watch directory '%s'", path);
		w->inotify = fd_close(w->inotify);
		return err->code;
	}
	r = loop_fd_add(l, &w->source, w->inotify, EPOLLIN, on_event);
	/* It may have been lost since it was opened. */
	if (r == 0)
		r = look_soon(w);
	return r < 0 ? err_code(err, r, "watch directory '%s'", path) : 0;
}

void reeved_state_done(struct reeved_state *w)
{
	if (!w->loop)
		return;
	loop_fd_remove(&w->source);
	loop_timer_cancel(&w->look);
	w->inotify = fd_close(w->inotify);
	w->loop = NULL;
}
