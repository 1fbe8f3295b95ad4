/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection says everything: the guardian keeps its other end, so it outlives any worker, and its end is the end of the
 * daemon. Nothing is known here by its pid.
 *
 * What systemd hears, it hears from here: this is the process that it has started, and the daemon may have been started by
 * somebody else, in another cgroup and with another environment.
 *
 * What surprises: the first connection is made before the guardian is started, for its socket listens already; the first worker
 * finds there what it is to do.
 */
#include "main/reeved_front.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/service.h"
#include "base/str.h"
#include "exit/guardian_launch.h"
#include "main/reeved_control.h"

#define LOCK_NAME "front.lock"
#define MEET_NS (20 * NS_PER_SEC)
#define END_NS (5 * NS_PER_SEC)
#define AGAIN_MS 20

struct meeting {
	const struct front *front;
	int state, root; /* directories */
	int args;
	int signals;
	int conn;
	bool ready, stopping;
	char program[PATH_MAX];
};

/* ---- meeting the daemon ---- */

static void add_words(struct buf *text, char *const *words)
{
	for (; *words; words++) {
		buf_adds(text, *words);
		buf_addc(text, '\0');
	}
}

static int make_args(struct meeting *m, struct err *err)
{
	auto_done(buf) struct buf text = { 0 };

	buf_addf(&text, "%d", m->front->argc);
	buf_addc(&text, '\0');
	add_words(&text, m->front->argv);
	add_words(&text, m->front->env);
	if (buf_ok(&text) < 0)
		return err_oom(err);
	m->args = fd_memfd("reeved-args", text.data, text.len);
	return m->args < 0 ? err_code(err, m->args, "keep arguments and environment") : 0;
}

static int say_hello(struct meeting *m, struct err *err)
{
	struct control_msg msg = { CONTROL_MAGIC, CONTROL_HELLO, 0 };
	auto_close int program = fd_open("/proc/self/exe", O_PATH, 0);
	int fds[CONTROL_FDS + CONTROL_PASSED] = {
		[CONTROL_STDERR] = STDERR_FILENO,
		[CONTROL_PROGRAM] = program,
		[CONTROL_ARGS] = m->args,
	};
	size_t n = CONTROL_FDS;
	int r = program < 0 ? program : 0;

	for (unsigned int i = 0; i < CONTROL_PASSED; i++) {
		if (m->front->passed[i] < 0)
			continue;
		msg.passed |= 1u << i;
		fds[n++] = m->front->passed[i];
	}
	if (r == 0)
		r = fd_send(m->conn, &msg, sizeof(msg), fds, n);
	return r < 0 ? err_code(err, r, "talk to the daemon") : 0;
}

/* A state directory that was lost, or is another one now, leaves the daemon to be found by its root directory. */
static int reach(struct meeting *m)
{
	m->conn = fd_unix_connect_at(m->state, CONTROL_NAME, SOCK_SEQPACKET);
	if (m->conn == -ENOENT || m->conn == -ECONNREFUSED)
		m->conn = fd_unix_connect_at(m->root, CONTROL_NAME, SOCK_SEQPACKET);
	return m->conn < 0 ? m->conn : 0;
}

static int open_dir(const char *path, int *ret, struct err *err)
{
	int r = file_mkdirs_at(AT_FDCWD, path, 0711);

	if (r < 0 && r != -EEXIST)
		return err_code(err, r, "make directory '%s'", path);
	fd_close(*ret);
	*ret = fd_open(path, O_RDONLY | O_DIRECTORY, 0);
	return *ret < 0 ? err_code(err, *ret, "open directory '%s'", path) : 0;
}

static int open_dirs(struct meeting *m, struct err *err)
{
	int r = open_dir(m->front->settings->root, &m->root, err);

	return r < 0 ? r : open_dir(m->front->settings->state, &m->state, err);
}

static char **worker_argv(const struct front *f, struct arena *arena)
{
	char **argv = arena_calloc(arena, (size_t)f->argc + 2, sizeof(*argv));

	if (!argv)
		return NULL;
	argv[0] = f->argv[0];
	argv[1] =
		(char *)"worker"; /* for whoever looks at a list of processes; and so it is known */
	for (int i = 1; i < f->argc; i++)
		argv[i + 1] = f->argv[i];
	return argv;
}

static int unlink_control(int dir, const char *path, struct err *err)
{
	return unlinkat(dir, CONTROL_NAME, 0) < 0 && errno != ENOENT
		       ? err_sys(err, "remove '%s/" CONTROL_NAME "'", path)
		       : 0;
}

/* In the root directory, unless its file system has no sockets. */
static int listen_for_fronts(struct meeting *m, int *ret, struct err *err)
{
	const struct settings *s = m->front->settings;
	auto_free char *path = path_join(s->root, CONTROL_NAME);
	int r = unlink_control(m->root, s->root, err);

	if (r == 0)
		r = unlink_control(m->state, s->state, err);
	if (r < 0)
		return r;
	*ret = fd_unix_listen_at(m->root, CONTROL_NAME, SOCK_SEQPACKET, 0600);
	if (*ret < 0)
		*ret = fd_unix_listen_at(m->state, CONTROL_NAME, SOCK_SEQPACKET, 0600);
	else if (!path)
		r = err_oom(err);
	/* It is there already where both are one directory. */
	else if (symlinkat(path, m->state, CONTROL_NAME) < 0 && errno != EEXIST)
		r = err_sys(err, "make '%s/" CONTROL_NAME "'", s->state);
	return *ret < 0 ? err_code(err, *ret, "listen at '%s/" CONTROL_NAME "'", s->root) : r;
}

/* Nobody is behind the socket, if there is one: under the locks this stays so. */
static int launch(struct meeting *m, struct err *err)
{
	auto_done(arena) struct arena arena = { 0 };
	auto_close int listener = -EBADF;
	char **argv = worker_argv(m->front, &arena);
	pid_t pid;
	int r;

	if (!argv)
		return err_oom(err);
	r = listen_for_fronts(m, &listener, err);
	if (r < 0)
		return r;
	r = reach(m);
	if (r < 0)
		return err_code(
			err, r, "connect to '%s/" CONTROL_NAME "'", m->front->settings->root);
	r = say_hello(m, err);
	if (r == 0)
		r = guardian_launch(listener, argv, m->front->env, &pid, err);
	return r;
}

static int take_lock(int dir, const char *path, int *ret, struct err *err)
{
	int r;

	*ret = fd_open_at(dir, LOCK_NAME, O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
	if (*ret < 0)
		return err_code(err, *ret, "open '%s/" LOCK_NAME "'", path);
	r = file_lock(*ret, true, true);
	return r < 0 ? err_code(err, r, "lock '%s/" LOCK_NAME "'", path) : 0;
}

/* Both: daemons that share one of the directories must not start at once either. */
static int take_locks(struct meeting *m, int *root, int *state, struct err *err)
{
	const struct settings *s = m->front->settings;
	struct stat a, b;
	int r = take_lock(m->root, s->root, root, err);

	if (r < 0 || (fstat(m->root, &a) == 0 && fstat(m->state, &b) == 0 && a.st_dev == b.st_dev &&
			     a.st_ino == b.st_ino))
		return r;
	return take_lock(m->state, s->state, state, err);
}

static int find_or_launch(struct meeting *m, struct err *err)
{
	auto_close int root_lock = -EBADF, state_lock = -EBADF;
	int r = open_dirs(m, err);

	if (r < 0)
		return r;
	r = reach(m);
	if (r == 0)
		return say_hello(m, err);
	r = take_locks(m, &root_lock, &state_lock, err);
	if (r < 0)
		return r;
	r = reach(m);
	if (r == 0)
		return say_hello(m, err);
	if (r != -ENOENT && r != -ECONNREFUSED)
		return err_code(
			err, r, "connect to '%s/" CONTROL_NAME "'", m->front->settings->state);
	return launch(m, err);
}

/* ---- staying ---- */

static void tell_manager(const struct meeting *m, const char *line)
{
	if (!m->stopping)
		(void)service_notify(getenv("NOTIFY_SOCKET"), line);
}

static void say_stop(struct meeting *m)
{
	const struct control_msg msg = { CONTROL_MAGIC, CONTROL_STOP, 0 };

	tell_manager(m, "STOPPING=1");
	m->stopping = true;
	(void)fd_send(m->conn, &msg, sizeof(msg), NULL, 0);
}

/* What is installed now takes our place, and what it starts the daemon's. */
static void run_anew(struct meeting *m)
{
	execve(m->program, m->front->argv, m->front->env);
	log_last_words(STDERR_FILENO, "reeved: run '%s': %s", m->program, strerror(errno));
}

static void take_signal(struct meeting *m)
{
	struct signalfd_siginfo info;

	if (read(m->signals, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo == SIGHUP)
		run_anew(m);
	else
		say_stop(m);
}

/* 1: the daemon has said that it is over, in *ret; 0: not yet; -ECONNRESET: the connection has ended. */
static int take_word(struct meeting *m, enum control_type *ret)
{
	struct control_msg msg;
	size_t n = 0;
	ssize_t r = fd_recv(m->conn, &msg, sizeof(msg), NULL, &n, MSG_DONTWAIT);

	if (r == -EAGAIN)
		return 0;
	if (r != sizeof(msg) || msg.magic != CONTROL_MAGIC)
		return -ECONNRESET;
	*ret = (enum control_type)msg.type;
	return 1;
}

/* Whoever waits for us finds nobody else who has the daemon's directories. */
static void await_end(const struct meeting *m)
{
	struct pollfd p = { .fd = m->conn };
	uint64_t until = clock_boot_ns() + END_NS;

	while (!(p.revents & POLLHUP) && clock_boot_ns() < until)
		(void)poll(&p, 1, 100);
}

static int last_word(const struct meeting *m, enum control_type word, struct err *err)
{
	if (word != CONTROL_BUSY)
		await_end(m);
	if (word == CONTROL_LEFT)
		return 0;
	if (word == CONTROL_BUSY)
		return err_set(err, -EBUSY, "another daemon has '%s'", m->front->settings->state);
	return err_set(err, -ECANCELED, "%s", "");
}

/* A worker after the first one says it too. */
static void serves(struct meeting *m)
{
	if (!m->ready)
		tell_manager(m, "READY=1");
	m->ready = true;
	/* From here on there is little to do. */
	mem_release();
	mem_release_stack();
	mem_release_program();
}

/* Until the connection ends, or the last word. */
static int stay(struct meeting *m, struct err *err)
{
	struct pollfd p[2] = { { .fd = m->signals, .events = POLLIN },
		{ .fd = m->conn, .events = POLLIN } };
	enum control_type word;
	int r;

	for (;;) {
		if (poll(p, 2, -1) < 0 && errno != EINTR)
			return err_sys(err, "wait for the daemon");
		if (p[0].revents)
			take_signal(m);
		if (!p[1].revents)
			continue;
		r = take_word(m, &word);
		if (r < 0)
			return err_set(err, -ECONNRESET, "the daemon is gone");
		if (r > 0 && word == CONTROL_READY)
			serves(m);
		else if (r > 0 && word == CONTROL_ALIVE)
			tell_manager(m, "WATCHDOG=1");
		else if (r > 0)
			return last_word(m, word, err);
	}
}

/* A daemon that is about to leave, or whose worker dies in this moment, ends the connection: then once more. */
static int meet_and_stay(struct meeting *m, struct err *err)
{
	uint64_t until = clock_boot_ns() + MEET_NS;
	int r;

	for (;;) {
		r = find_or_launch(m, err);
		if (r == 0)
			r = stay(m, err);
		m->conn = fd_close(m->conn);
		if (r == 0 || m->ready || clock_boot_ns() >= until ||
			(r != -ECONNRESET && r != -EPIPE && r != -ENOTCONN))
			return r;
		poll(NULL, 0, AGAIN_MS);
	}
}

static int watch_signals(struct meeting *m, struct err *err)
{
	sigset_t ours;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&ours);
	sigaddset(&ours, SIGTERM);
	sigaddset(&ours, SIGINT);
	sigaddset(&ours, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &ours, NULL) < 0)
		return err_sys(err, "block signals");
	m->signals = signalfd(-1, &ours, SFD_CLOEXEC | SFD_NONBLOCK);
	return m->signals < 0 ? err_sys(err, "make a signalfd") : 0;
}

static int find_program(struct meeting *m, struct err *err)
{
	ssize_t n = readlink("/proc/self/exe", m->program, sizeof(m->program) - 1);

	if (n < 0)
		return err_sys(err, "find our own program");
	m->program[n] = '\0';
	return 0;
}

int front_run(const struct front *f, struct err *err)
{
	struct meeting m = {
		.front = f,
		.state = -EBADF,
		.root = -EBADF,
		.args = -EBADF,
		.signals = -EBADF,
		.conn = -EBADF,
	};
	int r = find_program(&m, err);

	if (r == 0)
		r = make_args(&m, err);
	if (r == 0)
		r = watch_signals(&m, err);
	if (r == 0)
		r = meet_and_stay(&m, err);
	fd_close(m.args);
	fd_close(m.signals);
	fd_close(m.state);
	fd_close(m.root);
	return r;
}
