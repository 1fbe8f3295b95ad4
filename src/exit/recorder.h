/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Exit recorder: the layer for the time when guardian and worker are both gone. A program in the kernel writes
 * the end of each process that was armed into a pinned map, when it ends and whoever reaps it. It is loaded by
 * a run of reeve-helper (supervisor/recorder_load.h) and stays attached until its directory is unmounted; this is the side
 * of who uses the map, bpf(2) and nothing else.
 *
 * How it is used, in this order:
 *   1. At start: recorder_load_start() has it loaded and opened, recorder_load_await() lets a moment pass for that: what is
 *	released before is armed later. Log exit_recorder_status() once. A command that only looks: exit_recorder_open(). Where
 *	it is open and current already nothing has to be loaded.
 *   2. Of each process, when it is made and its pid is known, before it is released: exit_recorder_arm(). A failure is logged,
 *	and the process released all the same: it has this layer less.
 *   3. When its exit came by a better layer and is durable: exit_recorder_forget(). Else the map fills up.
 *   4. After total loss (a guardian that does not know the processes in the journal): exit_fate_of() of each.
 *	RUNNING: who->fd is open now; watch it, and ask again when it polls.
 *	ENDING: a zombie that no layer tells of yet; ask again when who->fd polls POLLHUP (it has been reaped).
 *	ENDED, LOST: feed exit_fate.info as the exit, make it durable, then exit_recorder_forget().
 *   5. Then exit_recorder_sweep(): what nobody claims any more is forgotten.
 *
 * Owner    The caller's struct; EXIT_RECORDER_NULL is off, as is one that was done.
 * Errors   Negative errno with *err. While it is off arm() and forget() do nothing and return 0.
 * Blocks   Never.
 * Context  Parent. Opening needs permission for the pins; arming no capability from Linux 5.19 on, CAP_BPF before.
 *
 * Source: spec/manager.md 2.2(a), 2.3.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/pidref.h"
#include "exit/exit.h"

struct recorder_value;

/* File in a daemon's state directory: why its recorder is off, for whoever asks. */
#define EXIT_RECORDER_NOTE_NAME "recorder.off"

struct exit_recorder {
	int map;          /* -EBADF: off */
	bool by_inode;    /* else by pid and start */
	uint32_t entries; /* room */
	uint32_t program; /* version of the program that is attached */
	char off[240];    /* the reason; "" while it is on */
};

#define EXIT_RECORDER_NULL ((struct exit_recorder){ .map = -9 })

/* Use the map that is pinned in this directory; off with its reason where that cannot be. */
void exit_recorder_open(struct exit_recorder *r, const char *dir);
/* Off, for a reason of the caller's ("switched off by the configuration"). */
void exit_recorder_set_off(struct exit_recorder *r, const char *reason);
void exit_recorder_done(struct exit_recorder *r);
bool exit_recorder_is_on(const struct exit_recorder *r);
/* On, with a program as new as ours: then recorder_load_start() would change nothing. */
bool exit_recorder_is_current(const struct exit_recorder *r);
/*
 * How often the kernel has left out a run of the program that is attached in this directory, since it was loaded: an end of any
 * process of the machine may be one, perhaps of none of ours. Needs CAP_BPF or CAP_SYS_ADMIN.
 */
int exit_recorder_missed(const char *dir, uint64_t *ret, struct err *err);
/* Of the program that a pin of this name holds; 0: another pin. */
uint32_t exit_recorder_link_version(const char *name);

/*
 * From now on the end of this process is recorded. It lives and who names it with inode or start time. Again: nothing
 * happens, and what is recorded stays. -E2BIG: the map is full.
 */
int exit_recorder_arm(
	const struct exit_recorder *r, const struct pidref *who, uint64_t cookie, struct err *err);
/* 0 with state RECORDER_ARMED (recorder_map.h) while it lives; -ENOENT: not armed; -ENOTCONN: off. */
int exit_recorder_read(
	const struct exit_recorder *r, const struct pidref *who, struct recorder_value *ret);
int exit_recorder_forget(const struct exit_recorder *r, const struct pidref *who, struct err *err);

struct exit_recorder_entry {
	struct pidref who; /* fd -EBADF; of inode, and pid with start_time, what is known */
	bool ended;
	bool oom_killed;
	int wait_status;  /* of those that ended */
	uint64_t boot_ns; /* the same */
	uint64_t cookie;
};

/* All of them, in no order; the caller frees. */
int exit_recorder_list(const struct exit_recorder *r, struct exit_recorder_entry **ret,
	size_t *ret_n, struct err *err);
/* Forget those for which claimed() is false. */
int exit_recorder_sweep(const struct exit_recorder *r,
	bool (*claimed)(void *arg, const struct exit_recorder_entry *e), void *arg,
	struct err *err);

/* "on (3 armed of 16384)", "off: REASON; what it costs". */
#define EXIT_RECORDER_STATUS_SIZE 400
void exit_recorder_status(const struct exit_recorder *r, char ret[EXIT_RECORDER_STATUS_SIZE]);

/* ---- how a process ended, by all layers below the guardian's ring ---- */

enum exit_fate_kind {
	EXIT_FATE_RUNNING = 1, /* it lives: who->fd is open */
	EXIT_FATE_ENDING,      /* dead and not reaped; its pidfd will tell then */
	EXIT_FATE_ENDED,       /* info says how; `layer` told it */
	EXIT_FATE_LOST,        /* nobody knows: info says 255 and now; `reason` */
};

enum exit_layer {
	EXIT_LAYER_NONE,
	EXIT_LAYER_PIDFD,    /* a held pidfd, from Linux 6.15 on */
	EXIT_LAYER_RECORDER, /* the map */
};

struct exit_fate {
	enum exit_fate_kind kind;
	enum exit_layer layer;
	bool oom_killed;       /* by the recorder's word; false: it does not say */
	struct exit_info info; /* of ENDED and LOST */
	char reason[360];      /* of LOST: "lost: ..." */
};

/*
 * who: as the journal has it, with its pidfd if that is still held, else fd negative. Where it still lives and is the
 * same, who->fd is opened and the caller's to close. Never another process: who neither inode nor start time
 * identifies is lost. Fails where it cannot be found out (no fds): nothing is known then, ask again.
 */
int exit_fate_of(
	const struct exit_recorder *r, struct pidref *who, struct exit_fate *ret, struct err *err);
