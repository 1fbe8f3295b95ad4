/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reeved: the daemon, as two kinds of process: the front that somebody has started (reeved_front.h) and, below a guardian, the
 * worker that serves. All that belongs to the worker's process as a whole is here: signals, standard streams, how it ends; what it
 * is told is reeved_options.c's. A first SIGTERM or SIGINT leaves in order, within bounds; a second one at once.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bare/guardian.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/pidref.h"
#include "base/str.h"
#include "container/worker_cgroup.h"
#include "exit/recorder_place.h"
#include "main/crash.h"
#include "main/reeved_control.h"
#include "main/reeved_front.h"
#include "main/reeved_options.h"
#include "main/reeved_service.h"
#include "main/reeved_state.h"
#include "main/worker.h"
#include "manager/task_manager.h"
#include "services/daemon.h"
#include "settings/restarts.h"
#include "supervisor/recorder_load.h"

#include "config.h"

#define PROGRAM "reeved"
#define RECORDER_MS 1000
#define LEAVE_NS (2 * NS_PER_SEC)
#define QUIET_MS 500
#define DESERTED_NS (2 * NS_PER_SEC)

struct program {
	struct worker worker;
	struct control control;
	struct log log;
	struct daemon *daemon;
	const char *address;
	struct exit_recorder recorder;
	struct recorder_load *loading; /* of its program into the kernel */
	struct exit_recorder loaded;   /* by that: to be the one above */
	bool has_recorder;             /* what was loaded has been taken */
	const char *recorder_dir;
	int state;                            /* directory */
	char journal[64];                     /* file there */
	char guardian[RESTARTS_PROCESS_SIZE]; /* as it is written down there; "": not yet known */
	struct reeved_state watch;            /* of it */
	struct loop_fd signals;
	int signal_fd;
	struct loop_timer leave;
	struct loop_timer desertion;
	bool leaving;
	struct reeved_service service;
	struct worker_cgroup cgroup;
};

static int fail(const struct err *err)
{
	log_last_words(STDERR_FILENO, PROGRAM ": %s", err->text);
	return EXIT_FAILURE;
}

/* ---- running ---- */

static void on_drained(void *arg)
{
	struct program *p = arg;

	loop_stop(p->worker.loop, EXIT_SUCCESS);
}

static void on_serving(void *arg)
{
	struct program *p = arg;

	log_write(&p->log, LOG_INFO_, "serving on '%s'", p->address);
	control_say(&p->control, CONTROL_READY);
}

static void on_alive(void *arg)
{
	struct program *p = arg;

	control_say(&p->control, CONTROL_ALIVE);
}

static void on_failed(void *arg, const struct err *err)
{
	struct program *p = arg;

	loop_stop(p->worker.loop, fail(err));
}

static void on_leave_timeout(struct loop_timer *t)
{
	struct program *p = container_of(t, struct program, leave);

	log_write(&p->log, LOG_INFO_, "calls are still open: leaving all the same");
	loop_stop(p->worker.loop, EXIT_SUCCESS);
}

static void leave(struct program *p)
{
	if (p->leaving || loop_timer_set(p->worker.loop, &p->leave, clock_boot_ns() + LEAVE_NS,
				  on_leave_timeout) < 0) {
		loop_stop(p->worker.loop, EXIT_SUCCESS);
		return;
	}
	p->leaving = true;
	daemon_leave(p->daemon);
}

/* Whoever means the daemon and signals the guardian, which passes it on. */
static void on_signal(struct loop_fd *source, uint32_t events)
{
	struct program *p = container_of(source, struct program, signals);
	struct signalfd_siginfo info;

	if (read(p->signal_fd, &info, sizeof(info)) != sizeof(info))
		return;
	log_write(&p->log, LOG_INFO_, "signal %u: leaving", info.ssi_signo);
	leave(p);
}

static void on_stop(void *arg)
{
	struct program *p = arg;

	log_write(&p->log, LOG_INFO_, "told to leave");
	leave(p);
}

static size_t embedded_tasks(const struct program *p)
{
	return p->daemon ? daemon_embedded_tasks(p->daemon) : 0;
}

static void on_desertion(struct loop_timer *t)
{
	struct program *p = container_of(t, struct program, desertion);

	if (p->control.front >= 0 || embedded_tasks(p) > 0)
		return;
	log_write(
		&p->log, LOG_INFO_, "nobody looks after this daemon, and it has no task: leaving");
	leave(p);
}

/* One that was killed may come again at once. */
static void on_deserted(void *arg)
{
	struct program *p = arg;

	(void)loop_timer_set(
		p->worker.loop, &p->desertion, clock_boot_ns() + DESERTED_NS, on_desertion);
}

/* Nothing is lost by it: what is to outlive us does so at any moment. */
static void on_replace(void *arg)
{
	struct program *p = arg;

	log_write(&p->log, LOG_INFO_, "another reeved takes over");
	_exit(GUARDIAN_STATUS_AGAIN);
}

/* From here on the journal, which is a file, is all that the next one has. */
static void on_lost(void *arg)
{
	struct program *p = arg;

	log_write(&p->log, LOG_ERROR_, "the guardian is gone: leaving");
	reeved_service_guardian_was(p->state, &p->log, p->guardian, p->leaving);
	p->worker.fds.link = NULL;
	daemon_leave(p->daemon);
	worker_sweep(&p->worker);
}

static int watch_signals(struct program *p, struct err *err)
{
	sigset_t blocked, ours;
	int r;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&ours);
	sigaddset(&ours, SIGTERM);
	sigaddset(&ours, SIGINT);
	blocked = ours;
	sigaddset(&blocked, SIGCHLD); /* for own_children */
	if (sigprocmask(SIG_BLOCK, &blocked, NULL) < 0)
		return err_sys(err, "block signals");
	p->signal_fd = signalfd(-1, &ours, SFD_CLOEXEC | SFD_NONBLOCK);
	if (p->signal_fd < 0)
		return err_sys(err, "make a signalfd");
	r = loop_fd_add(p->worker.loop, &p->signals, p->signal_fd, EPOLLIN, on_signal);
	return r < 0 ? err_code(err, r, "watch signals") : 0;
}

static void on_quiet(void *arg, int fd, int timeout_ms)
{
	struct program *p = arg;

	native_quiet(p->worker.native);
	mem_release();
	mem_release_stack();
	mem_release_program();
}

static void set_score(struct program *p, pid_t pid, int64_t score)
{
	char path[48], text[16];
	int r;

	snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", pid);
	snprintf(text, sizeof(text), "%lld", (long long)score);
	r = fd_write_file_at(AT_FDCWD, path, text);
	if (r < 0)
		log_write(&p->log, LOG_INFO_, "oom_score_adj of process %d stays as it is: %s", pid,
			strerror(-r));
}

/* The guardian is the last that may be killed. We began with its score; what we start begins with ours. */
static void set_scores(struct program *p, const struct settings *s)
{
	if (guardian_link_restarts(p->worker.link) == 0)
		set_score(p, guardian_link_pid(p->worker.link), s->guardian_oom_score);
	set_score(p, getpid(), s->worker_oom_score);
}

/* Its note is for `reeve doctor`. */
static void limit_memory(struct program *p, const struct settings *s)
{
	struct err err;

	(void)unlinkat(p->state, WORKER_CGROUP_NOTE_NAME, 0);
	if (s->worker_memory_max == 0 ||
		worker_cgroup_enter("", (uint64_t)s->worker_memory_max, &p->cgroup, &err) == 0)
		return;
	log_write(&p->log, LOG_WARN_, "the worker's memory is not limited: %s", err.text);
	(void)file_replace_at(p->state, WORKER_CGROUP_NOTE_NAME, err.text, strlen(err.text), 0600);
}

static void on_outside(void *arg, bool outside)
{
	struct program *p = arg;

	worker_cgroup_move(&p->cgroup, outside);
}

/* The front has made it, unless it was lost since. */
static int open_state(struct program *p, const struct settings *s, struct err *err)
{
	bool made = false;
	int r = reeved_state_open(s, &p->state, &made, err);

	if (made)
		log_write(&p->log, LOG_WARN_, "state directory '%s' was lost: it is made again",
			s->state);
	return r;
}

/* All that was made there is made again by the next worker; what matters is with the guardian. */
static void on_state_lost(void *arg)
{
	struct program *p = arg;

	if (p->leaving)
		return;
	log_write(&p->log, LOG_WARN_, "what is in the state directory was removed: beginning anew");
	_exit(GUARDIAN_STATUS_AGAIN);
}

/* What is of another boot tells of nothing that there is. */
static int name_what_is_left(struct program *p, struct err *err)
{
	pid_t guardian = guardian_link_pid(p->worker.link);
	auto_free char *id = NULL;
	uint64_t start = 0;
	int r = fd_read_file_at(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 64, &id, NULL);

	if (r < 0)
		return err_code(err, r, "read the id of this boot");
	id[strcspn(id, "\n")] = '\0';
	(void)pidref_read_start_time(guardian, &start); /* else it is gone, and we hear of that */
	snprintf(p->journal, sizeof(p->journal), "journal.%.40s", id);
	snprintf(p->guardian, sizeof(p->guardian), "%.40s %d %" PRIu64, id, guardian, start);
	return 0;
}

/* For `reeve doctor`, which is not who has tried. */
static void note_recorder(struct program *p)
{
	if (exit_recorder_is_on(&p->recorder))
		(void)unlinkat(p->state, EXIT_RECORDER_NOTE_NAME, 0);
	else
		(void)file_replace_at(p->state, EXIT_RECORDER_NOTE_NAME, p->recorder.off,
			strlen(p->recorder.off), 0600);
}

static void log_recorder(struct program *p)
{
	char status[EXIT_RECORDER_STATUS_SIZE];

	note_recorder(p);
	exit_recorder_status(&p->recorder, status);
	log_write(&p->log, LOG_INFO_, "exit recorder: %s", status);
}

/* One that is older tells more than none. Called once more where the result was awaited. */
static void take_recorder(struct program *p)
{
	if (p->has_recorder)
		return;
	p->has_recorder = true;
	if (exit_recorder_is_on(&p->recorder) && !exit_recorder_is_on(&p->loaded)) {
		exit_recorder_done(&p->loaded);
	} else {
		exit_recorder_done(&p->recorder);
		p->recorder = p->loaded;
		p->loaded = EXIT_RECORDER_NULL;
	}
	log_recorder(p);
}

static void on_recorder(void *arg)
{
	struct program *p = arg;

	recorder_load_free(p->loading);
	p->loading = NULL;
	take_recorder(p);
}

/*
 * What an earlier reeved has loaded stays, and tells how those have ended that nobody has seen. Where there is none, or an older
 * one, it is loaded. Nobody waits for that for long: what is made before is armed when the supervisor tidies up.
 */
static void open_recorder(struct program *p, const struct settings *s)
{
	const struct reaper reaper = worker_reaper(&p->worker);
	const struct recorder_load_order order = {
		.dir = s->recorder_bpffs, .into = &p->loaded, .done = on_recorder, .arg = p
	};
	struct err err;

	p->recorder_dir = s->recorder_bpffs;
	if (s->recorder)
		exit_recorder_open(&p->recorder, s->recorder_bpffs);
	else
		exit_recorder_set_off(&p->recorder, "switched off by the configuration");
	if (!s->recorder || exit_recorder_is_current(&p->recorder))
		return log_recorder(p);
	if (recorder_load_start(p->worker.loop, &reaper, &order, &p->loading, &err) < 0 ||
		recorder_load_await(p->loading, RECORDER_MS))
		take_recorder(p);
}

static int make_daemon(struct program *p, const struct settings *s, struct err *err)
{
	struct worker *w = &p->worker;
	const struct embedded_config embedded = {
		.loop = w->loop,
		.log = &p->log,
		.backend = &backend_choice,
		.backend_arg = &w->backends,
		.exits = w->exits,
		.recorder = &p->recorder,
		.fds = &w->fds,
		.host = native_host(w->native),
		.shim_pid = guardian_link_pid(w->link),
		.journal_dir = p->state,
		.journal_name = p->journal,
		.runtimes = (const char *const *)s->embedded,
	};
	const struct daemon_config config = {
		.loop = w->loop,
		.log = &p->log,
		.settings = s,
		.search = getenv("PATH"),
		.reaper = worker_reaper(w),
		.outside = { on_outside, p },
		.fds = &w->fds,
		.embedded = &embedded,
		.api_listener = take_fd(&p->control.passed[CONTROL_API]),
		.events_listener = take_fd(&p->control.passed[CONTROL_EVENTS]),
		.serving = on_serving,
		.failed = on_failed,
		.drained = on_drained,
		.arg = p,
	};

	return daemon_new(&config, &p->daemon, err);
}

/* Being replaced, and coming back from rest, is no restart that anybody should hear of. */
static void note_restart(struct program *p)
{
	int status = guardian_link_last_status(p->worker.link);

	if (status == GUARDIAN_STATUS_AGAIN << 8 || status == GUARDIAN_STATUS_REST << 8)
		return;
	worker_log_restart(&p->worker);
	reeved_service_note_end(p->state, &p->log, guardian_link_restarts(p->worker.link), status);
}

static int begin(struct program *p, const struct settings *s, struct err *err)
{
	auto_free char *state_root = path_join(s->state, "containers");
	int r = state_root ? watch_signals(p, err) : err_oom(err);

	p->address = s->address;
	set_scores(p, s);
	if (r == 0) {
		limit_memory(p, s);
		r = worker_make_runtime(&p->worker, state_root, err);
	}
	if (r == 0) {
		open_recorder(p, s);
		r = make_daemon(p, s, err);
	}
	if (r == 0)
		r = exit_ring_begin(p->worker.ring, err);
	if (r == 0)
		r = reeved_state_watch(
			&p->watch, p->worker.loop, s->state, p->state, on_state_lost, p, err);
	if (r == 0)
		r = control_watch(&p->control, err);
	if (r == 0)
		r = reeved_service_watch(&p->service, p->worker.loop, s, on_alive, p, err);
	if (r < 0)
		return r;
	guardian_link_on_lost(p->worker.link, on_lost, p);
	reeved_service_guardian_is(p->state, &p->log, p->guardian);
	note_restart(p);
	if (p->control.front < 0)
		on_deserted(p);
	loop_on_quiet(p->worker.loop, QUIET_MS, on_quiet, p);
	return 0;
}

static void end(struct program *p)
{
	daemon_free(p->daemon);
	loop_timer_cancel(&p->leave);
	loop_timer_cancel(&p->desertion);
	reeved_state_done(&p->watch);
	loop_fd_remove(&p->signals);
	environ = NULL; /* it was the control's */
	control_done(&p->control);
	reeved_service_done(&p->service);
	recorder_load_free(p->loading);
	worker_done(&p->worker);
	exit_recorder_done(&p->loaded);
	exit_recorder_done(&p->recorder);
	worker_cgroup_done(&p->cgroup);
	fd_close(p->signal_fd);
	fd_close(p->state);
}

/* Nothing is left to record: no daemon that is over leaves a program in the kernel, or a mount. */
static void drop_recorder(struct program *p)
{
	struct err err;

	if (exit_recorder_is_on(&p->recorder) && recorder_place_remove(p->recorder_dir, &err) < 0)
		log_write(&p->log, LOG_WARN_, "the exit recorder stays: %s", err.text);
}

/* What the guardian is told. While processes are registered it stays, whatever has become of us. */
static int last_status(struct program *p, bool failed)
{
	struct guardian_shared *shared = guardian_link_shared(p->worker.link);
	bool stays;
	struct err err;

	/* The process that loads it is none that a guardian stays for. */
	recorder_load_free(p->loading);
	p->loading = NULL;
	stays = embedded_tasks(p) > 0 || (failed && shared->n_pids > 0);
	if (!stays && !failed && p->worker.fds.link)
		drop_recorder(p);
	if (stays && p->worker.fds.link)
		log_write(&p->log, LOG_INFO_, "the guardian, process %d, stays with the tasks",
			guardian_link_pid(p->worker.link));
	/* One that looks after no process leaves when it is told to. */
	if (p->guardian[0] && (!stays || shared->n_pids == 0))
		reeved_service_guardian_was(p->state, &p->log, p->guardian, true);
	control_end(&p->control, failed ? CONTROL_FAILED : CONTROL_LEFT, !stays && !failed);
	(void)guardian_link_flush(p->worker.link, &err);
	/* Nothing is taken down: whose exits matter, and what is kept, stays as it is for the next worker. */
	if (stays)
		_exit(GUARDIAN_STATUS_REST);
	return EXIT_SUCCESS;
}

static int run(struct program *p, const struct settings *s, struct err *err)
{
	int r = begin(p, s, err);

	if (r == 0) {
		r = loop_run(p->worker.loop);
		if (r < 0)
			err_code(err, r, "run the loop");
	}
	return r;
}

/* Backtraces are for `reeve doctor`, which looks for them there. */
static int catch_crashes(const struct settings *s, struct err *err)
{
	auto_free char *path = NULL;

	if (asprintf(&path, "%s/" RESTARTS_CRASH_NAME, s->state) < 0)
		return err_oom(err);
	return crash_catch(PROGRAM, path, err);
}

static int serve(struct program *p, const struct settings *s, struct err *err)
{
	int r;

	umask(0022);
	reeved_service_log(s, &p->log);
	r = open_state(p, s, err);
	if (r == 0)
		r = name_what_is_left(p, err);
	if (r == 0)
		r = catch_crashes(s, err);
	return r < 0 ? r : run(p, s, err);
}

/* Started by the guardian; what we were told is with the control socket. */
static int be_worker(void)
{
	struct program p = {
		.log = { .fd = STDERR_FILENO, .format = LOG_LOGRUS, .waits = LOG_POLLED },
		.recorder = EXIT_RECORDER_NULL,
		.loaded = EXIT_RECORDER_NULL,
		.cgroup = WORKER_CGROUP_NULL,
		.signal_fd = -EBADF,
		.state = -EBADF
	};
	struct reeved_options o = { 0 };
	struct err err = { 0 };
	int r, status;

	p.worker.log = &p.log;
	worker_keep_no_memory();
	r = worker_begin(&p.worker, &err);
	if (r < 0)
		return fail(&err);
	p.control = (struct control){
		.log = &p.log,
		.loop = p.worker.loop,
		.link = p.worker.link,
		.listener = -EBADF,
		.passed = { -EBADF, -EBADF },
		.front = -EBADF,
		.arg = &p,
		.stop = on_stop,
		.deserted = on_deserted,
		.replace = on_replace,
	};
	r = control_begin(&p.control, &err);
	if (r == 0)
		environ = p.control.env; /* as it is now, and not when the guardian was started */
	if (r == 0)
		r = reeved_options_parse(p.control.argc, p.control.argv, &o, &err);
	if (r == 0)
		r = serve(&p, &o.settings, &err);
	if (r < 0)
		fail(&err);
	status = last_status(&p, r != 0);
	end(&p);
	reeved_options_done(&o);
	return status;
}

static int be_front(const struct settings *s, int argc, char **argv)
{
	struct front front = { .settings = s, .argc = argc, .argv = argv };
	struct err err = { 0 };
	int r;

	/* They were passed to this process, and to no other. */
	r = reeved_service_listeners(
		s, &front.passed[CONTROL_API], &front.passed[CONTROL_EVENTS], &err);
	front.env = environ;
	if (r == 0)
		r = front_run(&front, &err);
	if (r < 0 && err.text[0])
		return fail(&err);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int print(const struct settings *s, bool commented)
{
	auto_done(buf) struct buf out = { 0 };

	settings_write(s, commented, &out);
	return buf_ok(&out) == 0 && fputs(out.data, stdout) >= 0 && fflush(stdout) == 0
		       ? EXIT_SUCCESS
		       : EXIT_FAILURE;
}

static int act(const struct reeved_options *o, int argc, char **argv)
{
	switch (o->action) {
	case REEVED_SERVE:
		return be_front(&o->settings, argc, argv);
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
	if (argc > 1 && str_eq(argv[1], "worker") && worker_has_guardian())
		return be_worker();
	status = reeved_options_parse(argc, argv, &o, &err) < 0 ? fail(&err) : act(&o, argc, argv);
	reeved_options_done(&o);
	return status;
}
