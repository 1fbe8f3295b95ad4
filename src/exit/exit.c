/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exit: watches by pid, and the exits that came too early.
 *
 * A source reports an exit when it reaps, so while a watch exists no second process can have its
 * pid; matching by pid is matching by identity there. A kept exit has been reaped, its pid may be
 * given out again: it is matched by inode or start time too when both sides know them, and the
 * newest of a pid counts. Kept exits are dropped as soon as no open expectation is older than they
 * are.
 */
#include "exit/exit.h"

#include <errno.h>
#include <string.h>

#include "base/rule.h"

#define BUCKETS 64
#define KEPT_MAX \
	16384 /* orphans that die while something is being made; beyond, they stay zombies */

struct kept {
	uint64_t number;
	struct exit_info info;
};

struct exit_source {
	struct loop *loop;
	struct exit_watch *buckets[BUCKETS];
	struct exit_expect *expects;
	struct kept *kept; /* oldest first */
	size_t n_kept, cap_kept;
	size_t n_early;  /* watches whose kept exit is about to be delivered */
	uint64_t number; /* of the last exit that was reported */
	struct exit_room *rooms;
	struct exit_registry registry;
};

int exit_source_new(struct loop *l, struct exit_source **ret)
{
	struct exit_source *s = mem_calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->loop = l;
	*ret = s;
	return 0;
}

void exit_source_free(struct exit_source *s)
{
	if (!s)
		return;
	free(s->kept);
	free(s);
}

static struct exit_watch **bucket_of(struct exit_source *s, pid_t pid)
{
	return &s->buckets[(unsigned int)pid % BUCKETS];
}

static void unlink_watch(struct exit_watch *w)
{
	struct exit_watch **at = bucket_of(w->source, w->pid);

	while (*at && *at != w)
		at = &(*at)->next;
	if (*at)
		*at = w->next;
	if (w->source->registry.remove)
		w->source->registry.remove(w->source->registry.arg, w->place);
}

static void deliver(struct exit_watch *w, const struct exit_info *info)
{
	unlink_watch(w);
	w->source = NULL;
	w->fn(w, info);
}

static void look(const struct exit_source *s)
{
	if (s->registry.look)
		s->registry.look(s->registry.arg);
}

static bool is_held(struct exit_watch *w)
{
	if (w->held || !w->hold)
		return false;
	w->held = w->hold(w);
	return w->held;
}

static void deliver_early(struct loop_deferred *d)
{
	struct exit_watch *w = container_of(d, struct exit_watch, deferred);
	struct exit_source *s = w->source;
	struct exit_info info = w->info;

	if (is_held(w))
		return;
	deliver(w, &info);
	s->n_early--;
	look(s);
}

static bool same_process(const struct exit_watch *w, const struct exit_info *info)
{
	if (w->pid != info->pid)
		return false;
	if (RULE(kept_exits_are_known_by_identity) && w->inode && info->inode)
		return w->inode == info->inode;
	return !RULE(kept_exits_are_known_by_identity) || !w->start_time || !info->start_time ||
	       w->start_time == info->start_time;
}

static void forget_kept(struct exit_source *s, size_t at)
{
	s->n_kept--;
	memmove(&s->kept[at], &s->kept[at + 1], (s->n_kept - at) * sizeof(*s->kept));
}

void exit_watch_add(
	struct exit_source *s, struct exit_watch *w, const struct pidref *who, exit_fn *fn)
{
	struct exit_watch **bucket = bucket_of(s, who->pid);

	*w = (struct exit_watch){
		.source = s,
		.next = *bucket,
		.pid = who->pid,
		.inode = who->inode,
		.start_time = who->start_time,
		.pidfd = who->fd,
		.fn = fn,
	};
	*bucket = w;
	if (s->registry.add)
		w->place = s->registry.add(s->registry.arg, w->pid);
	for (size_t i = s->n_kept; i-- > 0;) {
		if (!same_process(w, &s->kept[i].info))
			continue;
		w->early = true;
		s->n_early++;
		w->info = s->kept[i].info;
		forget_kept(s, i);
		loop_defer(s->loop, &w->deferred, deliver_early);
		return;
	}
}

void exit_watch_remove(struct exit_watch *w)
{
	if (!w->source)
		return;
	unlink_watch(w);
	loop_defer_cancel(&w->deferred);
	if (w->early) {
		w->source->n_early--;
		look(w->source);
	}
	w->source = NULL;
}

void exit_watch_go_on(struct exit_watch *w)
{
	if (w->source && w->held)
		loop_defer(w->source->loop, &w->deferred, deliver_early);
}

bool exit_has_room(const struct exit_source *s)
{
	return s->n_kept < KEPT_MAX;
}

void exit_expect_begin(struct exit_source *s, struct exit_expect *e)
{
	*e = (struct exit_expect){ .source = s, .next = s->expects, .since = s->number };
	s->expects = e;
	if (!e->next && s->registry.expect)
		s->registry.expect(s->registry.arg, true);
}

void exit_expect_end(struct exit_expect *e)
{
	struct exit_source *s = e->source;
	struct exit_expect **at;
	uint64_t oldest = UINT64_MAX;
	size_t drop = 0;
	bool full;

	if (!s)
		return;
	for (at = &s->expects; *at && *at != e; at = &(*at)->next)
		;
	if (*at)
		*at = e->next;
	e->source = NULL;
	for (struct exit_expect *x = s->expects; x; x = x->next)
		oldest = x->since < oldest ? x->since : oldest;
	full = !exit_has_room(s);
	while (drop < s->n_kept && (oldest == UINT64_MAX || s->kept[drop].number <= oldest))
		drop++;
	s->n_kept -= drop;
	if (s->n_kept > 0)
		memmove(s->kept, s->kept + drop, s->n_kept * sizeof(*s->kept));
	if (s->n_kept == 0) {
		free(s->kept);
		s->kept = NULL;
		s->cap_kept = 0;
	}
	if (!s->expects && s->registry.expect)
		s->registry.expect(s->registry.arg, false);
	if (drop > 0)
		look(s);
	if (full && exit_has_room(s))
		for (struct exit_room *r = s->rooms; r; r = r->next)
			r->fn(r);
}

void exit_room_add(struct exit_source *s, struct exit_room *r, void (*fn)(struct exit_room *r))
{
	*r = (struct exit_room){ .next = s->rooms, .fn = fn };
	s->rooms = r;
}

void exit_room_remove(struct exit_source *s, struct exit_room *r)
{
	struct exit_room **at = &s->rooms;

	while (*at && *at != r)
		at = &(*at)->next;
	if (*at)
		*at = r->next;
}

void exit_set_registry(struct exit_source *s, const struct exit_registry *r)
{
	s->registry = r ? *r : (struct exit_registry){ 0 };
}

static struct exit_watch *find_watch(const struct exit_source *s, pid_t pid)
{
	struct exit_watch *w = s->buckets[(unsigned int)pid % BUCKETS];

	while (w && (w->pid != pid || w->early))
		w = w->next;
	return w;
}

bool exit_is_watched(const struct exit_source *s, pid_t pid)
{
	return find_watch(s, pid) != NULL;
}

int exit_watched_pidfd(const struct exit_source *s, pid_t pid)
{
	const struct exit_watch *w = find_watch(s, pid);

	return w ? w->pidfd : -EBADF;
}

pid_t exit_next_watched(const struct exit_source *s, pid_t after)
{
	pid_t next = 0;

	for (size_t i = 0; i < BUCKETS; i++)
		for (const struct exit_watch *w = s->buckets[i]; w; w = w->next)
			if (!w->early && w->pid > after && (next == 0 || w->pid < next))
				next = w->pid;
	return next;
}

bool exit_is_kept(const struct exit_source *s, pid_t pid)
{
	for (size_t i = 0; i < s->n_kept; i++)
		if (s->kept[i].info.pid == pid)
			return true;
	look(s);
	return false;
}

uint64_t exit_oldest_record(const struct exit_source *s)
{
	uint64_t oldest = UINT64_MAX;

	for (size_t i = 0; i < s->n_kept && oldest == UINT64_MAX; i++)
		if (s->kept[i].info.record)
			oldest = s->kept[i].info.record;
	for (size_t i = 0; s->n_early > 0 && i < BUCKETS; i++)
		for (const struct exit_watch *w = s->buckets[i]; w; w = w->next)
			if (w->early && w->info.record && w->info.record < oldest)
				oldest = w->info.record;
	return oldest;
}

bool exit_is_expected(const struct exit_source *s)
{
	return s->expects != NULL;
}

bool exit_report(struct exit_source *s, const struct exit_info *info)
{
	struct exit_watch *w = find_watch(s, info->pid);

	s->number++;
	/* A later worker may watch for one that was gone before, whose number is another's by now. */
	if (w && same_process(w, info)) {
		if (!is_held(w)) {
			deliver(w, info);
			return true;
		}
		w->early = true;
		w->info = *info;
		s->n_early++;
		return true;
	}
	if (!RULE(early_exits_are_kept) || !s->expects || !exit_has_room(s) ||
		mem_grow(&s->kept, &s->cap_kept, s->n_kept + 1, sizeof(*s->kept)) < 0)
		return false;
	s->kept[s->n_kept++] = (struct kept){ .number = s->number, .info = *info };
	return true;
}
