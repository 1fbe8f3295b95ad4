/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Inside the guardian: its state, and the parts by subject. It is in static memory, of which only touched
 * pages count: an idle guardian has one page of it.
 *
 * Owner    One guardian; stored fds are its own.
 * Errors   Negative errno of the kernel.
 * Blocks   Never, but in the loop's poll.
 * Context  Freestanding, single thread.
 */
#include "bare/guardian.h"
#include "bare/sys.h"

#define GUARDIAN_NS_PER_MS 1000000ull
#define GUARDIAN_NOT_SENDING (~0u)

struct guardian_stored {
	char name[GUARDIAN_NAME_SIZE];
	int fd;
};

struct guardian {
	struct guardian_shared *shared;
	int memory;  /* memfd behind it */
	int wake;    /* eventfd that the worker waits for */
	int signals; /* signalfd */
	int program;
	char **argv;
	char **envp;

	/* guardian_worker.c */
	int worker; /* pid; 0: none */
	int socket; /* to it; -1 */
	uint64_t started_ns;
	uint64_t start_at_ns;  /* of the next one, while there is none */
	int rests;             /* there is none until somebody connects */
	int rested;            /* once: its workers do not leave while containers live */
	unsigned deaths;       /* since one has lived long */
	unsigned early_deaths; /* in a row */
	uint64_t files_soft;   /* limit of open files that the worker is to have */
	uint64_t files_hard;

	/* guardian_ns.c: the namespaces that it began in, once it has been asked to leave them */
	int has_home;
	int home[3];

	/* guardian_name.c */
	uint64_t name_inode; /* of the listener's name; 0: it has none */

	/* guardian_exit.c */
	int pidfds_have_inodes; /* -1: not known yet */

	/* guardian_store.c */
	uint32_t sending; /* index of the next fd for the worker */
	uint32_t n_stored;
	struct guardian_stored stored[GUARDIAN_MAX_FDS];
};

__attribute__((noreturn)) void guardian_leave(int status);
uint64_t guardian_clock_ns(int clock);

/* guardian_exit.c: reap what may be reaped, and wake the worker once if any of it is for it. */
void guardian_reap(struct guardian *g);
/* Some pid is registered: a container lives. */
int guardian_has_pids(const struct guardian *g);

/* guardian_store.c */
int guardian_store(
	struct guardian *g, const char *name, int fd); /* takes the fd, also on failure */
/* Some of what the worker has sent: > 0: there may be more; 0: there is none; < 0: its end is closed. */
int guardian_receive(struct guardian *g);
/* Tell a worker that is about to be born what there is: it finds that in its socket. */
void guardian_welcome(struct guardian *g);
/* Go on with that. True while the socket is full. */
int guardian_send(struct guardian *g);

/* The fd of this name; < 0: none. */
int guardian_stored(const struct guardian *g, const char *name);

/* guardian_name.c: what the listener is called, and that nobody is there any more */
void guardian_name_learn(struct guardian *g);
void guardian_name_remove(const struct guardian *g);

/* guardian_ns.c */
int guardian_enter(struct guardian *g, const int *fds, uint32_t n); /* in all of them, or at home */
int guardian_go_home(const struct guardian *g);

/* guardian_worker.c */
void guardian_worker_start(struct guardian *g);
void guardian_worker_ended(struct guardian *g, int status);
void guardian_worker_wanted(struct guardian *g);
void guardian_worker_signal(struct guardian *g, int sig);
