/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reeved, by what it has on the disk: the same while it runs and when it cannot be started. Its store
 * is looked at by reeve-helper, which links the library for it, with a daemon on it or without.
 *
 * What surprises: nothing is mended here. The daemon does that when it starts, and tells what is lost.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/str.h"
#include "cli/doctor.h"
#include "container/helper_run.h"
#include "container/worker_cgroup.h"
#include "exit/recorder.h"
#include "settings/restarts.h"
#include "settings/settings.h"

#define REEVED "reeved"
#define STORE "store"
#define RECORDER "exit recorder"
#define RESTARTS "restarts"
#define LEFT "left over"

#define STORE_NAME "meta.db"
#define TASKS \
	"io.containerd.runtime.v2.task" /* below state and root: bundles and work directories */
#define STORE_MS 60000
#define NOTE_MAX_BYTES 4096
#define RECORDER_HELP \
	"it needs CAP_BPF, CAP_PERFMON, the kernel's BTF, and a bpffs at /sys/fs/bpf or on the " \
	"directory\n" \
	"`exits.bpffs` of reeved.toml, which reeved mounts where it may. Mend what is said, " \
	"start it again"
#define LIMIT_HELP \
	"a leak of the worker takes what the machine has, and others may be killed for it. Start " \
	"reeved in a\n" \
	"cgroup 'front' below one that nobody else uses (systemd 254: DelegateSubgroup=front)"
#define DEALT_WITH "When it is dealt with, remove the file\n'restarts' in the state directory"
#define GUARDIAN_HELP \
	"the daemon ended with it, and the next start took over what ran; what was created and " \
	"not started\n" \
	"ended, and exit codes meanwhile are known where the recorder is on, or from Linux 6.15 " \
	"on. "
#define REPORT_MAX_BYTES (64u << 20)
#define SHOWN_RESTARTS 5
#define SHOWN_NAMES 20

struct look {
	struct doctor *d;
	const struct settings *s;
	bool running;
	char *report; /* lines of store_report.h; NULL: there is none */
	bool containers_known;
};

/* ---- daemon ---- */

static void look_at_daemon(struct look *l)
{
	auto_close int root = fd_open(l->s->root, O_RDONLY | O_DIRECTORY, 0);
	auto_close int lock = -EBADF;

	if (root < 0) {
		doctor_add(l->d, root == -ENOENT ? DOCTOR_NOTE : DOCTOR_WRONG, REEVED, NULL,
			root == -ENOENT ? "there never was one with root '%s'"
					: "its root '%s' cannot be opened",
			l->s->root);
		return;
	}
	lock = fd_open_at(root, "lock", O_RDONLY | O_NOFOLLOW, 0);
	l->running = lock >= 0 && file_lock(lock, false, false) == -EWOULDBLOCK;
	if (l->running && access(l->s->address, F_OK) < 0)
		doctor_add(l->d, DOCTOR_WRONG, REEVED, "clients cannot reach it",
			"it runs, but '%s' is not there", l->s->address);
	else
		doctor_add(l->d, l->running ? DOCTOR_OK : DOCTOR_NOTE, REEVED, NULL,
			l->running ? "it runs, with root '%s'"
				   : "it does not run; its root is '%s'",
			l->s->root);
}

/* The daemon has tried, and knows better why than whoever finds nothing there. */
static void say_its_reason(struct look *l, struct exit_recorder *r)
{
	auto_close int state = fd_open(l->s->state, O_RDONLY | O_DIRECTORY, 0);
	auto_free char *text = NULL;
	size_t size;

	if (state >= 0 &&
		fd_read_regular_at(state, EXIT_RECORDER_NOTE_NAME, NOTE_MAX_BYTES, &text, &size) ==
			0 &&
		size > 0)
		exit_recorder_set_off(r, text);
}

/* Only where the program is at a tracepoint, and from Linux 7.0 on. */
static void say_what_it_missed(struct look *l)
{
	uint64_t missed = 0;
	struct err err = { 0 };

	if (exit_recorder_missed(l->s->recorder_bpffs, &missed, &err) == 0 && missed > 0)
		doctor_add(l->d, DOCTOR_MISSING, RECORDER,
			"what ends while daemon and guardian are both gone may be status 255: the "
			"kernel lets the program\n"
			"miss an end while another is being recorded on that processor, for no "
			"function can be traced",
			"of the ends of all processes of the machine it has missed %" PRIu64,
			missed);
}

static void look_at_recorder(struct look *l)
{
	char status[EXIT_RECORDER_STATUS_SIZE];
	struct exit_recorder r = EXIT_RECORDER_NULL;

	if (!l->s->recorder)
		exit_recorder_set_off(&r, "switched off by the configuration");
	else
		exit_recorder_open(&r, l->s->recorder_bpffs);
	if (l->running && l->s->recorder && !exit_recorder_is_on(&r))
		say_its_reason(l, &r);
	exit_recorder_status(&r, status);
	doctor_add(l->d,
		exit_recorder_is_on(&r) ? DOCTOR_OK
		: l->running            ? DOCTOR_MISSING
					: DOCTOR_NOTE,
		RECORDER, exit_recorder_is_on(&r) || !l->s->recorder ? NULL : RECORDER_HELP, "%s",
		status);
	if (exit_recorder_is_on(&r))
		say_what_it_missed(l);
	exit_recorder_done(&r);
}

/* ---- restarts ---- */

static void look_at_limit(struct look *l)
{
	auto_close int state = fd_open(l->s->state, O_RDONLY | O_DIRECTORY, 0);
	auto_free char *why = NULL;
	size_t size;

	if (l->s->worker_memory_max == 0 || !l->running)
		return;
	if (state >= 0 && fd_read_regular_at(
				  state, WORKER_CGROUP_NOTE_NAME, NOTE_MAX_BYTES, &why, &size) == 0)
		doctor_add(l->d, DOCTOR_MISSING, REEVED, LIMIT_HELP,
			"the worker's memory is not limited: %s", why);
	else
		doctor_add(l->d, DOCTOR_OK, REEVED, NULL,
			"the worker's memory is limited to %lld bytes",
			(long long)l->s->worker_memory_max);
}

static const char *plural(size_t n)
{
	return n == 1 ? "" : "s";
}

static void look_at_restarts(struct look *l)
{
	auto_close int state = fd_open(l->s->state, O_RDONLY | O_DIRECTORY, 0);
	auto_done(arena) struct arena arena = { 0 };
	struct restart *list = NULL;
	struct err err = { 0 };
	size_t n = 0, guardians = 0;

	if (state >= 0 && restarts_read(state, &arena, &list, &n, &err) < 0) {
		doctor_add(l->d, DOCTOR_WRONG, RESTARTS, NULL, "%s", err.text);
		return;
	}
	for (size_t i = 0; i < n; i++)
		guardians += list[i].guardian;
	if (n == 0)
		doctor_add(l->d, DOCTOR_OK, RESTARTS, NULL, "none");
	if (n > guardians)
		doctor_add(l->d, DOCTOR_WRONG, RESTARTS, "containers did not notice. " DEALT_WITH,
			"the worker was started again %zu time%s", n - guardians,
			plural(n - guardians));
	if (guardians > 0)
		doctor_add(l->d, DOCTOR_WRONG, RESTARTS, GUARDIAN_HELP DEALT_WITH,
			"the guardian died %zu time%s", guardians, plural(guardians));
	for (size_t i = n > SHOWN_RESTARTS ? n - SHOWN_RESTARTS : 0; i < n; i++)
		doctor_add(l->d, DOCTOR_NOTE, RESTARTS, *list[i].crash ? list[i].crash : NULL,
			"%s: the %s %s", list[i].time, list[i].guardian ? "guardian" : "worker",
			list[i].reason);
	if (state >= 0 && faccessat(state, RESTARTS_CRASH_NAME, F_OK, 0) == 0)
		doctor_add(l->d, DOCTOR_WRONG, RESTARTS, NULL,
			"it has crashed, and was not started again: see '%s/" RESTARTS_CRASH_NAME
			"'",
			l->s->state);
}

/* ---- store ---- */

/* All that the helper says, NULL when it does not come to an end. */
static char *read_report(int fd)
{
	uint64_t until = clock_boot_ns() + STORE_MS * NS_PER_MS;
	auto_done(buf) struct buf out = { 0 };

	while (out.len < REPORT_MAX_BYTES) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		uint64_t now = clock_boot_ns();
		char some[4096];
		ssize_t n;

		if (now >= until || poll(&p, 1, (int)((until - now) / NS_PER_MS) + 1) <= 0)
			return NULL;
		n = read(fd, some, sizeof(some));
		if (n < 0)
			return NULL;
		if (n == 0)
			return buf_take(&out);
		buf_add(&out, some, (size_t)n);
	}
	return NULL;
}

static int ask_helper(struct look *l, struct err *err)
{
	struct helper_words words = { 0 };
	int pair[2], pidfd = -EBADF, said = -EBADF, r;
	pid_t pid = 0;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(err, "make a pair of sockets");
	helper_words_add(&words, "path", "%s/" STORE_NAME, l->s->root);
	r = helper_spawn(
		"it is looked at by", "store", &words, pair[1], false, &pid, &pidfd, &said, err);
	fd_close(pair[1]);
	helper_words_done(&words);
	if (r == 0) {
		siginfo_t end;

		l->report = read_report(pair[0]);
		if (!l->report)
			(void)kill(pid, SIGKILL);
		(void)waitid(P_PID, (id_t)pid, &end, WEXITED);
		if (!l->report)
			r = err_set(err, -ETIMEDOUT, "it takes longer than %d seconds",
				STORE_MS / 1000);
		else if (!*l->report)
			r = helper_silent(said, err);
	}
	fd_close_all((int[]){ pair[0], pidfd, said }, 3);
	return r;
}

/* The next line, which is ended in place; NULL after the last. */
static char *take_line(char **at)
{
	char *line = *at, *end = strchr(line, '\n');

	if (!end)
		return NULL;
	*end = '\0';
	*at = end + 1;
	return line;
}

static void tell_verdict(struct look *l, const char *line)
{
	if (str_eq(line, "ok"))
		doctor_add(
			l->d, DOCTOR_OK, STORE, NULL, "'%s/" STORE_NAME "' is sound", l->s->root);
	else if (str_eq(line, "none"))
		doctor_add(l->d, DOCTOR_NOTE, STORE, NULL, "there is none");
	else if (str_starts(line, "bad\t"))
		doctor_add(l->d, DOCTOR_WRONG, STORE, NULL, "%s", line + 4);
	else if (str_starts(line, "damaged\t"))
		doctor_add(l->d, DOCTOR_WRONG, STORE,
			"start reeved again: what can be read is kept, what is lost is logged, and "
			"containers of which\n"
			"there is a bundle are known again",
			"%s", line + 8);
	else if (str_starts(line, "error\t"))
		doctor_add(l->d, DOCTOR_WRONG, STORE, NULL, "%s", line + 6);
	l->containers_known |= str_eq(line, "ok");
}

static void look_at_store(struct look *l)
{
	auto_free char *aside = NULL, *lines = NULL;
	struct err err = { 0 };
	char *at, *line;

	if (ask_helper(l, &err) < 0) {
		doctor_add(l->d, DOCTOR_NOTE, STORE, NULL, "it was not looked at: %s", err.text);
		return;
	}
	lines = strdup(l->report);
	for (at = lines; lines && (line = take_line(&at));)
		tell_verdict(l, line);
	if (asprintf(&aside, "%s/" STORE_NAME ".damaged", l->s->root) >= 0 &&
		access(aside, F_OK) == 0)
		doctor_add(l->d, DOCTOR_WRONG, STORE,
			"the log of that time names what is lost. When it is no longer needed, "
			"remove the file",
			"a damaged store was put aside: '%s'", aside);
}

/* ---- what is left over ---- */

struct names {
	struct look *look;
	int other; /* directory that must have each of them too */
	const char *dir, *what;
	size_t n;
};

static bool has_record(const struct look *l, const char *ns, const char *id)
{
	auto_free char *line = NULL;

	if (asprintf(&line, "container\t%s\t%s\n", ns, id) < 0)
		return true;
	for (const char *p = l->report; (p = strstr(p, line)); p++)
		if (p == l->report || p[-1] == '\n')
			return true;
	return false;
}

static void tell_name(struct names *n, const char *why, const char *ns, const char *id)
{
	if (n->n++ < SHOWN_NAMES)
		doctor_add(n->look->d, DOCTOR_WRONG, LEFT, why, "%s '%s/%s/%s'", n->what, n->dir,
			ns, id);
}

static void look_at_bundle(struct names *n, const char *ns, const char *id)
{
	struct look *l = n->look;

	if (*id == '.') {
		/* A running daemon is at work there; one that comes sweeps it away. */
		if (!l->running)
			tell_name(n, "a crash has left it; the next start removes it", ns, id);
	} else if (l->containers_known && !has_record(l, ns, id)) {
		tell_name(n,
			"its container has no record: the store is another one, or has lost it", ns,
			id);
	}
}

static void look_at_work(struct names *n, const char *ns, const char *id)
{
	auto_free char *path = NULL;

	if (*id == '.' || n->look->running || asprintf(&path, "%s/%s", ns, id) < 0)
		return;
	if (faccessat(n->other, path, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		tell_name(n, "it has no bundle, as after a reboot; the next start removes it", ns,
			id);
}

static void each_name(int dir, void (*fn)(struct names *n, const char *ns, const char *id),
	const char *ns, struct names *n)
{
	int fd = fd_open_at(dir, ns ? ns : ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	DIR *list = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!list) {
		fd_close(fd);
		return;
	}
	while ((e = readdir(list))) {
		if (str_eq(e->d_name, ".") || str_eq(e->d_name, "..") || e->d_type != DT_DIR)
			continue;
		if (ns)
			fn(n, ns, e->d_name);
		else if (*e->d_name != '.')
			each_name(dir, fn, e->d_name, n);
	}
	closedir(list);
}

static int open_tasks(const char *dir)
{
	auto_free char *path = NULL;

	return asprintf(&path, "%s/" TASKS, dir) < 0 ? -ENOMEM
						     : fd_open(path, O_RDONLY | O_DIRECTORY, 0);
}

static void look_at_leftovers(struct look *l)
{
	auto_close int bundles = open_tasks(l->s->state), works = open_tasks(l->s->root);
	struct names b = { .look = l, .other = works, .dir = l->s->state, .what = "bundle" };
	struct names w = {
		.look = l, .other = bundles, .dir = l->s->root, .what = "work directory"
	};

	if (bundles >= 0)
		each_name(bundles, look_at_bundle, NULL, &b);
	if (works >= 0)
		each_name(works, look_at_work, NULL, &w);
	if (b.n + w.n == 0)
		doctor_add(l->d, DOCTOR_OK, LEFT, NULL, "nothing");
	else if (b.n > SHOWN_NAMES || w.n > SHOWN_NAMES)
		doctor_add(l->d, DOCTOR_WRONG, LEFT, NULL, "%zu in all", b.n + w.n);
}

void doctor_look_at_reeved(struct doctor *d, const struct settings *s)
{
	struct look l = { .d = d, .s = s };

	look_at_daemon(&l);
	look_at_limit(&l);
	look_at_recorder(&l);
	look_at_restarts(&l);
	look_at_store(&l);
	look_at_leftovers(&l);
	free(l.report);
}
