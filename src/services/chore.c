/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What surprises: both must have come, the end of the answer and the exit, before the chore is over;
 * who has said all may still hold what he was given.
 */
#include "services/chore.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"

#define ANSWER_MAX 1024

struct core_chore {
	struct core_chore *next;
	struct core *core;
	chore_done_fn *done;
	void *arg;
	struct reaper_watch watch;
	struct loop_fd source;
	struct loop_deferred end;
	int sock, said;              /* its standard error */
	char answer[ANSWER_MAX + 1]; /* what the helper has said */
	size_t n;
	bool silent; /* it will say no more */
	bool reaped;
	int status;
};

static void chore_free(struct core_chore *k)
{
	struct core_chore **at = &k->core->chores;

	while (*at && *at != k)
		at = &(*at)->next;
	if (*at)
		*at = k->next;
	if (k->watch.fn && !k->reaped)
		k->core->reaper.unwatch(k->core->reaper.arg, &k->watch);
	loop_fd_remove(&k->source);
	loop_defer_cancel(&k->end);
	fd_close(k->watch.pidfd);
	fd_close(k->sock);
	fd_close(k->said);
	free(k);
}

static void tell(
	struct core_chore *k, int r, const char *first, const char *second, const struct err *err)
{
	if (k->done)
		k->done(k->arg, r, first, second, err);
	else if (r < 0 && r != -ECANCELED && k->core->log)
		log_write(k->core->log, LOG_WARN_, "%s", err->text);
}

/* "ok FIRST SECOND\n", or "error NUMBER TEXT\n". */
static int read_answer(struct core_chore *k, char **ret_first, char **ret_second, struct err *err)
{
	char *end = memchr(k->answer, '\n', k->n), *first, *second;
	uint64_t code = 0;
	struct err why;

	if (!end) {
		helper_silent(k->said, &why);
		return err_set(err, -EPROTO, "%s (status %#x)", why.text, (unsigned int)k->status);
	}
	*end = '\0';
	first = strchr(k->answer, ' ');
	second = first ? strchr(first + 1, ' ') : NULL;
	if (!second)
		return err_set(err, -EPROTO, "reeve-helper's answer is none");
	*first++ = *second++ = '\0';
	if (str_eq(k->answer, "ok")) {
		*ret_first = first;
		*ret_second = second;
		return 0;
	}
	if (str_to_u64(first, 4095, &code) < 0 || code == 0)
		code = EPROTO;
	return err_set(err, -(int)code, "%s", second);
}

static void on_end(struct loop_deferred *d)
{
	chore_free(container_of(d, struct core_chore, end));
}

static void finish(struct core_chore *k)
{
	char *first = NULL, *second = NULL;
	struct err err = { 0 };
	int r;

	if (!k->silent || !k->reaped)
		return;
	r = read_answer(k, &first, &second, &err);
	tell(k, r, first, second, &err);
	k->done = NULL;
	loop_defer(k->core->loop, &k->end, on_end);
}

static void on_exit_(struct reaper_watch *w, int wait_status)
{
	struct core_chore *k = container_of(w, struct core_chore, watch);

	k->reaped = true;
	k->status = wait_status;
	finish(k);
}

static void on_answer(struct loop_fd *source, uint32_t events)
{
	struct core_chore *k = container_of(source, struct core_chore, source);
	ssize_t n = recv(k->sock, k->answer + k->n, ANSWER_MAX - k->n, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		k->n += (size_t)n;
	if (n <= 0 || k->n == ANSWER_MAX) {
		loop_fd_remove(source);
		k->silent = true;
		finish(k);
	}
}

static int start(struct core_chore *k, const char *need, const char *task,
	const struct helper_words *words, struct err *err)
{
	int pair[2], r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(err, "make a socket for reeve-helper");
	k->sock = pair[0];
	r = helper_spawn(
		need, task, words, pair[1], false, &k->watch.pid, &k->watch.pidfd, &k->said, err);
	fd_close(pair[1]);
	if (r < 0)
		return r;
	k->watch.fn = on_exit_;
	r = k->core->reaper.watch(k->core->reaper.arg, &k->watch);
	if (r == 0)
		r = loop_fd_add(k->core->loop, &k->source, k->sock, EPOLLIN, on_answer);
	return r < 0 ? err_code(err, r, "watch reeve-helper") : 0;
}

int chore_start(struct core *core, const char *need, const char *task,
	const struct helper_words *words, chore_done_fn *done, void *arg, struct err *err)
{
	struct core_chore *k = mem_calloc(1, sizeof(*k));
	int r;

	if (!k)
		return err_oom(err);
	*k = (struct core_chore){ .core = core,
		.done = done,
		.arg = arg,
		.sock = -EBADF,
		.said = -EBADF,
		.watch = { .pidfd = -EBADF } };
	k->next = core->chores;
	core->chores = k;
	r = start(k, need, task, words, err);
	if (r < 0)
		chore_free(k);
	return r;
}

void chores_end(struct core *core)
{
	while (core->chores) {
		struct err err = { 0 };

		err_set(&err, -ECANCELED, "the daemon leaves");
		if (core->chores->done)
			tell(core->chores, -ECANCELED, NULL, NULL, &err);
		chore_free(core->chores);
	}
}
