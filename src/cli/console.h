/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Console: what becomes of the master of a container's terminal: sent over a console socket, or joined to the terminal
 * (or whatever our standard streams are) of the person who called us.
 *
 * Owner    The caller's, ended with console_done(), which gives the person's terminal back as it was.
 * Errors   Negative errno with *err.
 * Blocks   console_drain() writes what is left, as fast as the reader takes it.
 * Context  Parent.
 */
#include <stdbool.h>
#include <sys/types.h>
#include <termios.h>

#include "base/err.h"
#include "event/loop.h"

/* One direction: at most one piece in flight, the source rests while the sink has not taken it. */
struct console_pipe {
	struct loop_fd source, sink;
	struct loop_deferred again; /* for a source that is always readable (a file) */
	struct loop *loop;
	int in, out;
	char data[4096];
	size_t start, end;
	bool ended;  /* nothing more to read */
	bool broken; /* nobody reads what we write: discard */
	bool to_terminal;
};

struct console {
	int socket;     /* of --console-socket, or -EBADF */
	int master;     /* kept: joined to our streams */
	struct err err; /* of what failed in a call from the loop */
	struct console_pipe keys, screen;
	bool relayed;
	bool raw;
	struct termios saved;
};

#define CONSOLE_NULL ((struct console){ .socket = -9, .master = -9 })

/* Do terminal, detaching and socket go together? Texts as runc's. */
int console_check(bool terminal, bool detach, const char *socket, struct err *err);
/* Connect to the console socket, if there is one. */
int console_open(struct console *c, const char *socket, struct err *err);
/* The master has come. */
void console_take(struct console *c, int master);
/* What went wrong with it, if anything did; a terminal that was asked for and never came is an error too. */
int console_result(const struct console *c, struct err *err);

/* Join our standard streams to the master, if it was kept. */
int console_relay(struct console *c, struct loop *l, struct err *err);
/* Give the master the size of the person's terminal. */
void console_resize(const struct console *c);
/* The process has ended: write what is still to be read. */
void console_drain(struct console *c);
void console_done(struct console *c);

/* Connect to the socket at `path` and send one fd with a word. */
int console_send_fd(const char *path, const char *word, int fd, struct err *err);
