/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Drives `criu swrk`, which takes one request on a socket, calls back at points of its work, and answers.
 *
 * A restored process becomes a sibling of criu, and criu a sibling of ours: so it is our parent's child (or that of
 * the guardian, if that is ours) from the beginning, and who waits for exits there sees this one too.
 *
 * What surprises: criu wants the root file system to be a mount point that does not propagate. It gets one in a mount
 * namespace of our own, so the host's table of mounts never changes. And criu may wait for others, for ever with
 * --lazy-pages: whoever started us and is gone takes criu along, and what it had frozen goes on.
 */
#include "helper/criu.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/kernel.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "container/criu_wire.h"
#include "container/spawn.h"
#include "helper/criu_order.h"

#define ANSWER_MAX 65536
#define PATIENCE_MS 2000 /* of a criu that has lost its client, to end by itself */

struct session {
	struct criu_order order;
	int news;
	int sock; /* to criu */
	pid_t pid;
	int pidfd;
	bool sibling;
	bool was_frozen; /* before criu came: then it stays so */
};

/* ---- news ---- */

static void tell(const struct session *s, enum criu_news_type type, int pid, int fd)
{
	struct criu_news n = { .type = type, .pid = pid };

	if (type == CRIU_NEWS_DONE && s->sibling)
		n.criu_pid = s->pid;
	fd_send(s->news, &n, sizeof(n), &fd, fd >= 0);
}

static void tell_failure(const struct session *s, const struct err *e)
{
	struct criu_news n = { .type = CRIU_NEWS_FAILED, .code = e->code };

	n.criu_pid = s->sibling ? s->pid : 0;
	snprintf(n.text, sizeof(n.text), "%.*s", (int)sizeof(n.text) - 1, e->text);
	fd_send(s->news, &n, sizeof(n), NULL, 0);
}

static int wait_for_go(const struct session *s, struct err *err)
{
	char c = 0;
	ssize_t n;

	do
		n = recv(s->news, &c, 1, 0);
	while (n < 0 && errno == EINTR);
	return n == 1 && c == CRIU_GO ? 0 : err_set(err, -ECANCELED, "cancelled");
}

/* ---- criu's process ---- */

static int start_criu(struct session *s, struct err *err)
{
	const char *search = getenv("PATH");
	char *path = strchr(s->order.criu, '/') ? strdup(s->order.criu)
						: path_find_program(s->order.criu,
							  str_empty(search) ? PATH_USUAL : search);
	auto_close int null = fd_open("/dev/null", O_RDWR, 0);
	auto_close int theirs = -EBADF;
	char number[16], swrk[] = "swrk";
	int pair[2], r;

	if (!path)
		return err_set(err, -ENOENT, "'%s' is not installed", s->order.criu);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(err, "make a socket");
	s->sock = pair[0];
	theirs = pair[1];
	snprintf(number, sizeof(number), "%d", theirs);
	s->order.keep[s->order.n_keep] = theirs;
	s->sibling = s->order.type == PB__CRIU__REQUEST_TYPE__RESTORE;
	if (!search)
		setenv("PATH", PATH_USUAL, 1);
	r = spawn_process(&(struct spawn){ .program = -EBADF,
				  .path = path,
				  .argv = (char *[]){ path, swrk, number, NULL },
				  .envp = environ,
				  .stdio = { null, null, null },
				  .keep = s->order.keep,
				  .n_keep = s->order.n_keep + 1,
				  .with_parent = s->sibling },
		&s->pid, &s->pidfd, err);
	free(path);
	return r;
}

/* What it restores is then where the container's limits hold. */
static int enter_cgroups(const struct session *s, struct err *err)
{
	char pid[16];
	int r;

	snprintf(pid, sizeof(pid), "%d", s->pid);
	for (size_t i = 0; i < s->order.n_join; i++) {
		r = fd_write_file_at(AT_FDCWD, s->order.join[i], pid);
		if (r < 0)
			return err_code(err, r, "enter '%s'", s->order.join[i]);
	}
	return 0;
}

/* ---- the root file system ---- */

static int make_root(const struct session *s, struct err *err)
{
	const char *root = s->order.opts.root;

	if (s->order.type != PB__CRIU__REQUEST_TYPE__RESTORE || !root)
		return 0;
	if (unshare(CLONE_NEWNS) < 0)
		return err_sys(err, "make a mount namespace");
	/* Slaves: what was one before becomes one again by the mount that its source lies in. */
	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0 ||
		mount(root, root, NULL, MS_BIND | MS_REC, NULL) < 0)
		return err_sys(err, "bind root file system '%s'", root);
	return 0;
}

/* ---- the end of whom we work for ---- */

static const char *const freezers[][3] = {
	{ "freezer.state", "THAWED", "FROZEN" },
	{ "cgroup.freeze", "0", "1" },
};

/* Of the cgroup by which criu freezes: whether it is, or else make it go on. */
static bool frozen(const struct session *s, bool thaw)
{
	auto_close int dir = s->order.opts.freeze_cgroup
				     ? fd_open(s->order.opts.freeze_cgroup, O_PATH | O_DIRECTORY, 0)
				     : -EBADF;
	auto_free char *state = NULL;

	for (size_t i = 0; dir >= 0 && i < ARRAY_LEN(freezers); i++) {
		if (thaw)
			(void)fd_write_file_at(dir, freezers[i][0], freezers[i][1]);
		else if (fd_read_file_at(dir, freezers[i][0], 64, &state, NULL) == 0)
			return str_starts(state, freezers[i][2]);
	}
	return false;
}

/* 0: criu says something. */
static int await(const struct session *s, struct err *err)
{
	struct pollfd p[] = { { .fd = s->sock, .events = POLLIN },
		{ .fd = s->news, .events = POLLRDHUP } };

	while (poll(p, ARRAY_LEN(p), -1) < 0)
		if (errno != EINTR)
			return err_sys(err, "listen to criu");
	return p[1].revents & (POLLRDHUP | POLLHUP | POLLERR)
		       ? err_set(err, -ECANCELED, "cancelled")
		       : 0;
}

/* It learns that its client has left where it asks it for something; elsewhere it does not. */
static void end_criu(struct session *s, bool cancelled)
{
	struct pollfd p = { .fd = s->pidfd, .events = POLLIN };

	if (cancelled && s->pidfd >= 0 && poll(&p, 1, PATIENCE_MS) == 0)
		kernel_pidfd_send_signal(s->pidfd, SIGKILL, NULL, 0);
	if (s->pid && !s->sibling)
		waitpid(s->pid, NULL, 0);
	if (cancelled && !s->was_frozen)
		frozen(s, true);
}

/* ---- the conversation ---- */

static int send_request(const struct session *s, const Pb__Criu__Request *m, struct err *err)
{
	size_t size = pb__criu__request__get_packed_size(m);
	uint8_t *bytes = malloc(size ? size : 1);
	int r;

	if (!bytes)
		return err_oom(err);
	pb__criu__request__pack(m, bytes);
	r = fd_send(s->sock, bytes, size, NULL, 0);
	free(bytes);
	return r < 0 ? err_code(err, r, "talk to criu") : 0;
}

static int answer_notify(const struct session *s, struct err *err)
{
	Pb__Criu__Request m = PB__CRIU__REQUEST__INIT;

	m.type = PB__CRIU__REQUEST_TYPE__NOTIFY;
	m.has_notify_success = m.notify_success = true;
	return send_request(s, &m, err);
}

static int take_notify(struct session *s, const Pb__Criu__Notify *n, int fd, struct err *err)
{
	const char *script = n && n->script ? n->script : "";
	int pid = n && n->has_pid ? n->pid : 0;
	int r = 0;

	if (str_eq(script, "setup-namespaces")) {
		tell(s, CRIU_NEWS_HOOKS, pid, -EBADF);
		r = wait_for_go(s, err);
	} else if (str_eq(script, "post-restore")) {
		tell(s, CRIU_NEWS_MADE, pid, -EBADF);
		r = wait_for_go(s, err);
	} else if (str_eq(script, "orphan-pts-master") && fd >= 0) {
		tell(s, CRIU_NEWS_TERMINAL, 0, fd);
	}
	return r < 0 ? r : answer_notify(s, err);
}

/*
 * The line of its log that says why: the first one, for what follows are consequences. That it cannot raise its own
 * limit of open files is no reason.
 */
static bool why(const struct session *s, char out[256])
{
	auto_free char *text = NULL;
	const char *line = NULL;

	if (fd_read_file_at(
		    s->order.opts.work_dir_fd, s->order.opts.log_file, 64u << 20, &text, NULL) == 0)
		line = strstr(text, " Error (");
	while (line) {
		const char *what = strstr(line, "): ");

		if (what && !str_starts(what + 3, "rlimit: ")) {
			snprintf(out, 256, "%.*s", (int)strcspn(what + 3, "\n"), what + 3);
			return true;
		}
		line = strstr(line + 1, " Error (");
	}
	return false;
}

static int refused(const struct session *s, const Pb__Criu__Response *m, struct err *err)
{
	const char *what = s->sibling ? "restore" : "dump";
	char text[256] = "";

	if (why(s, text) || m->cr_errmsg)
		return err_set(
			err, -EIO, "criu failed to %s: %s", what, *text ? text : m->cr_errmsg);
	return err_set(
		err, -EIO, "criu failed to %s: errno %d", what, m->has_cr_errno ? m->cr_errno : 0);
}

/* 1: over. */
static int take_answer(struct session *s, struct err *err)
{
	uint8_t bytes[ANSWER_MAX];
	auto_close int fd = -EBADF;
	Pb__Criu__Response *m;
	size_t n_fds = 1;
	ssize_t n = fd_recv(s->sock, bytes, sizeof(bytes), &fd, &n_fds, 0);
	int r;

	if (n < 0)
		return err_code(err, (int)n, "listen to criu");
	m = n > 0 ? pb__criu__response__unpack(NULL, (size_t)n, bytes) : NULL;
	if (!m)
		return err_set(err, -EPROTO,
			n ? "criu gave an answer that is none"
			  : "criu has ended without an answer");
	if (m->type == PB__CRIU__REQUEST_TYPE__NOTIFY)
		r = take_notify(s, m->notify, n_fds ? fd : -EBADF, err);
	else if (!m->success)
		r = refused(s, m, err);
	else {
		tell(s, CRIU_NEWS_DONE, m->restore ? m->restore->pid : 0, -EBADF);
		r = 1;
	}
	pb__criu__response__free_unpacked(m, NULL);
	return r;
}

static int converse(struct session *s, struct err *err)
{
	Pb__Criu__Request m = PB__CRIU__REQUEST__INIT;
	int r;

	m.type = s->order.type;
	m.opts = &s->order.opts;
	r = send_request(s, &m, err);
	while (r == 0) {
		r = await(s, err);
		if (r == 0)
			r = take_answer(s, err);
	}
	return r < 0 ? r : 0;
}

int criu_main(int news, char *const *words, size_t n)
{
	struct session s = { .news = news, .sock = -EBADF, .pidfd = -EBADF };
	struct err err = { 0 };
	int r = criu_order_read(&s.order, words, n, &err);

	if (r == 0)
		r = make_root(&s, &err);
	if (r == 0)
		r = criu_order_open(&s.order, &err);
	if (r == 0) {
		s.was_frozen = frozen(&s, false);
		r = start_criu(&s, &err);
	}
	if (r == 0)
		r = enter_cgroups(&s, &err);
	if (r == 0)
		r = converse(&s, &err);
	fd_close(s.sock);
	end_criu(&s, r == -ECANCELED);
	if (r < 0)
		tell_failure(&s, &err);
	return r < 0;
}
