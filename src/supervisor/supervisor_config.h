/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Config: what a supervisor is given: loop, back end, where exits come from, and the sink that
 * takes answers and events.
 *
 * Owner    The caller; everything in it must outlive the supervisor.
 * Errors   None.
 * Blocks   The sink's functions may not.
 * Context  Parent, on the loop's thread.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/log.h"
#include "event/loop.h"
#include "supervisor/request.h"
#include "task/terms.h"

struct backend;
struct exit_recorder;
struct exit_source;
struct fdtable;
struct host;
struct task_input;

/* Where answers and events go. None may block or call back; arg is the one of the config. */
struct supervisor_sink {
	void (*reply)(void *arg, struct task_addr to, const struct response *r);
	void (*event)(void *arg, const struct event *e);
	/* May be NULL: an input that must be durable before its effects, which come next. */
	void (*log)(void *arg, const char *ns, const char *id, const struct task_input *in);
	/*
	 * For a journal; all four or none may be NULL. The events that have not reached their subscriber, as bytes, in
	 * their order; their being taken up again; one that is read to have arrived; and those of a task whose end
	 * another one tells: they would come after it. True: one is on its way; it is acknowledged, however it ends.
	 */
	int (*save_events)(void *arg, struct buf *out);
	int (*load_events)(void *arg, const void *data, size_t size, struct err *err);
	void (*forget_event)(void *arg, uint64_t task, uint64_t sequence);
	bool (*drop_events)(void *arg, uint64_t task);
	/* May be NULL: a task is no more, however that came about. Its bundle is in use until the round has ended. */
	void (*gone)(void *arg, const char *ns, const char *id);
	/* May be NULL: the last task has gone; whoever would ask for a Shutdown may be gone, too. */
	void (*empty)(void *arg);
	/* Shutdown was asked for and no task is left (4.8); its answer has been handed over. */
	void (*shutdown)(void *arg);
};

struct buf;

struct supervisor_config {
	struct loop *loop;
	struct log *log; /* NULL: nowhere */
	const struct supervisor_sink *sink;
	void *sink_arg;
	const struct backend
		*backend;  /* backend.h: how containers are made (native, or a fake one in tests) */
	void *backend_arg; /* given to every operation of the back end */
	struct exit_source *exits; /* where exits come from */
	pid_t shim_pid;            /* what Connect says; 0: ours */
	const struct exit_recorder
		*recorder;       /* of exits that nobody is left to tell; NULL: there is none */
	struct fdtable *fds;     /* streams that outlive a crash are named here */
	const struct host *host; /* starts children for what would wait; NULL: it waits (tests) */
	bool no_shim; /* no containerd takes an empty list of pids for a shim without its task */
	bool own_bundles; /* nobody but the door removes them: one that is missing was lost, and its task is not over */
	bool journaled; /* what happens is written into the fd "journal" of the table */
	/*
	 * Where the journal is a file, for one who comes when nobody is left who keeps the fd: a directory that does not
	 * outlive a boot of the machine, and a name. "" or NULL: in memory alone.
	 */
	int journal_dir;
	const char *journal_name;
	uint64_t
		journal_max; /* a journal is rewritten that is larger, and four times its snapshot; 0 = 64 KiB */
	uint64_t drain_idle_ns; /* Delete stops waiting for output after this long without a byte; 0
				   = 2 s */
	uint64_t drain_max_ns;  /* and after this long in all; 0 = 8 s, below CRI's 10 s (5.6) */
};
