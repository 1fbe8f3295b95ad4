/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reeved: the daemon. All that belongs to a process as a whole is here: arguments, signals, standard
 * streams, how it ends. A first SIGTERM or SIGINT leaves in order, within bounds; a second one at
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
#include "services/daemon.h"

#include "config.h"

#define PROGRAM "reeved"
#define LEAVE_NS (2 * NS_PER_SEC)
#define QUIET_MS 500

struct options {
	const char *address, *root, *state;
	bool debug, help, version;
};

struct program {
	struct loop *loop;
	struct log log;
	struct daemon *daemon;
	struct loop_fd signals;
	int signal_fd;
	struct loop_timer leave;
	bool leaving;
};

static int fail(const struct err *err)
{
	fprintf(stderr, PROGRAM ": %s\n", err->text);
	return EXIT_FAILURE;
}

/* ---- arguments ---- */

static int print_help(void)
{
	puts("usage: " PROGRAM " [OPTION]...\n\n"
	     "A container daemon that speaks containerd's API.\n\n"
	     "  -a, --address PATH  of the gRPC socket (/run/reeved/reeved.sock)\n"
	     "      --root DIR      what outlives a reboot (/var/lib/reeved)\n"
	     "      --state DIR     what does not (/run/reeved)\n"
	     "  -l, --log-level debug|info|warn|error\n"
	     "      --debug         the same as --log-level debug\n"
	     "  -v, --version\n"
	     "  -h, --help");
	return EXIT_SUCCESS;
}

/* "--name VALUE", "--name=VALUE", and with one '-', as Go's programs take them. */
static bool is_option(const char *arg, const char *name, const char *letter)
{
	size_t len = strlen(name);
	const char *word = arg + (str_starts(arg, "--") ? 2 : 1);

	if (letter && str_eq(word, letter))
		return true;
	return strncmp(word, name, len) == 0 && (!word[len] || word[len] == '=');
}

static int take_value(int argc, char **argv, int *i, const char **ret, struct err *err)
{
	const char *equals = strchr(argv[*i], '=');

	if (equals)
		*ret = equals + 1;
	else if (*i + 1 < argc)
		*ret = argv[++*i];
	else
		return err_set(err, -EINVAL, "option '%s' needs a value", argv[*i]);
	return 0;
}

static int check_path(const char *path, const char *what, struct err *err)
{
	return *path == '/' ? 0 : err_set(err, -EINVAL, "%s '%s' is no absolute path", what, path);
}

static int parse(int argc, char **argv, struct options *o, struct log *log, struct err *err)
{
	const char *level;
	int r = 0;

	for (int i = 1; i < argc && r == 0; i++) {
		const char *arg = argv[i];

		if (*arg != '-' || !arg[1])
			return err_set(err, -EINVAL, "unexpected argument '%s'", arg);
		if (is_option(arg, "address", "a"))
			r = take_value(argc, argv, &i, &o->address, err);
		else if (is_option(arg, "root", NULL))
			r = take_value(argc, argv, &i, &o->root, err);
		else if (is_option(arg, "state", NULL))
			r = take_value(argc, argv, &i, &o->state, err);
		else if (is_option(arg, "log-level", "l")) {
			r = take_value(argc, argv, &i, &level, err);
			if (r == 0 && log_level_parse(level, &log->level) < 0)
				return err_set(err, -EINVAL, "unknown log level '%s'", level);
		} else if (is_option(arg, "debug", NULL))
			o->debug = true;
		else if (is_option(arg, "help", "h"))
			o->help = true;
		else if (is_option(arg, "version", "v"))
			o->version = true;
		else
			return err_set(err, -EINVAL, "unknown option '%s'", arg);
	}
	if (r == 0)
		r = check_path(o->address, "address", err);
	if (r == 0)
		r = check_path(o->root, "root", err);
	return r == 0 ? check_path(o->state, "state", err) : r;
}

/* ---- running ---- */

static void on_drained(void *arg)
{
	struct program *p = arg;

	loop_stop(p->loop, EXIT_SUCCESS);
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

static int begin(struct program *p, const struct options *o, struct err *err)
{
	const struct daemon_config config = {
		.loop = p->loop,
		.log = &p->log,
		.root = o->root,
		.state = o->state,
		.address = o->address,
		.drained = on_drained,
		.arg = p,
	};
	int r = watch_signals(p, err);

	if (r == 0)
		r = daemon_new(&config, &p->daemon, err);
	if (r == 0)
		loop_on_quiet(p->loop, QUIET_MS, on_quiet, p);
	return r;
}

static void end(struct program *p)
{
	daemon_free(p->daemon);
	/* Releases what was put off to the end of a round. */
	(void)loop_round(p->loop, 0);
	loop_timer_cancel(&p->leave);
	loop_fd_remove(&p->signals);
	fd_close(p->signal_fd);
	loop_free(p->loop);
}

static int run(struct program *p, const struct options *o)
{
	struct err err = { 0 };
	int r = loop_new(&p->loop);

	if (r < 0) {
		err_code(&err, r, "make the loop");
		return fail(&err);
	}
	r = begin(p, o, &err);
	if (r == 0) {
		log_write(&p->log, LOG_INFO_, "serving on '%s'", o->address);
		r = loop_run(p->loop);
		if (r < 0)
			err_code(&err, r, "run the loop");
	}
	if (r < 0)
		fail(&err);
	end(p);
	return r < 0 ? EXIT_FAILURE : r;
}

int main(int argc, char **argv)
{
	struct options o = {
		.address = "/run/reeved/reeved.sock",
		.root = "/var/lib/reeved",
		.state = "/run/reeved",
	};
	struct program p = {
		.log = { .fd = STDERR_FILENO, .level = LOG_INFO_, .format = LOG_LOGRUS },
		.signal_fd = -EBADF
	};
	struct err err = { 0 };

	if (fd_ensure_stdio() < 0)
		return EXIT_FAILURE;
	if (getauxval(AT_SECURE)) {
		err_set(&err, -EPERM, "refusing to run setuid or with file capabilities");
		return fail(&err);
	}
	if (parse(argc, argv, &o, &p.log, &err) < 0)
		return fail(&err);
	if (o.help)
		return print_help();
	if (o.version) {
		puts(PROGRAM " " REEVE_VERSION " " REEVE_COMMIT);
		return EXIT_SUCCESS;
	}
	if (o.debug)
		p.log.level = LOG_DEBUG_;
	umask(0022);
	return run(&p, &o);
}
