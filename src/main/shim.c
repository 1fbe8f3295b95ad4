/* SPDX-License-Identifier: Apache-2.0 */
/*
 * containerd-shim-reeve-v2: the shim. containerd calls it with an action (start, delete), for -info, or
 * a person does for -v; `start` runs it again without an action, as the server of a group: the worker of a guardian,
 * which is the parent of it and of all containers, and keeps what must outlive it.
 *
 * All that belongs to a process as a whole is here: signals, working directory, standard streams. What containerd reads of `start` is both standard output and standard error, so on success
 * nothing else may be printed.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "api/task_name.h"
#include "bare/guardian.h"
#include "base/fd.h"
#include "base/image.h"
#include "base/mem.h"
#include "base/str.h"
#include "main/worker.h"
#include "shim/args.h"
#include "shim/info.h"
#include "shim/shim_delete.h"
#include "shim/shim_log.h"
#include "shim/shim_server.h"
#include "shim/start.h"

#define PROGRAM "containerd-shim-reeve-v2"
#define LOG_NAME "log"

/* After which a shim gives back what it does not need. */
#define QUIET_MS 500

static int fail(const struct err *err)
{
	log_last_words(STDERR_FILENO, PROGRAM ": %s", err->text);
	return EXIT_FAILURE;
}

/* ---- actions ---- */

/* They live as long as containerd's request; what ends that ends them by SIGKILL. */
static void ignore_signals(void)
{
	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
}

static int run_start(const struct shim_args *args)
{
	struct log log = {
		.fd = shim_log_open(AT_FDCWD), .level = LOG_INFO_, .format = LOG_LOGRUS
	};
	struct start s = {
		.args = args,
		.program = PROGRAM,
		.env = environ,
		.input = STDIN_FILENO,
		.output = STDOUT_FILENO,
		.bundle = AT_FDCWD,
		.log = &log,
	};
	struct err err;
	int r;

	ignore_signals();
	r = start_read_score(getppid(), &s.containerd_score, &err);
	if (r == 0)
		r = start_run(&s, &err);
	return r < 0 ? fail(&err) : EXIT_SUCCESS;
}

static int run_delete(const struct shim_args *args)
{
	struct log log = { .fd = STDERR_FILENO, .level = LOG_WARN_, .format = LOG_LOGRUS };
	const struct shim_delete d = { .args = args, .output = STDOUT_FILENO, .log = &log };
	struct err err;

	ignore_signals();
	return shim_delete_run(&d, &err) < 0 ? fail(&err) : EXIT_SUCCESS;
}

static int run_info(void)
{
	struct err err;

	return info_run(STDIN_FILENO, STDOUT_FILENO, &err) < 0 ? fail(&err) : EXIT_SUCCESS;
}

static int print_version(void)
{
	auto_done(buf) struct buf out = { 0 };

	info_version(PROGRAM, &out);
	return buf_ok(&out) == 0 && fputs(out.data, stdout) >= 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int print_help(void)
{
	puts("usage: " PROGRAM " -namespace NS -id ID -address ADDRESS start | delete\n"
	     "       " PROGRAM " -info | -v\n\n"
	     "A shim of containerd: runs containers, as containerd's runtime " SHIM_RUNTIME_NAME
	     ".\n"
	     "It is not meant to be called by hand.");
	return EXIT_SUCCESS;
}

/* ---- server ---- */

struct program {
	struct worker worker;
	struct log log;
	int listener;
	struct shim_server *server;
	struct loop_fd signals;
	int signal_fd;
	struct image image; /* what goes while there is nothing to do */
};

static void on_signal(struct loop_fd *source, uint32_t events)
{
	struct program *p = container_of(source, struct program, signals);
	struct signalfd_siginfo info;

	if (read(p->signal_fd, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo == SIGUSR1) {
		shim_server_dump(p->server);
		return;
	}
	log_write(&p->log, LOG_INFO_, "signal %u: leaving", info.ssi_signo);
	shim_server_stop(p->server);
}

static void on_done(void *arg)
{
	struct program *p = arg;

	loop_stop(p->worker.loop, EXIT_SUCCESS);
}

/* Else connections would go to a queue that nobody reads. */
static void on_unlistened(void *arg)
{
	struct program *p = arg;

	(void)guardian_link_drop(p->worker.link, GUARDIAN_LISTENER_NAME);
}

/* SIGCHLD is blocked for the reaper, which has an fd of its own for it. */
static int watch_signals(struct program *p, struct err *err)
{
	sigset_t blocked, ours;
	int r;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&ours);
	sigaddset(&ours, SIGTERM);
	sigaddset(&ours, SIGINT);
	sigaddset(&ours, SIGUSR1);
	blocked = ours;
	sigaddset(&blocked, SIGCHLD);
	if (sigprocmask(SIG_BLOCK, &blocked, NULL) < 0)
		return err_sys(err, "block signals");
	p->signal_fd = signalfd(-1, &ours, SFD_CLOEXEC | SFD_NONBLOCK);
	if (p->signal_fd < 0)
		return err_sys(err, "make a signalfd");
	r = loop_fd_add(p->worker.loop, &p->signals, p->signal_fd, EPOLLIN, on_signal);
	return r < 0 ? err_code(err, r, "watch signals") : 0;
}

static void keep_log(void *arg)
{
	struct program *p = arg;

	struct err err;

	if (p->log.fd < 0)
		return;
	/* At once: the fd may be closed for the next one before the round ends. */
	(void)guardian_link_put(p->worker.link, LOG_NAME, p->log.fd);
	if (guardian_link_flush(p->worker.link, &err) < 0)
		log_write(&p->log, LOG_WARN_, "the log will not outlive a restart: %s", err.text);
}

/* Those that come after the first worker are not born in the bundle. */
static void open_log(struct program *p)
{
	p->log.fd = guardian_link_take(p->worker.link, LOG_NAME);
	if (p->log.fd >= 0)
		return;
	p->log.fd = shim_log_open(AT_FDCWD);
	keep_log(p);
}

static int become_server(struct program *p, struct err *err)
{
	open_log(p);
	/* What others print is at least not lost. */
	if (p->log.fd >= 0 && dup2(p->log.fd, STDERR_FILENO) < 0)
		return err_sys(err, "log to standard error");
	prctl(PR_SET_NAME, "containerd-shim");
	/* The bundle that we were started in may be deleted while others of its group live on. */
	if (chdir("/") < 0)
		return err_sys(err, "change to '/'");
	return watch_signals(p, err);
}

static int make_server(struct program *p, const struct shim_args *args, struct err *err)
{
	struct worker *w = &p->worker;
	struct shim_server_config config = {
		.loop = w->loop,
		.log = &p->log,
		.ns = args->ns,
		.events_address = getenv("TTRPC_ADDRESS"),
		.listener = take_fd(&p->listener),
		.shim_pid = guardian_link_pid(w->link),
		.backend = &backend_choice,
		.backend_arg = &w->backends,
		.exits = w->exits,
		.fds = &w->fds,
		.guardian = w->link,
		.journaled = true,
		.restarted = guardian_link_restarts(w->link) > 0,
		.host = native_host(w->native),
		.arg = p,
		.done = on_done,
		.unlistened = on_unlistened,
		.log_moved = keep_log,
	};

	return shim_server_new(&config, &p->server, err);
}

static void program_done(struct program *p)
{
	shim_server_free(p->server);
	worker_done(&p->worker);
	fd_close(p->listener);
}

/* Hours may pass until the next request. */
static void on_quiet(void *arg, int fd, int timeout_ms)
{
	struct program *p = arg;

	native_quiet(p->worker.native);
	mem_release();
	mem_release_stack();
	image_wait(&p->image, fd, timeout_ms);
}

/* ---- the guardian ---- */

/* containerd will ask for the exits by `delete` as soon as we are gone: they are written to the bundles. */
static void on_lost(void *arg)
{
	struct program *p = arg;

	log_write(&p->log, LOG_ERROR_, "the guardian is gone: leaving");
	shim_server_abandon(p->server);
	worker_sweep(&p->worker);
}

/* A worker that comes after another one may find no listener: that one was about to leave. */
static int take_listener(struct program *p, struct err *err)
{
	p->listener = guardian_link_take(p->worker.link, GUARDIAN_LISTENER_NAME);
	if (p->listener < 0 && guardian_link_restarts(p->worker.link) == 0)
		return err_set(err, -EINVAL, "no socket is to be served");
	return 0;
}

static int check_server(const struct shim_args *args, struct err *err)
{
	int r = task_name_check(args->ns, "namespace", err);

	if (r == 0)
		r = task_name_check(args->id, "id", err);
	if (r == 0 && !worker_has_guardian())
		r = err_set(err, -EINVAL, "no action is given, and no socket is to be served");
	return r;
}

static int run_server(const struct shim_args *args)
{
	struct program p = { .log = { .fd = -EBADF, .format = LOG_LOGRUS },
		.listener = -EBADF,
		.signal_fd = -EBADF };
	struct err err;
	int r;

	r = check_server(args, &err);
	if (r < 0)
		return fail(&err);
	p.log.level = args->debug ? LOG_DEBUG_ : LOG_INFO_;
	p.worker.log = &p.log;
	worker_keep_no_memory();
	r = worker_begin(&p.worker, &err);
	if (r == 0)
		r = take_listener(&p, &err);
	if (r == 0)
		r = become_server(&p, &err);
	if (r == 0)
		r = worker_make_runtime(&p.worker, NULL, &err);
	if (r == 0)
		r = make_server(&p, args, &err);
	if (r == 0)
		r = exit_ring_begin(p.worker.ring, &err);
	if (r == 0) {
		guardian_link_on_lost(p.worker.link, on_lost, &p);
		worker_log_restart(&p.worker);
		image_look(&p.image);
		loop_on_quiet(p.worker.loop, QUIET_MS, on_quiet, &p);
		r = loop_run(p.worker.loop);
		if (r < 0)
			err_code(&err, r, "run the loop");
	}
	if (r < 0)
		log_write(&p.log, LOG_FATAL_, "%s", err.text);
	program_done(&p);
	return r < 0 ? EXIT_FAILURE : r;
}

int main(int argc, char **argv)
{
	struct shim_args args;
	struct err err;

	/* First of all: else the first file that is opened becomes somebody's stdout. */
	if (fd_ensure_stdio() < 0)
		return EXIT_FAILURE;
	if (getauxval(AT_SECURE)) {
		err_set(&err, -EPERM, "refusing to run setuid or with file capabilities");
		return fail(&err);
	}
	if (shim_args_parse(argc, argv, &args, &err) < 0)
		return fail(&err);
	if (args.help)
		return print_help();
	if (args.version)
		return print_version();
	if (args.info)
		return run_info();
	if (!args.action)
		return run_server(&args);
	if (str_eq(args.action, "start"))
		return run_start(&args);
	if (str_eq(args.action, "delete"))
		return run_delete(&args);
	err_set(&err, -EINVAL, "unknown action '%s'", args.action);
	return fail(&err);
}
