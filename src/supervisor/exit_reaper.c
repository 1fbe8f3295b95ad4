/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exit reaper: one entry per child that is watched, for a reaper_watch has no room for ours. They are few: hooks run
 * one after the other.
 */
#include "supervisor/exit_reaper.h"

#include <errno.h>

struct exit_reaper_entry {
	struct exit_reaper *owner;
	struct exit_reaper_entry *next;
	struct exit_watch watch;
	struct reaper_watch *for_;
};

static void forget(struct exit_reaper_entry *e)
{
	struct exit_reaper_entry **at = &e->owner->entries;

	while (*at && *at != e)
		at = &(*at)->next;
	if (*at)
		*at = e->next;
	exit_watch_remove(&e->watch);
	free(e);
}

static void on_exit_(struct exit_watch *w, const struct exit_info *info)
{
	struct exit_reaper_entry *e = container_of(w, struct exit_reaper_entry, watch);
	struct reaper_watch *for_ = e->for_;

	forget(e);
	for_->fn(for_, info->wait_status);
}

static int watch(void *arg, struct reaper_watch *w)
{
	struct exit_reaper *r = arg;
	struct exit_reaper_entry *e = mem_calloc(1, sizeof(*e));
	/* The child was made in this round, so its pid is still its own. */
	struct pidref who = { .pid = w->pid, .fd = w->pidfd };

	if (!e)
		return -ENOMEM;
	e->owner = r;
	e->for_ = w;
	e->next = r->entries;
	r->entries = e;
	exit_watch_add(r->exits, &e->watch, &who, on_exit_);
	return 0;
}

static void unwatch(void *arg, struct reaper_watch *w)
{
	struct exit_reaper *r = arg;

	for (struct exit_reaper_entry *e = r->entries; e; e = e->next)
		if (e->for_ == w) {
			forget(e);
			return;
		}
}

struct reaper exit_reaper_table(struct exit_reaper *r)
{
	return (struct reaper){ .arg = r, .watch = watch, .unwatch = unwatch };
}

void exit_reaper_done(struct exit_reaper *r)
{
	while (r->entries)
		forget(r->entries);
}
