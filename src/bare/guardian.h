/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Guardian: what it and its worker share: the fds of a start, the messages on their socket, and the
 * memory in which exits and counters stand (docs/formats/guardian.md).
 *
 * The guardian is the parent of every process of its containers and keeps every fd that must outlive
 * the worker. It knows names, fds, pids and wait statuses; what they mean only the worker knows.
 *
 * Owner    Each field of the shared memory has one writer, named beside it.
 * Errors   A message that is none of these is dropped and counted (`refused`).
 * Blocks   -
 * Context  Any: plain data and atomic loads and stores.
 */
#include <stddef.h>
#include <stdint.h>

#define GUARDIAN_MAGIC 0x64727567u /* "gurd" */
#define GUARDIAN_VERSION 1u

/* ---- fds ---- */

/*
 * Of the guardian, at its start; 0-2 are /dev/null. PROGRAM is executed for each worker with the guardian's own arguments
 * and environment.
 */
#define GUARDIAN_LISTENER_FD 3
#define GUARDIAN_PROGRAM_FD 4
/* Of a worker: its end of the socket (SOCK_SEQPACKET). */
#define GUARDIAN_FD 3

/* The name under which what came as GUARDIAN_LISTENER_FD is stored. */
#define GUARDIAN_LISTENER_NAME "listener"

/* ---- messages ---- */

#define GUARDIAN_NAME_SIZE 32 /* with its NUL */
#define GUARDIAN_BATCH 8
#define GUARDIAN_MAX_FDS 8192

enum guardian_type {
	/* worker -> guardian */
	GUARDIAN_STORE =
		1, /* names in their order: put (bit set in `puts`; its fd comes along) or drop */
	GUARDIAN_ROOM, /* the tail has moved while `waiting` was set */
	/* guardian -> worker: the first three unasked, WELCOME before the worker exists */
	GUARDIAN_WELCOME, /* fds: shared memory, eventfd; `count`: fds that follow */
	GUARDIAN_FDS,     /* names with their fds */
	GUARDIAN_END,
	GUARDIAN_ERROR, /* what was asked for by `seq` was not done for these names: `code` */
	/* worker -> guardian: one fd of a namespace for each name, to be in; none: those it began in */
	GUARDIAN_ENTER,
	/* guardian -> worker: the answer to that with this `seq`: 0 or `code` */
	GUARDIAN_ENTERED,
	/* worker -> guardian: one name that is put: the program of the workers to come */
	GUARDIAN_PROGRAM,
};

/*
 * How a worker ends on purpose. 0: there is nothing more to do, and the guardian leaves too. AGAIN: another one is to be started at
 * once. REST: containers live and nobody is to be served; another one is started when somebody connects to the listener.
 */
#define GUARDIAN_STATUS_AGAIN 90
#define GUARDIAN_STATUS_REST 91

/* Its length is always sizeof(struct guardian_msg). */
struct guardian_msg {
	uint32_t magic;
	uint16_t version;
	uint8_t type;
	uint8_t n; /* names */
	uint64_t seq;
	uint32_t puts; /* bit i: name i is put */
	int32_t code;  /* ERROR: negative errno */
	uint32_t count;
	uint32_t reserved;
	char names[GUARDIAN_BATCH][GUARDIAN_NAME_SIZE];
};
_Static_assert(sizeof(struct guardian_msg) == 32 + 256, "no padding");

/* ---- shared memory ---- */

#define GUARDIAN_RING 4096u      /* records */
#define GUARDIAN_RING_FULL 4095u /* unread ones from which on the guardian leaves zombies */
#define GUARDIAN_RING_HALF 2048u /* from which on the worker is woken for any exit */
#define GUARDIAN_HEADER_SIZE 256u
#define GUARDIAN_PIDS 4032u

struct guardian_record {
	uint64_t seq;
	uint64_t boot_ns;
	uint64_t wall_ns;
	uint64_t inode; /* of its pidfd; 0: not known */
	int32_t pid;
	int32_t status; /* as from wait(2) */
};
_Static_assert(sizeof(struct guardian_record) == 40, "no padding");

/*
 * The record with number `seq` (tail <= seq < head) stands at (seq - base) % GUARDIAN_RING. Only when nothing is unread is
 * `base` moved, to `head`: so a ring that is read in time stays in its first page.
 *
 * `pids[0 .. n_pids)` are the registered ones, 0 = free. Worker: store, full fence, then look at `head`. Guardian: write
 * the record, bump `head`, full fence, then look whether the pid is registered: one of the two sees the other.
 */
struct guardian_shared {
	/* written by the guardian */
	uint32_t magic;
	uint32_t version;
	int32_t guardian_pid;
	int32_t worker_pid; /* 0: none */
	uint64_t head;      /* next number to be written */
	uint64_t base;
	uint64_t acked;   /* last STORE that was dealt with */
	uint64_t foreign; /* exits that were only counted */
	uint64_t refused; /* messages that made no sense, and answers for which there was no room */
	uint64_t died_boot_ns; /* of the worker before */
	uint32_t workers;      /* that were started, this one too */
	int32_t last_status;   /* wait status of the worker before */
	uint32_t stored;       /* fds */
	uint32_t waiting;      /* zombies wait for room in the ring */
	uint8_t reserved1[128 - 80];
	/* written by the worker */
	uint64_t tail;    /* next number to be read; what is before is durable */
	uint32_t expects; /* not 0: exits of pids that are not registered are recorded too */
	uint32_t n_pids;
	uint32_t unplaced; /* pids for which there is no place: every record wakes the worker */
	uint8_t reserved2[128 - 20];
	uint32_t pids[GUARDIAN_PIDS];
	struct guardian_record ring[GUARDIAN_RING];
};
_Static_assert(offsetof(struct guardian_shared, tail) == 128, "one cache line each");
_Static_assert(offsetof(struct guardian_shared, pids) == GUARDIAN_HEADER_SIZE, "the header's size");
_Static_assert(offsetof(struct guardian_shared, ring) == 16384, "records begin a page");
