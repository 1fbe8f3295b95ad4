/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Session. Operations on containers end in calls from the loop; a command has one at a time and waits for it here.
 */
#include "cli/session.h"

#include <errno.h>

#include "base/fd.h"
#include "base/mem.h"
#include "cli/console.h"

static int open_loop(struct session *s, struct err *err)
{
	int r = loop_new_brief(&s->loop);

	if (r < 0)
		return err_code(err, r, "make the event loop");
	s->host.loop = s->loop;
	s->host.log = &s->cli->log;
	s->host.reaper = reaper_own(s->loop);
	s->host.state = &s->state;
	s->host.spent = s->state.spent = &s->spent;
	s->host.executor = -EBADF;
	s->host.cgroups_disabled = str_eq(s->cli->global.cgroup_manager, "disabled");
	return 0;
}

typedef int open_fn(struct host *h, struct err *err);

static int open_host(struct session *s, open_fn *prepare, struct err *err)
{
	int r = prepare(&s->host, err);

	s->hosted = r == 0;
	return r;
}

int session_open(struct session *s, struct cli *cli, bool create, struct err *err)
{
	int r;

	*s = (struct session){ .cli = cli, .state = STATE_DIR_NULL };
	r = cli_open_state(cli, create, &s->state, err);
	s->state.brief = true;
	if (r == 0)
		r = open_loop(s, err);
	return r < 0 ? r : open_host(s, host_open, err);
}

static int find(struct session *s, struct cli *cli, const char *id, bool destructive,
	open_fn *prepare, struct container **ret, struct err *err)
{
	char full[STATE_ID_MAX + 1];
	int r;

	r = session_browse(s, cli, err);
	if (r == -ENOENT)
		r = cli_no_container(id, err);
	if (r == 0)
		r = cli_resolve(cli, &s->state, id, destructive, full, err);
	if (r == 0 && prepare)
		r = open_host(s, prepare, err);
	return r < 0 ? r : container_open(&s->host, full, ret, err);
}

int session_look(struct session *s, struct cli *cli, const char *id, bool destructive,
	struct container **ret, struct err *err)
{
	return find(s, cli, id, destructive, NULL, ret, err);
}

int session_find(struct session *s, struct cli *cli, const char *id, bool destructive,
	struct container **ret, struct err *err)
{
	return find(s, cli, id, destructive, host_open, ret, err);
}

int session_join(
	struct session *s, struct cli *cli, const char *id, struct container **ret, struct err *err)
{
	return find(s, cli, id, false, host_open_to_join, ret, err);
}

int session_browse(struct session *s, struct cli *cli, struct err *err)
{
	int r;

	*s = (struct session){ .cli = cli, .state = STATE_DIR_NULL };
	r = cli_open_state(cli, false, &s->state, err);
	s->state.brief = true;
	return r < 0 ? r : open_loop(s, err);
}

bool session_is_last(const struct session *s)
{
	return s->cli && s->cli->process->ends;
}

void session_done(struct session *s)
{
	if (!s->cli)
		return;
	/* Releases what was freed meanwhile. */
	if (s->loop)
		(void)loop_round(s->loop, 0);
	if (s->hosted)
		host_close(&s->host);
	fd_spent_close(&s->spent);
	loop_free(s->loop);
	state_dir_done(&s->state);
	*s = (struct session){ 0 };
}

static void on_console(void *arg, int master)
{
	struct session *s = arg;

	if (s->console)
		console_take(s->console, master);
	else
		fd_close(master);
}

static void on_done(void *arg, const struct err *e)
{
	struct session *s = arg;

	s->ended = true;
	s->result = e ? *e : (struct err){ 0 };
}

const struct container_handler *session_handler(struct session *s, struct container_handler *h)
{
	s->ended = false;
	*h = (struct container_handler){ .arg = s, .console = on_console, .done = on_done };
	return h;
}

int session_wait(struct session *s, struct err *err)
{
	while (!s->ended) {
		int r = loop_round(s->loop, -1);

		if (r < 0)
			return err_code(err, r, "wait for events");
	}
	if (s->result.code)
		*err = s->result;
	return s->result.code;
}

void session_undo(struct session *s, struct container *c)
{
	struct container_handler h;
	struct err err = { 0 };
	int r = container_delete(c, true, session_handler(s, &h), &err);

	if (r == 0)
		r = session_wait(s, &err);
	if (r < 0)
		log_write(&s->cli->log, LOG_WARN_, "clean up: %s", err.text);
}
