/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reeved: the daemon. All that belongs to a process as a whole is here: signals, standard streams, how
 * it ends; what it is told is reeved_options.c's. A first SIGTERM or SIGINT leaves in order, within bounds; a second one at
 * once.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "main/crash.h"
#include "main/reeved_options.h"
#include "main/reeved_service.h"
#include "services/daemon.h"
#include "settings/restarts.h"

#include "config.h"

#define PROGRAM "reeved"
#define LEAVE_NS (2 * NS_PER_SEC)
#define QUIET_MS 500

struct program {
	struct loop *loop;
	struct log log;
	struct daemon *daemon;
	const char *address;
	struct loop_fd signals;
	int signal_fd;
	struct loop_timer leave;
	bool leaving;
	struct reeved_service service;
	int api_listener, events_listener; /* that were passed to us */
};

static int fail(const struct err *err)
{
	fprintf(stderr, PROGRAM ": %s\n", err->text);
	return EXIT_FAILURE;
}

/* ---- running ---- */

static void on_drained(void *arg)
{
	struct program *p = arg;

	loop_stop(p->loop, EXIT_SUCCESS);
}

static void on_serving(void *arg)
{
	struct program *p = arg;

	log_write(&p->log, LOG_INFO_, "serving on '%s'", p->address);
	reeved_service_ready(0);
}

static void on_failed(void *arg, const struct err *err)
{
	struct program *p = arg;

	loop_stop(p->loop, fail(err));
}

static void on_leave_timeout(struct loop_timer *t)
{
	struct program *p = container_of(t, struct program, leave);

	log_write(&p->log, LOG_INFO_, "calls are still open: leaving all the same");
	loop_stop(p->loop, EXIT_SUCCESS);
}

static void on_signal(struct loop_fd *source, uint32_t events)
{
	struct program *p = container_of(source, struct program, signals);
	struct signalfd_siginfo info;

	if (read(p->signal_fd, &info, sizeof(info)) != sizeof(info))
		return;
	log_write(&p->log, LOG_INFO_, "signal %u: leaving", info.ssi_signo);
	if (p->leaving || loop_timer_set(p->loop, &p->leave, clock_boot_ns() + LEAVE_NS,
				  on_leave_timeout) < 0) {
		loop_stop(p->loop, EXIT_SUCCESS);
		return;
	}
	p->leaving = true;
	reeved_service_stopping();
	daemon_leave(p->daemon);
}

static int watch_signals(struct program *p, struct err *err)
{
	sigset_t ours;
	int r;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&ours);
	sigaddset(&ours, SIGTERM);
	sigaddset(&ours, SIGINT);
	if (sigprocmask(SIG_BLOCK, &ours, NULL) < 0)
		return err_sys(err, "block signals");
	p->signal_fd = signalfd(-1, &ours, SFD_CLOEXEC | SFD_NONBLOCK);
	if (p->signal_fd < 0)
		return err_sys(err, "make a signalfd");
	r = loop_fd_add(p->loop, &p->signals, p->signal_fd, EPOLLIN, on_signal);
	return r < 0 ? err_code(err, r, "watch signals") : 0;
}

static void on_quiet(void *arg, int fd, int timeout_ms)
{
	mem_release();
	mem_release_stack();
}

static int begin(struct program *p, const struct settings *s, struct err *err)
{
	const struct daemon_config config = {
		.loop = p->loop,
		.log = &p->log,
		.settings = s,
		.search = getenv("PATH"),
		.serving = on_serving,
		.failed = on_failed,
		.api_listener = take_fd(&p->api_listener),
		.events_listener = take_fd(&p->events_listener),
		.drained = on_drained,
		.arg = p,
	};
	int r = watch_signals(p, err);

	p->address = s->address;
	if (r == 0)
		r = daemon_new(&config, &p->daemon, err);
	if (r == 0)
		r = reeved_service_watch(&p->service, p->loop, s, err);
	if (r == 0)
		reeved_service_note_end(s, &p->log, 0, 0);
	if (r == 0)
		loop_on_quiet(p->loop, QUIET_MS, on_quiet, p);
	return r;
}

static void end(struct program *p)
{
	daemon_free(p->daemon);
	/* Releases what was put off to the end of a round. */
	(void)loop_round(p->loop, 0);
	reeved_service_done(&p->service);
	loop_timer_cancel(&p->leave);
	loop_fd_remove(&p->signals);
	fd_close(p->signal_fd);
	loop_free(p->loop);
}

static int run(struct program *p, const struct settings *s)
{
	struct err err = { 0 };
	int r = loop_new(&p->loop);

	if (r < 0) {
		err_code(&err, r, "make the loop");
		return fail(&err);
	}
	r = begin(p, s, &err);
	if (r == 0) {
		r = loop_run(p->loop);
		if (r < 0)
			err_code(&err, r, "run the loop");
	}
	if (r < 0)
		fail(&err);
	end(p);
	return r < 0 ? EXIT_FAILURE : r;
}

static int print(const struct settings *s, bool commented)
{
	auto_done(buf) struct buf out = { 0 };

	settings_write(s, commented, &out);
	return buf_ok(&out) == 0 && fputs(out.data, stdout) >= 0 && fflush(stdout) == 0
		       ? EXIT_SUCCESS
		       : EXIT_FAILURE;
}

/* Backtraces are for `reeve doctor`, which looks for them there. */
static int catch_crashes(const struct settings *s, struct err *err)
{
	auto_free char *path = NULL;

	if (asprintf(&path, "%s/" RESTARTS_CRASH_NAME, s->state) < 0)
		return err_oom(err);
	return crash_catch(PROGRAM, path, err);
}

static int serve(const struct settings *s)
{
	struct program p = {
		.signal_fd = -EBADF, .api_listener = -EBADF, .events_listener = -EBADF
	};
	struct err err = { 0 };
	int r;

	umask(0022);
	reeved_service_log(s, &p.log);
	r = reeved_service_listeners(s, &p.api_listener, &p.events_listener, &err);
	if (r == 0)
		r = catch_crashes(s, &err);
	return r < 0 ? fail(&err) : run(&p, s);
}

static int act(const struct reeved_options *o)
{
	switch (o->action) {
	case REEVED_SERVE:
		return serve(&o->settings);
	case REEVED_HELP:
		return fputs(reeved_help, stdout) < 0;
	case REEVED_VERSION:
		return puts(PROGRAM " " REEVE_VERSION " " REEVE_COMMIT) < 0;
	case REEVED_CONFIG_DEFAULT:
	case REEVED_CONFIG_DUMP:
		return print(&o->settings, o->action == REEVED_CONFIG_DEFAULT);
	}
	return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	struct reeved_options o = { 0 };
	struct err err = { 0 };
	int status;

	if (fd_ensure_stdio() < 0)
		return EXIT_FAILURE;
	if (getauxval(AT_SECURE)) {
		err_set(&err, -EPERM, "refusing to run setuid or with file capabilities");
		return fail(&err);
	}
	status = reeved_options_parse(argc, argv, &o, &err) < 0 ? fail(&err) : act(&o);
	reeved_options_done(&o);
	return status;
}
