/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What surprises: a start looks at the sandbox alone, and compares: only when the score that was lowest goes are the
 * other members read. The sandbox's own score counts too: a pause container at -998 stays there.
 */
#include "container/sandbox_group.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/str.h"

static const struct {
	const char *type;    /* annotation with "sandbox" or "container" */
	const char *sandbox; /* annotation with the sandbox's id */
} engines[] = {
	{ "io.kubernetes.cri.container-type", "io.kubernetes.cri.sandbox-id" },
	{ "io.kubernetes.cri-o.ContainerType", "io.kubernetes.cri-o.SandboxID" },
};

int sandbox_group_record(const struct spec *spec, const char *sandbox_id, struct state_record *rec)
{
	const char *type = sandbox_id ? "container" : NULL;
	struct err ignored = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(engines) && !type; i++) {
		type = spec_annotation(spec, engines[i].type);
		sandbox_id = spec_annotation(spec, engines[i].sandbox);
	}
	if (spec->process && spec->process->has_oom_score_adj) {
		rec->has_own_oom_score = true;
		rec->own_oom_score = spec->process->oom_score_adj;
	}
	if (str_eq(type, "sandbox")) {
		rec->sandbox_type = STATE_SANDBOX_SANDBOX;
		rec->sandbox_id = rec->id;
		return 0;
	}
	if (!str_eq(type, "container") || state_id_check(sandbox_id, &ignored) < 0)
		return 0;
	rec->sandbox_type = STATE_SANDBOX_MEMBER;
	rec->sandbox_id = state_record_string(rec, sandbox_id);
	return rec->sandbox_id ? 0 : -ENOMEM;
}

bool sandbox_group_has(const struct state_record *rec, const char *sandbox_id)
{
	return rec->sandbox_type != STATE_SANDBOX_SINGLE && str_eq(rec->sandbox_id, sandbox_id);
}

/* ---- the score of a process ---- */

/* Its file, opened while it surely is that process. */
static int open_score(const struct pidref *p, int flags)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", p->pid);
	fd = fd_open(path, flags, 0);
	if (fd >= 0 && pidref_exited(p)) {
		fd_close(fd);
		return -ESRCH;
	}
	return fd;
}

static int read_score(const struct pidref *p, int64_t *ret)
{
	auto_close int fd = open_score(p, O_RDONLY);
	char text[16];
	ssize_t n;

	if (fd < 0)
		return fd;
	n = fd_read_full(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return n < 0 ? (int)n : -ESRCH;
	text[n] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return str_to_i64(text, ret);
}

static void write_score(
	const struct host *h, const struct state_record *rec, const struct pidref *p, int64_t score)
{
	auto_close int fd = open_score(p, O_WRONLY);
	char text[16];
	int n = snprintf(text, sizeof(text), "%d", (int)score);
	int r = fd < 0 ? fd : fd_write_full(fd, text, (size_t)n);

	if (r < 0 && r != -ESRCH && r != -ENOENT)
		log_write(h->log, LOG_WARN_, "oom_score_adj %d of sandbox '%s': %s", (int)score,
			rec->id, strerror(-r));
}

/* ---- the sandbox ---- */

/* Open it, and its first process; -ENOENT when there is none that lives. */
static int open_sandbox(const struct host *h, const char *id, enum state_access access,
	struct state *s, struct pidref *init)
{
	struct err ignored = { 0 };
	int r = state_open(h->state, id, access, s, &ignored);

	if (r < 0)
		return r;
	if (s->record.sandbox_type == STATE_SANDBOX_SANDBOX &&
		state_record_init(&s->record, NULL, init) == 0)
		return 0;
	state_done(s);
	return -ENOENT;
}

static bool counts(const struct state_record *member)
{
	return member->sandbox_type == STATE_SANDBOX_MEMBER && member->has_own_oom_score;
}

static void lower(const struct host *h, struct state *s, const struct pidref *init, int64_t score)
{
	struct state_record *rec = &s->record;
	struct err ignored = { 0 };
	int64_t now;

	if (read_score(init, &now) < 0 || score >= now)
		return;
	/* On record before it is done: a crash in between leaves a score that is known. */
	if (!rec->has_oom_score) {
		rec->has_oom_score = true;
		rec->oom_score = now;
		if (state_save(s, &ignored) < 0)
			return;
	}
	write_score(h, rec, init, score);
}

void sandbox_group_started(const struct host *h, const struct state_record *member)
{
	struct pidref init = PIDREF_NULL;
	struct state s = STATE_NULL;
	int64_t now;
	bool due;

	if (!counts(member) || open_sandbox(h, member->sandbox_id, STATE_READ, &s, &init) < 0)
		return;
	due = read_score(&init, &now) == 0 && member->own_oom_score < now;
	pidref_done(&init);
	state_done(&s);
	if (!due || open_sandbox(h, member->sandbox_id, STATE_WRITE, &s, &init) < 0)
		return;
	lower(h, &s, &init, member->own_oom_score);
	pidref_done(&init);
	state_done(&s);
}

/* The lowest score of the members that are left; false when none has one. */
static bool lowest(const struct host *h, const char *sandbox_id, int64_t *ret)
{
	struct err ignored = { 0 };
	bool any = false;
	char **ids;
	size_t n;

	if (state_list(h->state, &ids, &n, &ignored) < 0)
		return false;
	for (size_t i = 0; i < n; i++) {
		struct state s = STATE_NULL;

		if (state_open(h->state, ids[i], STATE_READ, &s, &ignored) < 0)
			continue;
		if (counts(&s.record) && sandbox_group_has(&s.record, sandbox_id) &&
			(!any || s.record.own_oom_score < *ret)) {
			*ret = s.record.own_oom_score;
			any = true;
		}
		state_done(&s);
	}
	state_list_free(ids, n);
	return any;
}

void sandbox_group_left(const struct host *h, const struct state_record *member)
{
	struct pidref init = PIDREF_NULL;
	struct state s = STATE_NULL;
	struct err ignored = { 0 };
	int64_t score;

	if (!counts(member) || open_sandbox(h, member->sandbox_id, STATE_WRITE, &s, &init) < 0)
		return;
	if (s.record.has_oom_score) {
		if (!lowest(h, member->sandbox_id, &score) || score >= s.record.oom_score) {
			score = s.record.oom_score;
			s.record.has_oom_score = false;
			s.record.oom_score = 0;
		}
		write_score(h, &s.record, &init, score);
		if (!s.record.has_oom_score)
			state_save(&s, &ignored);
	}
	pidref_done(&init);
	state_done(&s);
}
