/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making a process by somebody else's program: create, restore, exec. They end when the runtime has ended with success,
 * its terminal (if it has one) has come and its pid file names a process whose exit will reach us.
 *
 * What surprises: the program may have run and be dead and reaped by then (RACE-1, 2). The exit source keeps such exits
 * while they are expected, by pid; and a pid can be another process' by now. So a living process counts only if it is a
 * child of whom orphans fall to and not younger than the runtime's end; a dead one only if its exit was kept.
 *
 * What fails after the runtime had its success is undone (RACE-16): a container is deleted by force, an exec killed; one
 * whose pid nobody has told is looked for among the children that the container should not have.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "supervisor/bundle_record.h"
#include "supervisor/oci_impl.h"
#include "supervisor/oci_spec.h"

#define MAKE_NS (120 * NS_PER_SEC)
#define RESTORE_NS (600 * NS_PER_SEC)
#define UNDO_NS (60 * NS_PER_SEC)
#define LATE_NS (5 * NS_PER_SEC) /* for what should be there when the runtime ends */
#define LOOK_NS (10 * NS_PER_MS)

static void go_on(struct oci_make *m);

static struct loop *loop_of(const struct oci_make *m)
{
	return m->c->oci->config.loop;
}

static int bundle_of(const struct oci_make *m)
{
	return m->c->runtime.bundle_fd;
}

/* ---- the end ---- */

static void remove_files(struct oci_make *m)
{
	oci_console_close(&m->console);
	loop_timer_cancel(&m->timer);
	if (m->kind == OCI_EXEC) {
		unlinkat(bundle_of(m), m->pid_file, 0);
		unlinkat(bundle_of(m), m->process_file, 0);
	}
}

static void end(struct oci_make *m)
{
	struct backend_call *call = take_ptr(m->call);
	struct backend_outcome o = {
		.err = m->err.code ? &m->err : NULL,
		.process = &m->c->init,
		.shared_pidns = m->c->shared_pidns,
	};

	if (call)
		call->done(call, &o); /* which may free us */
}

static void on_undone(struct oci_run *run, const struct err *err)
{
	struct oci_make *m = container_of(run, struct oci_make, run);
	struct log *log = m->c->oci->config.log;

	if (err && log)
		log_write(log, LOG_WARN_, "%s: delete what a failed create left: %s", m->c->id,
			err->text);
	end(m);
}

static void delete_container(struct oci_make *m)
{
	struct oci_args args = { 0 };
	struct oci_run_request req = { .args = &args };
	struct err err;
	int r;

	oci_args_add(&args, "delete");
	oci_args_add(&args, "--force");
	oci_args_add(&args, m->c->id);
	req.limit_ns = oci_limit(m->c->oci, UNDO_NS);
	r = oci_run_start(&m->run, &m->c->runtime, &req, on_undone, &err);
	oci_args_done(&args);
	if (r < 0) {
		m->run.runtime = NULL;
		end(m);
	}
}

/* A container of that id which is somebody else's: neither we nor who cleans up after us may delete it. */
static bool is_taken(const struct err *err)
{
	return err->code == -EIO && strstr(err->text, "already exist");
}

/* Field 4 of /proc/PID/stat; 0: unknown. */
static pid_t parent_of(pid_t pid)
{
	char path[40], text[512], *p;
	auto_close int fd = -EBADF;
	uint64_t parent = 0;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	fd = fd_open(path, O_RDONLY, 0);
	n = fd < 0 ? -1 : fd_read_full(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	p = strrchr(text, ')');
	if (!p || strlen(p) < 4)
		return 0;
	p += 4; /* ") S " */
	p[strcspn(p, " ")] = '\0';
	return str_to_u64(p, INT32_MAX, &parent) < 0 ? 0 : (pid_t)parent;
}

static pid_t orphans_to(const struct backend_container *c)
{
	pid_t pid = c->oci->config.orphans_to;

	return pid ? pid : getpid();
}

static uint64_t ticks_of(uint64_t boot_ns)
{
	uint64_t per_second = (uint64_t)sysconf(_SC_CLK_TCK);

	return boot_ns / NS_PER_SEC * per_second + boot_ns % NS_PER_SEC * per_second / NS_PER_SEC;
}

static bool other_exec_is_made(const struct oci_make *m)
{
	for (const struct backend_process *p = m->c->processes; p; p = p->next)
		if (&p->make != m && p->make.call)
			return true;
	return false;
}

void oci_kill_strays(struct backend_container *c, uint64_t since_ns)
{
	auto_free pid_t *pids = NULL;
	uint64_t since = ticks_of(since_ns), started;
	size_t n = 0;
	struct err err;

	if (c->shared_pidns || oci_pids(c, &pids, &n, &err) < 0)
		return;
	for (size_t i = 0; i < n; i++) {
		auto_done(pidref) struct pidref who = PIDREF_NULL;

		if (pids[i] == c->init.pid || exit_is_watched(c->oci->config.exits, pids[i]) ||
			pidref_open(pids[i], &who) < 0)
			continue;
		if (parent_of(pids[i]) == orphans_to(c) &&
			pidref_read_start_time(pids[i], &started) == 0 && started >= since)
			pidref_kill(&who, SIGKILL);
	}
}

static int read_pid(struct oci_make *m, pid_t *ret, struct err *err);
static int identify(struct oci_make *m, pid_t pid, struct err *err);

static void kill_exec(struct oci_make *m)
{
	pid_t pid;

	if (m->who.pid == 0 && read_pid(m, &pid, NULL) == 0)
		(void)identify(m, pid, NULL);
	if (m->who.pid > 0)
		pidref_kill(&m->who, SIGKILL);
	else if (!other_exec_is_made(m))
		oci_kill_strays(m->c, m->begun_ns);
}

static void fail(struct oci_make *m)
{
	if (m->cancelled && m->err.code != -ECANCELED)
		err_set(&m->err, -ECANCELED, "canceled");
	if (m->kind == OCI_EXEC)
		kill_exec(m);
	remove_files(m);
	if (m->kind == OCI_EXEC) {
		end(m);
	} else if (is_taken(&m->err)) {
		unlinkat(bundle_of(m), BUNDLE_RECORD_NAME, 0);
		end(m);
	} else {
		delete_container(m);
	}
}

static void succeed(struct oci_make *m)
{
	struct backend_container *c = m->c;

	remove_files(m);
	if (m->kind == OCI_EXEC) {
		m->made = true;
		m->p->pid = m->who.pid;
		m->call->made(m->call, &m->who);
		return;
	}
	c->init = m->who;
	m->who = PIDREF_NULL;
	oci_find_cgroup(c);
	end(m);
}

void oci_make_release(struct oci_make *m)
{
	if (!m->made)
		return;
	m->made = false;
	pidref_done(&m->who); /* the core has its own */
	end(m);
}

void oci_make_cancel(struct oci_make *m)
{
	if (!m->call)
		return;
	m->cancelled = true;
	if (m->made) { /* it runs, and nobody will let it go */
		m->made = false;
		err_set(&m->err, -ECANCELED, "canceled");
		fail(m);
	} else if (oci_run_is_active(&m->run) && !m->err.code) {
		oci_run_cancel(&m->run);
	}
}

void oci_make_drop(struct oci_make *m)
{
	if (!m->c)
		return;
	oci_run_drop(&m->run);
	if (m->call)
		remove_files(m);
	oci_console_close(&m->console);
	loop_timer_cancel(&m->timer);
	pidref_done(&m->who);
	m->call = NULL;
}

/* ---- whose pid it is ---- */

static int read_pid(struct oci_make *m, pid_t *ret, struct err *err)
{
	auto_free char *text = NULL;
	uint64_t pid;
	size_t n;
	int r = fd_read_file_at(bundle_of(m), m->pid_file, 4096, &text, &n);

	if (r == -ENOENT)
		return err_set(err, -EIO, "the runtime has written no pid file");
	if (r < 0)
		return err_code(err, r, "read the runtime's pid file");
	while (n > 0 && isspace((unsigned char)text[n - 1]))
		text[--n] = '\0';
	if (n != strlen(text) || str_to_u64(text, INT32_MAX, &pid) < 0 || pid < 2)
		return err_set(
			err, -EIO, "the runtime's pid file says '%.32s', which is no pid", text);
	*ret = (pid_t)pid;
	return 0;
}

static bool is_made_by_it(const struct oci_make *m, const struct pidref *who)
{
	uint64_t started = who->start_time;

	if (!started && pidref_read_start_time(who->pid, &started) < 0)
		return false;
	return parent_of(who->pid) == orphans_to(m->c) && started <= ticks_of(m->ended_ns) &&
	       pidref_kill(who, 0) != -ESRCH;
}

/* -EAGAIN: it may come. */
static int identify(struct oci_make *m, pid_t pid, struct err *err)
{
	auto_done(pidref) struct pidref who = PIDREF_NULL;
	struct exit_source *exits = m->c->oci->config.exits;
	/* The number's last process may be dead without our having heard of it. */
	bool taken = exit_is_watched(exits, pid);
	int r = pidref_open(pid, &who);

	if (r == 0 && !taken && is_made_by_it(m, &who)) {
		m->who = who;
		who = PIDREF_NULL;
		return 0;
	}
	if (!taken && exit_is_kept(exits, pid)) {
		m->who = (struct pidref){ .pid = pid, .fd = -EBADF };
		return 0;
	}
	/* Its exit may be on its way to us: reaped by another, and not told yet. */
	if (clock_boot_ns() < m->wait_until_ns)
		return -EAGAIN;
	if (taken)
		return err_set(err, -EIO,
			"the runtime's pid file says %d, which is the process of another container "
			"or exec",
			pid);
	if (r == 0)
		return err_set(err, -EIO,
			"the runtime's pid file says %d, which is a process that it has not left "
			"to us",
			pid);
	return err_set(err, -EIO, "the runtime's pid file says %d, which is no process", pid);
}

/* ---- the runtime has ended ---- */

static void on_timer(struct loop_timer *t)
{
	go_on(container_of(t, struct oci_make, timer));
}

static void look_again(struct oci_make *m)
{
	int r = loop_timer_set(loop_of(m), &m->timer, clock_boot_ns() + LOOK_NS, on_timer);

	if (r < 0) {
		err_code(&m->err, r, "wait for the runtime's process");
		fail(m);
	}
}

static void find_process(struct oci_make *m)
{
	pid_t pid = 0;
	int r = read_pid(m, &pid, &m->err);

	if (r == 0)
		r = identify(m, pid, &m->err);
	if (r == -EAGAIN) {
		look_again(m);
		return;
	}
	if (r == 0 && m->cancelled)
		r = err_set(&m->err, -ECANCELED, "canceled");
	if (r < 0)
		fail(m);
	else
		succeed(m);
}

static void go_on(struct oci_make *m)
{
	if (m->err.code) {
		fail(m);
	} else if (m->terminal && clock_boot_ns() >= m->wait_until_ns) {
		err_set(&m->err, -EIO, "the runtime has sent no terminal");
		fail(m);
	} else if (m->terminal && !m->cancelled) {
		look_again(m);
	} else {
		find_process(m);
	}
}

static void on_ran(struct oci_run *run, const struct err *err)
{
	struct oci_make *m = container_of(run, struct oci_make, run);

	m->ended_ns = clock_boot_ns();
	m->wait_until_ns = m->ended_ns + oci_limit(m->c->oci, LATE_NS);
	if (err) /* rather than that its terminal did not come */
		m->err = *err;
	go_on(m);
}

static void on_master(struct oci_console *console, int master, const struct err *err)
{
	struct oci_make *m = container_of(console, struct oci_make, console);

	if (err && !m->err.code)
		m->err = *err; /* told when the runtime has ended: it may have more to say */
	m->terminal = false;
	if (master >= 0)
		m->call->console(m->call, master);
}

/* ---- beginning ---- */

static int begin(struct oci_make *m, struct backend_container *c, enum oci_make_kind kind,
	bool terminal, struct backend_call *call, struct err *err)
{
	unsigned long long stamp = clock_boot_ns();

	*m = (struct oci_make){
		.c = c,
		.call = call,
		.kind = kind,
		.begun_ns = stamp,
		.terminal = terminal,
		.who = PIDREF_NULL,
	};
	snprintf(m->socket, sizeof(m->socket), "pty.%llx", stamp);
	snprintf(m->process_file, sizeof(m->process_file), "exec.%llx.json", stamp);
	if (kind == OCI_EXEC) {
		snprintf(m->pid_file, sizeof(m->pid_file), "exec.%llx.pid", stamp);
	} else {
		snprintf(m->pid_file, sizeof(m->pid_file), "init.pid");
		unlinkat(bundle_of(m), m->pid_file, 0); /* of a restore that failed */
	}
	if (!terminal)
		return 0;
	return oci_console_open(&m->console, loop_of(m), bundle_of(m), m->socket, on_master, err);
}

static int run(struct oci_make *m, const struct oci_args *args, const int *stdio, uint64_t limit_ns,
	struct err *err)
{
	struct oci_run_request req = {
		.args = args,
		.stdio = m->terminal ? NULL : stdio,
		.limit_ns = oci_limit(m->c->oci, limit_ns),
	};

	return oci_run_start(&m->run, &m->c->runtime, &req, on_ran, err);
}

/* What never began leaves nothing. */
static int begun(struct oci_make *m, int r)
{
	if (r < 0) {
		remove_files(m);
		m->call = NULL;
	}
	return r;
}

/*
 * The socket's name counts from the working directory, for a bundle's path may be longer than the name of a socket can be;
 * the other files have whole paths, as everywhere.
 */
static void add_streams(const struct oci_make *m, const char *pid_file, struct oci_args *args)
{
	oci_args_add2(args, "--pid-file", pid_file);
	if (m->terminal)
		oci_args_add2(args, "--console-socket", m->socket);
}

static char *path_of(const struct backend_container *c, const char *name)
{
	return path_join(c->runtime.bundle, name);
}

int oci_make_create(struct backend_container *c, const int *stdio, bool terminal,
	struct backend_call *call, struct err *err)
{
	struct oci_make *m = &c->make;
	struct oci_args args = { 0 };
	int r = begin(m, c, OCI_CREATE, terminal, call, err);
	auto_free char *pid_file = path_of(c, m->pid_file);

	oci_args_add(&args, "create");
	oci_args_add2(&args, "--bundle", c->runtime.bundle);
	add_streams(m, pid_file, &args);
	if (c->no_pivot)
		oci_args_add(&args, "--no-pivot");
	if (c->no_new_keyring)
		oci_args_add(&args, "--no-new-keyring");
	oci_args_add(&args, c->id);
	if (r == 0 && !pid_file)
		r = err_oom(err);
	if (r == 0)
		r = run(m, &args, stdio, MAKE_NS, err);
	oci_args_done(&args);
	return begun(m, r);
}

int oci_make_restore(struct backend_container *c, struct backend_call *call, struct err *err)
{
	struct oci_make *m = &c->make;
	struct oci_args args = { 0 };
	int r = begin(m, c, OCI_RESTORE, c->terminal, call, err);
	auto_free char *pid_file = path_of(c, m->pid_file);

	oci_args_add(&args, "restore");
	oci_args_add2(&args, "--image-path", c->checkpoint);
	if (!str_empty(c->work_path))
		oci_args_add2(&args, "--work-path", c->work_path);
	if (!str_empty(c->parent_checkpoint))
		oci_args_add2(&args, "--parent-path", c->parent_checkpoint);
	oci_args_add(&args, "--detach");
	oci_args_add2(&args, "--bundle", c->runtime.bundle);
	add_streams(m, pid_file, &args);
	if (c->no_pivot)
		oci_args_add(&args, "--no-pivot");
	oci_args_add(&args, c->id);
	if (r == 0 && !pid_file)
		r = err_oom(err);
	if (r == 0)
		r = run(m, &args, c->stdio, RESTORE_NS, err);
	oci_args_done(&args);
	return begun(m, r);
}

static int write_process(struct oci_make *m, const struct request_exec *req, struct err *err)
{
	auto_done(buf) struct buf text = { 0 };
	int r = oci_spec_process(req->spec, req->spec_size, req->stdio.terminal, &text, err);

	if (r < 0)
		return r;
	r = file_replace_at(bundle_of(m), m->process_file, text.data, text.len, 0600);
	return r < 0 ? err_code(err, r, "write the process for the runtime") : 0;
}

int oci_make_exec(struct backend_process *p, const struct backend_exec *req,
	struct backend_call *call, struct err *err)
{
	struct oci_make *m = &p->make;
	struct oci_args args = { 0 };
	int r = begin(m, p->c, OCI_EXEC, req->request->stdio.terminal, call, err);
	auto_free char *process_file = path_of(p->c, m->process_file);
	auto_free char *pid_file = path_of(p->c, m->pid_file);

	m->p = p;
	if (r == 0)
		r = write_process(m, req->request, err);
	oci_args_add(&args, "exec");
	oci_args_add2(&args, "--process", process_file);
	oci_args_add(&args, "--detach");
	add_streams(m, pid_file, &args);
	oci_args_add(&args, p->c->id);
	if (r == 0 && (!pid_file || !process_file))
		r = err_oom(err);
	if (r == 0)
		r = run(m, &args, req->stdio, MAKE_NS, err);
	oci_args_done(&args);
	return begun(m, r);
}
