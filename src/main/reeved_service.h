/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * reeved as a service: where its log goes, the sockets that systemd has opened for it, and a
 * watchdog of its own for a loop that is stuck.
 *
 * Owner    The caller's struct, ended by reeved_service_done() before the loop.
 * Errors   Negative errno with *err.
 * Blocks   Never.
 * Context  Parent, on the loop's thread; process-wide: a timer of the kernel that sends SIGABRT.
 */
#include <stdbool.h>
#include <time.h>

#include "base/err.h"
#include "base/log.h"
#include "event/loop.h"
#include "settings/settings.h"

struct reeved_service {
	struct loop *loop;
	struct loop_timer beat;
	void (*alive)(void *arg); /* NULL: systemd does not watch */
	void *arg;
	uint64_t beat_ns; /* 0: nobody watches */
	uint64_t stuck_ns;
	timer_t stuck;
	bool has_stuck;
};

/* The log that the settings ask for, on standard error. */
void reeved_service_log(const struct settings *s, struct log *ret);

/* The sockets that were passed to us, -EBADF where one was not. -EINVAL for one that nobody asked for. */
int reeved_service_listeners(
	const struct settings *s, int *ret_api, int *ret_events, struct err *err);

/* Begin to watch over the loop, for ourselves and for systemd, if it wants to: alive() is to tell it. */
int reeved_service_watch(struct reeved_service *v, struct loop *l, const struct settings *s,
	void (*alive)(void *arg), void *arg, struct err *err);
void reeved_service_done(struct reeved_service *v);

/*
 * Write down for `reeve doctor`, in the state directory, how the worker before this one ended: its wait status, as the guardian has
 * seen it; number: of restarts. number 0: nobody saw it, and only what it wrote about its crash is kept.
 */
void reeved_service_note_end(int state, struct log *log, uint32_t number, int wait_status);

/* Our guardian (restarts.h), for a later start to know; one before it that is gone without a word is written down. */
void reeved_service_guardian_is(int state, struct log *log, const char *process);
/* It was killed; ordered: or ends, or may end, without anybody having to hear of it. */
void reeved_service_guardian_was(int state, struct log *log, const char *process, bool ordered);
