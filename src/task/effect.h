/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Effect: one thing that the core orders. Effects are performed in the order of the list, and all
 * of a list before the next input is fed.
 *
 * Owner    The list's memory is the caller's and must hold task_effects_bound() entries; `text`
 *          points into the list or at constants, valid until the list is used again.
 * Errors   None.
 * Blocks   Never.
 * Context  Any; nothing is allocated.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "task/input.h"
#include "task/terms.h"

#define TASK_INIT UINT32_MAX /* as an exec's slot: the init */

// clang-format off
#define EFFECT_TYPES(_) \
	/* The input changed the record: it must be durable before any effect after this one. First in its list. */ \
	_(LOG,        "log") \
	/* Ordered from the back end. With `op` an outcome (IN_DONE, IN_FAILED) is due, always and within bounds. */ \
	_(CREATE,     "create")      /* make the container and its process, held before its program: op, token */ \
	_(START,      "start")       /* release the init; from a checkpoint: restore it: op, token */ \
	_(EXEC_START, "exec-start")  /* make the process, held before its program: op, exec, token */ \
	_(RELEASE,    "release")     /* its pid is durable: let it run its program; op, exec */ \
	_(CANCEL,     "cancel")      /* hurry: `op` is no longer wanted, let it fail soon */ \
	_(KILL,       "kill")        /* exec, signal, all; op 0: nobody asks for the outcome */ \
	_(KILL_ALL,   "kill-all")    /* SIGKILL to all that is left in the container; no outcome */ \
	_(THAW,       "thaw")        /* no outcome */ \
	_(PAUSE,      "do-pause") \
	_(RESUME,     "do-resume") \
	_(UPDATE,     "do-update") \
	_(CHECKPOINT, "do-checkpoint") \
	_(DRAIN,      "drain")       /* let the output of exec (or init) reach its readers, bounded: op */ \
	_(DELETE,     "do-delete")   /* free the container, its mounts and streams: op */ \
	/* Done at once by the supervisor, no outcome. */ \
	_(EXEC_NEW,   "exec-new")    /* exec: this slot is taken; keep the payload of the input with it */ \
	_(CLOSE_IO,   "close-stdin") /* exec; remembered in the record for a process that is still to start */ \
	_(RESIZE,     "resize-pty")  /* exec, width, height */ \
	_(FLUSH,      "flush")       /* exec: move what its reader takes right now, before its exit is told */ \
	_(PIDS,       "pids")        /* answer addr with the processes; pid: what to say when there are none */ \
	_(STATS,      "stats")       /* answer addr */ \
	/* Said to others. */ \
	_(REPLY,      "reply")       /* addr, request, code, text, and the fields of the request's answer */ \
	_(EVENT,      "event")       /* topic, sequence, exec, pid, exit_status, exited_wall_ns */ \
	/* The slot of exec, or the task, is free from here on. */ \
	_(EXEC_GONE,  "exec-gone") \
	_(GONE,       "gone")
// clang-format on

enum effect_type {
#define EFFECT_ENUM(name, text) FX_##name,
	EFFECT_TYPES(EFFECT_ENUM)
#undef EFFECT_ENUM
		EFFECTS_,
};

struct effect {
	enum effect_type type;
	uint32_t exec;  /* slot, or TASK_INIT */
	uint32_t op;    /* 0: no outcome is due */
	uint64_t token; /* names the process that is to be made; its exit comes back with it */
	bool again;     /* ordered before a reload already: find out what was done */

	uint32_t signal;
	bool all;
	uint32_t width;
	uint32_t height;
	bool stdin_closed; /* CREATE, EXEC_START: CloseIO came before the stream was open */

	enum input_type request; /* REPLY, PIDS, STATS: what is answered */
	struct task_addr addr;
	enum task_code code;
	const char *text;
	enum task_status status;

	enum task_topic topic;
	uint64_t sequence;

	uint32_t pid;
	uint32_t exit_status;
	uint64_t exited_wall_ns; /* 0: has not exited */
};

struct effects {
	struct effect *v;
	size_t n;
	size_t cap;
	char text[640]; /* the one text that a step may compose */
};

const char *effect_type_name(enum effect_type type);
