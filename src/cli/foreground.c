/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Foreground. Signals come by a signalfd; those that we cause ourselves (a write that nobody reads) are not passed on.
 */
#include "cli/foreground.h"

#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"

int foreground_begin(struct foreground *f, const struct cli *cli, struct session *s,
	struct console *c, struct err *err)
{
	*f = (struct foreground){ .session = s, .console = c };
	f->signal_fd = cli->process->catch_signals();
	return f->signal_fd < 0 ? err_code(err, f->signal_fd, "catch signals") : 0;
}

static void on_signal(struct loop_fd *s, uint32_t events)
{
	struct foreground *f = container_of(s, struct foreground, signals);
	struct signalfd_siginfo info;

	if (f->ended) /* in the same round: the signal says so too */
		return;
	while (read(f->signal_fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGCHLD)
			f->session->cli->process->reap_orphans(f->process->pid);
		else if (info.ssi_signo == SIGWINCH)
			console_resize(f->console);
		else if (info.ssi_pid != (uint32_t)getpid())
			(void)pidref_kill(f->process, (int)info.ssi_signo);
	}
}

static void on_exit_status(struct reaper_watch *w, int wait_status)
{
	struct foreground *f = container_of(w, struct foreground, watch);

	f->ended = true;
	f->wait_status = wait_status;
}

int foreground_wait(struct foreground *f, const struct pidref *p, int *ret_status, struct err *err)
{
	struct host *h = &f->session->host;
	int r;

	f->process = p;
	f->watch = (struct reaper_watch){ .pid = p->pid, .pidfd = p->fd, .fn = on_exit_status };
	r = h->reaper.watch(h->reaper.arg, &f->watch);
	if (r == 0)
		r = loop_fd_add(h->loop, &f->signals, f->signal_fd, EPOLLIN, on_signal);
	while (r == 0 && !f->ended)
		r = loop_round(h->loop, -1);
	loop_fd_remove(&f->signals);
	if (r < 0)
		return err_code(err, r, "wait for process %d", p->pid);
	console_drain(f->console);
	*ret_status = WIFEXITED(f->wait_status) ? WEXITSTATUS(f->wait_status)
						: 128 + WTERMSIG(f->wait_status);
	return 0;
}

void foreground_done(struct foreground *f)
{
	if (!f->session)
		return;
	if (f->watch.fn && !f->ended)
		f->session->host.reaper.unwatch(f->session->host.reaper.arg, &f->watch);
	if (!session_is_last(f->session))
		fd_close(f->signal_fd);
	*f = FOREGROUND_NULL;
}
