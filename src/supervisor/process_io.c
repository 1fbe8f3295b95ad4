/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Process I/O: kinds of streams, and what happens to them at the edges of a process's life.
 *
 * Fifos are opened for reading and writing: that never blocks, keeps unread bytes while no client
 * is there and keeps a client that goes from breaking the pipe (5.2). But the guardian has only a writer of
 * an output, for as long as anybody of ours reads we do not see whether a client does. Our own fd is a writer of
 * stdin's fifo as well: its end of file can only come after CloseIO has put a pure reader in its
 * place (5.3). Fifos are opened anew through /proc/self/fd, never by path, for a client may have
 * removed the name.
 */
#include "supervisor/process_io.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/str.h"

/*
 * A client opens its end of stdin in a thread that waits for ours. When CloseIO came before ours, a
 * reader alone would see the end of the file before that thread has run.
 */
#define STDIN_GRACE_NS (100 * NS_PER_MS)
/* Between looks for a reader, and for how long: one that was about to come has come by then. */
#define READER_MIN_NS (1 * NS_PER_MS)
#define READER_MAX_NS (250 * NS_PER_MS)
#define READER_LIMIT_NS (10 * NS_PER_SEC)

/* Between looks at what readers have left, how long one may take nothing, and how long it may take in all. */
#define READING_MIN_NS (50 * NS_PER_US)
#define READING_MAX_NS (2 * NS_PER_MS)
#define READING_IDLE_NS (500 * NS_PER_MS)
#define READING_LIMIT_NS (5 * NS_PER_SEC)

static const char *const stream_name[STREAM_COUNT] = { "in", "out", "err" };

/* ---- the fd table ---- */

static char *name_of(const struct process_io *s, const char *what, char name[512])
{
	snprintf(name, 512, "%s%s", s->prefix, what);
	return name;
}

static int keep(struct process_io *s, const char *what, int fd)
{
	char name[512];

	return fdtable_put(s->env->fds, name_of(s, what, name), fd);
}

static int kept(const struct process_io *s, const char *what)
{
	char name[512];

	return fdtable_get(s->env->fds, name_of(s, what, name));
}

static void drop(struct process_io *s, const char *what)
{
	char name[512];

	fdtable_close(s->env->fds, name_of(s, what, name));
}

/* The same file once more, with other flags. */
static int open_again(int fd, int flags)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return fd_open(path, flags | O_NONBLOCK, 0);
}

/* Of a terminal whose reader is behind: what its relay holds (spool.h). */
static const char *const spooled[] = { "spool.pipe", "spool.in", "spool.out" };

static void drop_spool(struct process_io *s)
{
	for (size_t i = 0; i < ARRAY_LEN(spooled); i++)
		drop(s, spooled[i]);
}

/* ---- ends of relays ---- */

static void check_drained(struct process_io *s);

/* Of out and err: what is kept of a fifo after its last byte. */
static const char *const awaited[] = { "out.awaited", "err.awaited" };
static const char *const unread[] = { "out.unread", "err.unread" };

static void on_reader_timer(struct loop_timer *t);

/* There is a reader, who is not us: neither we nor the guardian have a reading end at this time. */
static bool has_reader(struct process_io *s, int writer)
{
	struct pollfd p = { .fd = writer, .events = POLLOUT };

	if (s->settling && !fdtable_is_settled(s->env->fds))
		return false;
	return poll(&p, 1, 0) >= 0 && !(p.revents & POLLERR);
}

/* Bytes that he has not read yet live as long as somebody has the fifo open: as a reader, so that he sees the end. */
static void let_go(struct process_io *s, int i)
{
	int fd = kept(s, awaited[i]), bytes = 0, reader;

	if (ioctl(fd, FIONREAD, &bytes) == 0 && bytes > 0) {
		reader = open_again(fd, O_RDONLY);
		if (reader >= 0)
			keep(s, unread[i], reader);
	}
	drop(s, awaited[i]);
}

static void look_for_readers(struct process_io *s)
{
	uint64_t now = clock_boot_ns();
	bool waits = false;

	for (int i = 0; i < 2; i++) {
		int fd = kept(s, awaited[i]);

		if (fd >= 0 && (has_reader(s, fd) || now >= s->reader_until_ns))
			let_go(s, i);
		else if (fd >= 0)
			waits = true;
	}
	if (!waits)
		return;
	if (loop_timer_set(
		    s->env->loop, &s->reader_timer, now + s->reader_wait_ns, on_reader_timer) < 0)
		s->reader_until_ns = now;
	s->reader_wait_ns *= 2;
	if (s->reader_wait_ns > READER_MAX_NS)
		s->reader_wait_ns = READER_MAX_NS;
}

static void await_readers(struct process_io *s)
{
	s->reader_wait_ns = READER_MIN_NS;
	s->reader_until_ns = clock_boot_ns() + READER_LIMIT_NS;
	look_for_readers(s);
}

static void on_reader_timer(struct loop_timer *t)
{
	look_for_readers(container_of(t, struct process_io, reader_timer));
}

static bool is_both(int fd)
{
	return (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDWR;
}

/*
 * Our end of an output fifo that nobody writes to any more. A client opens his end in a thread that waits for a writer:
 * the process may be over before that thread has run, and without us it would wait for ever. So we stay as a writer
 * until a reader has come, for which the kernel has no event.
 */
static void leave_fifo(struct process_io *s, int i)
{
	const char *fifo = i == 0 ? "out.fifo" : "err.fifo";
	int fd = kept(s, fifo), writer = fd < 0 ? -EBADF : open_again(fd, O_WRONLY);

	s->hold[i] = fd_close(s->hold[i]);
	if (fd >= 0 && is_both(fd))
		s->settling = true;
	if (writer >= 0)
		keep(s, awaited[i], writer);
	drop(s, fifo);
	await_readers(s);
}

static void hang_up(struct process_io *s)
{
	relay_stop(&s->relay[STREAM_IN]);
	relay_stop(&s->relay[STREAM_OUT]);
	drop(s, "in.fifo");
	drop(s, "in.reader");
	drop(s, "pty.in");
	drop(s, "pty");
	drop_spool(s);
	leave_fifo(s, 0);
	drop(s, "out.file");
	drop(s, "out.log");
}

static void on_in_ended(struct relay *r)
{
	struct process_io *s = container_of(r, struct process_io, relay[STREAM_IN]);

	if (s->terminal) { /* as Go's shim: the end of its input hangs a terminal up (5.4) */
		relay_pump_all(&s->relay[STREAM_OUT]);
		hang_up(s);
		check_drained(s);
		return;
	}
	drop(s, "in.fifo");
	drop(s, "in.reader");
	drop(s, "in.pipe");
}

static void on_out_ended(struct relay *r)
{
	struct process_io *s = container_of(r, struct process_io, relay[STREAM_OUT]);

	if (s->terminal) {
		hang_up(s);
	} else {
		leave_fifo(s, 0);
		drop(s, "out.file");
		drop(s, "out.pipe");
	}
	check_drained(s);
}

static void on_err_ended(struct relay *r)
{
	struct process_io *s = container_of(r, struct process_io, relay[STREAM_ERR]);

	leave_fifo(s, 1);
	drop(s, "err.file");
	drop(s, "err.pipe");
	check_drained(s);
}

static relay_fn *const on_ended[STREAM_COUNT] = { on_in_ended, on_out_ended, on_err_ended };

/* ---- opening ---- */

/* A fifo with both ends, or a file to append to. */
static int open_path(const char *path, bool *ret_fifo, struct err *err)
{
	auto_close int fd = fd_open(path, O_PATH, 0);
	struct stat st;
	int r;

	if (fd < 0)
		return err_code(err, fd, "open '%s'", path);
	if (fstat(fd, &st) < 0)
		return err_sys(err, "stat '%s'", path);
	*ret_fifo = S_ISFIFO(st.st_mode);
	r = open_again(fd, *ret_fifo ? O_RDWR : O_WRONLY | O_APPEND);
	return r < 0 ? err_code(err, r, "open '%s'", path) : r;
}

/* `file:///dir/name`: made with its directories. */
static int open_log_file(const char *path, struct err *err)
{
	const char *slash = strrchr(path, '/');
	int fd;

	if (slash > path + 1) {
		auto_free char *dir = strndup(path + 1, (size_t)(slash - path - 1));
		auto_close int root = fd_open("/", O_PATH | O_DIRECTORY, 0);
		int r;

		if (!dir)
			return err_oom(err);
		r = root < 0 ? root : file_mkdirs_at(root, dir, 0755);
		if (r < 0)
			return err_code(err, r, "create the directory of '%s'", path);
	}
	fd = fd_open(path, O_WRONLY | O_APPEND | O_CREAT, 0644);
	return fd < 0 ? err_code(err, fd, "open '%s'", path) : fd;
}

/* A pipe: the process's end is child[stream], ours is kept and does not block. */
static int open_pipe(struct process_io *s, int stream, uint32_t uid, uint32_t gid, struct err *err)
{
	auto_close int ours = -EBADF;
	char what[16];
	int p[2], r;

	if (pipe2(p, O_CLOEXEC) < 0)
		return err_sys(err, "make a pipe for std%s", stream_name[stream]);
	s->child[stream] = p[stream != STREAM_IN];
	ours = p[stream == STREAM_IN];
	if ((uid || gid) && fchown(s->child[stream], uid, gid) < 0)
		return err_sys(err, "give std%s to %u:%u", stream_name[stream], uid, gid);
	r = fd_set_nonblock(ours, true);
	snprintf(what, sizeof(what), "%s.pipe", stream_name[stream]);
	if (r == 0)
		r = keep(s, what, take_fd(&ours));
	return r < 0 ? err_code(err, r, "keep the pipe of std%s", stream_name[stream]) : 0;
}

static int start_relay(struct process_io *s, int stream, int in, int out, struct err *err)
{
	bool from_tty = s->terminal && stream == STREAM_OUT;
	int r = relay_start(&s->relay[stream], s->env->loop, in, out, from_tty ? RELAY_FROM_TTY : 0,
		on_ended[stream]);

	return r < 0 ? err_code(err, r, "watch std%s", stream_name[stream]) : 0;
}

static void close_in_now(struct process_io *s)
{
	int fifo = kept(s, "in.fifo"), reader;

	if (fifo < 0)
		return;
	reader = open_again(fifo, O_RDONLY);
	if (reader < 0 || keep(s, "in.reader", reader) < 0)
		return;
	if (relay_replace_in(&s->relay[STREAM_IN], reader) == 0)
		drop(s, "in.fifo");
}

static void on_in_grace(struct loop_timer *t)
{
	close_in_now(container_of(t, struct process_io, in_timer));
}

/* stdin's fifo; its other side is the pipe, or the terminal when it is there. */
static int open_in(struct process_io *s, const struct process_io_open *o, struct err *err)
{
	bool is_fifo;
	int fd, r;

	if (str_empty(o->paths->in))
		return 0;
	fd = open_path(o->paths->in, &is_fifo, err);
	if (fd < 0)
		return err_in(err, "stdin");
	if (!is_fifo) { /* a file: to be read */
		int file = open_again(fd, O_RDONLY);

		fd_close(fd);
		fd = file;
		if (fd < 0)
			return err_code(err, fd, "open stdin '%s'", o->paths->in);
	}
	r = keep(s, is_fifo ? "in.fifo" : "in.reader", fd);
	if (r < 0)
		return err_code(err, r, "keep stdin '%s'", o->paths->in);
	s->in_wanted = true;
	if (s->terminal)
		return 0;
	r = open_pipe(s, STREAM_IN, o->uid, o->gid, err);
	if (r == 0)
		r = start_relay(s, STREAM_IN, fd, kept(s, "in.pipe"), err);
	return r;
}

/*
 * The fifo of an output: the table, and so the guardian, has a writer. What keeps it whole while no client is there is a
 * reader as well, and with one in the guardian we could not tell whether a client has come. Returns the writer.
 */
static int keep_writer(struct process_io *s, int stream, const char *what, int fifo,
	const char *path, struct err *err)
{
	int writer = open_again(fifo, O_WRONLY), r;

	s->hold[stream - STREAM_OUT] = fifo;
	if (writer < 0)
		return err_code(err, writer, "open '%s'", path);
	r = keep(s, what, writer);
	return r < 0 ? err_code(err, r, "keep std%s '%s'", stream_name[stream], path) : writer;
}

/*
 * The fifo goes to the process, which is a writer of its own: ours keeps it whole while no client is there, also while
 * there is no worker.
 */
static int hand_over_fifo(
	struct process_io *s, int stream, int fifo, const char *path, struct err *err)
{
	char again[32];

	snprintf(again, sizeof(again), "/proc/self/fd/%d", fifo);
	s->child[stream] = fd_open(again, O_WRONLY, 0);
	return s->child[stream] < 0 ? err_code(err, s->child[stream], "open '%s'", path) : 0;
}

/* stdout or stderr into a client's fifo or file. */
static int open_out(struct process_io *s, const struct process_io_open *o, int stream,
	const char *path, struct err *err)
{
	char what[16];
	bool is_fifo;
	int fd, r;

	if (str_empty(path))
		return 0;
	fd = open_path(path, &is_fifo, err);
	if (fd < 0)
		return err_in(err, "std%s", stream_name[stream]);
	snprintf(what, sizeof(what), "%s.%s", stream_name[stream], is_fifo ? "fifo" : "file");
	if (is_fifo && (s->terminal || !o->direct)) {
		fd = r = keep_writer(s, stream, what, fd, path, err);
	} else {
		r = keep(s, what, fd);
		if (r < 0)
			err_code(err, r, "keep std%s '%s'", stream_name[stream], path);
	}
	if (r < 0 || s->terminal)
		return r < 0 ? r : 0;
	if (o->direct && is_fifo)
		return hand_over_fifo(s, stream, fd, path, err);
	r = open_pipe(s, stream, o->uid, o->gid, err);
	if (r < 0)
		return r;
	snprintf(what, sizeof(what), "%s.pipe", stream_name[stream]);
	return start_relay(s, stream, kept(s, what), fd, err);
}

static int open_fifos(struct process_io *s, const struct process_io_open *o, struct err *err)
{
	int r = open_out(s, o, STREAM_OUT, o->paths->out, err);

	if (r == 0 && !s->terminal)
		r = open_out(s, o, STREAM_ERR, o->paths->err, err);
	return r;
}

/* One file, shared by both streams (5.1). */
static int open_file(struct process_io *s, const struct process_io_open *o, struct err *err)
{
	const char *path = strchr(o->paths->out + strlen("file://"), '/');
	int fd, both, r;

	if (!path)
		return err_set(err, -EINVAL, "stdout '%s': no path", o->paths->out);
	fd = open_log_file(path, err);
	if (fd < 0)
		return err_in(err, "stdout");
	both = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	r = keep(s, "out.file", fd);
	if (r == 0 && !s->terminal)
		r = keep(s, "err.file", both);
	else
		fd_close(both);
	if (r < 0)
		return err_code(err, r, "keep stdout '%s'", path);
	if (s->terminal)
		return 0;
	r = open_pipe(s, STREAM_OUT, o->uid, o->gid, err);
	if (r == 0)
		r = start_relay(s, STREAM_OUT, kept(s, "out.pipe"), kept(s, "out.file"), err);
	if (r == 0)
		r = open_pipe(s, STREAM_ERR, o->uid, o->gid, err);
	if (r == 0)
		r = start_relay(s, STREAM_ERR, kept(s, "err.pipe"), kept(s, "err.file"), err);
	return r;
}

static void on_logger_ready(void *arg, const struct err *err)
{
	struct process_io *s = arg;

	s->ready(s, err);
}

static int open_logger(struct process_io *s, const struct process_io_open *o, struct err *err)
{
	struct logger_request req = {
		.uri = o->paths->out,
		.ns = o->ns,
		.id = o->id,
		.ready = on_logger_ready,
		.arg = s,
	};
	auto_close int out = -EBADF;
	auto_close int err_fd = -EBADF;
	int r;

	s->ready = o->ready;
	r = logger_start(s->env->loggers, &req, &s->logger, &out, &err_fd, err);
	if (r < 0)
		return r;
	if (s->terminal) { /* the terminal goes into the logger's stdout */
		r = fd_set_nonblock(out, true);
		if (r == 0)
			r = keep(s, "out.log", take_fd(&out));
		return r < 0 ? err_code(err, r, "keep the pipe of the logging binary") : 1;
	}
	if ((o->uid || o->gid) &&
		(fchown(out, o->uid, o->gid) < 0 || fchown(err_fd, o->uid, o->gid) < 0))
		return err_sys(err, "give the logging binary's pipes to %u:%u", o->uid, o->gid);
	s->child[STREAM_OUT] = take_fd(&out);
	s->child[STREAM_ERR] = take_fd(&err_fd);
	return 1;
}

/* The scheme of stdout decides the kind; none is a path. */
static int open_kind(struct process_io *s, const struct process_io_open *o, struct err *err)
{
	const char *out = o->paths->out ? o->paths->out : "";
	const char *colon = *out == '/' ? NULL : strstr(out, "://");
	size_t len = colon ? (size_t)(colon - out) : 0;

	if (len == 0 || (len == 4 && str_starts(out, "fifo")))
		return open_fifos(s, o, err);
	if (str_starts(out, "file://"))
		return open_file(s, o, err);
	if (str_starts(out, "binary://") || str_starts(out, "binary-v2://"))
		return open_logger(s, o, err);
	return err_set(err, -EINVAL, "unknown STDIO scheme %.*s", (int)len, out);
}

int process_io_open(struct process_io *s, const struct process_io_open *o, struct err *err)
{
	int r, pending;

	*s = (struct process_io){
		.env = o->env,
		.child = { -EBADF, -EBADF, -EBADF },
		.hold = { -EBADF, -EBADF },
		.terminal = o->paths->terminal,
	};
	s->prefix = strdup(o->prefix);
	if (!s->prefix)
		return err_oom(err);
	pending = open_kind(s, o, err);
	r = pending < 0 ? pending : open_in(s, o, err);
	if (r == 0 && o->stdin_closed)
		process_io_close_stdin(s);
	if (r < 0) {
		process_io_close(s);
		return r;
	}
	return pending;
}

void process_io_made(struct process_io *s)
{
	if (!s->prefix)
		return;
	for (int i = 0; i < STREAM_COUNT; i++)
		s->child[i] = fd_close(s->child[i]);
}

/* ---- terminal ---- */

static int kept_out(const struct process_io *s)
{
	static const char *const kinds[] = { "out.fifo", "out.file", "out.log" };

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		int fd = kept(s, kinds[i]);

		if (fd >= 0)
			return fd;
	}
	return -EBADF; /* nobody wants it: read and dropped, or the terminal would fill */
}

/* All three, or none. */
static struct spool kept_spool(const struct process_io *s)
{
	struct spool spool = {
		.pipe = kept(s, spooled[0]),
		.in = kept(s, spooled[1]),
		.out = kept(s, spooled[2]),
	};
	bool whole = spool.pipe >= 0 && spool.in >= 0 && spool.out >= 0;

	return whole && spool_resume(&spool) == 0 ? spool : SPOOL_NULL;
}

/* It is used when it outlives us, and not before. */
static void on_need_spool(struct relay *r)
{
	struct process_io *s = container_of(r, struct process_io, relay[STREAM_OUT]);
	struct spool spool;
	struct err err;
	int fds[3], error = 0;

	r->need_spool = NULL;
	if (spool_make(&spool, &err) < 0)
		return;
	fds[0] = spool.pipe;
	fds[1] = spool.in;
	fds[2] = spool.out;
	for (size_t i = 0; i < ARRAY_LEN(spooled); i++) {
		int k = keep(s, spooled[i], fds[i]);

		error = error < 0 ? error : k;
	}
	if (error == 0)
		error = fdtable_flush(s->env->fds, &err);
	if (error == 0)
		r->spool = spool;
	else
		drop_spool(s);
}

/* The terminal is in the table: what its client sends and reads. */
static int relay_terminal(struct process_io *s, struct err *err)
{
	int master = kept(s, "pty"), in = kept(s, "in.fifo"), r;

	r = start_relay(s, STREAM_OUT, master, kept_out(s), err);
	s->relay[STREAM_OUT].spool = kept_spool(s);
	if (s->relay[STREAM_OUT].spool.pipe < 0) {
		drop_spool(s);
		s->relay[STREAM_OUT].need_spool = on_need_spool;
	}
	relay_pump(&s->relay[STREAM_OUT]); /* what it holds is no event */
	if (in < 0)
		in = kept(s, "in.reader");
	drop(s, "pty.in"); /* what a worker of an earlier version has kept */
	return r < 0 || in < 0 ? r : start_relay(s, STREAM_IN, in, master, err);
}

int process_io_console(struct process_io *s, int master, struct err *err)
{
	int r = fd_set_nonblock(master, true);

	if (r < 0) {
		fd_close(master);
		return err_code(err, r, "console");
	}
	r = keep(s, "pty", master);
	if (r < 0)
		return err_code(err, r, "keep the console");
	if (s->width || s->height)
		process_io_resize(s, s->width, s->height);
	return relay_terminal(s, err);
}

/* ---- after a restart of the worker ---- */

/* One of the two names that a replacement leaves both behind when it is cut short: the new one counts. */
static int kept_one(struct process_io *s, const char *old, const char *new)
{
	int fd = kept(s, new);

	if (fd >= 0)
		drop(s, old);
	return fd >= 0 ? fd : kept(s, old);
}

static int relay_pipe(struct process_io *s, int stream, int client, struct err *err)
{
	char what[16];
	int pipe;

	snprintf(what, sizeof(what), "%s.pipe", stream_name[stream]);
	pipe = kept(s, what);
	if (pipe < 0 || client < 0) /* it had ended, or nobody asked for it */
		return 0;
	if (stream == STREAM_IN)
		return start_relay(s, stream, client, pipe, err);
	return start_relay(s, stream, pipe, client, err);
}

static void hold_again(struct process_io *s)
{
	static const char *const fifos[] = { "out.fifo", "err.fifo" };

	for (int i = 0; i < 2; i++) {
		int fd = kept(s, fifos[i]);

		if (fd >= 0 && !is_both(fd))
			s->hold[i] = open_again(fd, O_RDWR);
	}
}

/* Nobody but the table must know these: it drops what nobody asks for. */
static void claim_unread(struct process_io *s)
{
	for (int i = 0; i < 2; i++) {
		(void)kept(s, unread[i]);
		(void)kept(s, awaited[i]);
	}
	await_readers(s);
}

static int restore_relays(struct process_io *s, struct err *err)
{
	int in = kept_one(s, "in.fifo", "in.reader");
	int out = kept_out(s);
	int error = kept(s, "err.fifo");
	int r;

	s->in_wanted = in >= 0;
	claim_unread(s);
	hold_again(s);
	if (s->terminal)
		return kept(s, "pty") >= 0 ? relay_terminal(s, err) : 0;
	r = relay_pipe(s, STREAM_IN, in, err);
	if (r == 0)
		r = relay_pipe(s, STREAM_OUT, out, err);
	if (r == 0)
		r = relay_pipe(s, STREAM_ERR, error >= 0 ? error : kept(s, "err.file"), err);
	return r;
}

int process_io_restore(struct process_io *s, const struct process_io_open *o, struct err *err)
{
	int r;

	*s = (struct process_io){
		.env = o->env,
		.child = { -EBADF, -EBADF, -EBADF },
		.hold = { -EBADF, -EBADF },
		.settling = true, /* with the worker before us, it may be */
		.terminal = o->paths->terminal,
	};
	s->prefix = strdup(o->prefix);
	if (!s->prefix)
		return err_oom(err);
	r = restore_relays(s, err);
	if (r == 0 && o->stdin_closed) {
		s->in_closed = true;
		close_in_now(s);
	}
	return r;
}

void process_io_resize(struct process_io *s, uint32_t width, uint32_t height)
{
	struct winsize size = { .ws_col = (uint16_t)width, .ws_row = (uint16_t)height };
	int fd;

	if (!s->prefix)
		return;
	s->width = size.ws_col;
	s->height = size.ws_row;
	fd = kept(s, "pty");
	if (fd >= 0)
		(void)!ioctl(fd, TIOCSWINSZ, &size); /* gone, or no terminal: harmless (4.11) */
}

/* ---- the rest of its life ---- */

void process_io_close_stdin(struct process_io *s)
{
	if (!s->prefix || s->in_closed)
		return;
	s->in_closed = true;
	if (s->child[STREAM_IN] < 0 && s->relay[STREAM_IN].loop) { /* long open */
		close_in_now(s);
		return;
	}
	if (loop_timer_set(
		    s->env->loop, &s->in_timer, clock_boot_ns() + STDIN_GRACE_NS, on_in_grace) < 0)
		close_in_now(s);
}

void process_io_flush(struct process_io *s)
{
	if (!s->prefix)
		return;
	relay_pump(&s->relay[STREAM_OUT]);
	relay_pump(&s->relay[STREAM_ERR]);
}

static int64_t bytes_in(int fd)
{
	int bytes = 0;

	return fd >= 0 && ioctl(fd, FIONREAD, &bytes) == 0 ? bytes : 0;
}

/* The fifo of an output in one of the states of its life, or -EBADF. */
static int kept_fifo(const struct process_io *s, int i)
{
	static const char *const fifos[] = { "out.fifo", "err.fifo" };
	int fd = kept(s, fifos[i]);

	if (fd < 0)
		fd = kept(s, awaited[i]);
	return fd < 0 ? kept(s, unread[i]) : fd;
}

/* Of what was written before the exit: others may go on writing, whom nobody waits for. */
static uint64_t bytes_unread(const struct process_io *s)
{
	uint64_t sum = 0;

	for (int i = 0; i < 2; i++) {
		const struct relay *r = &s->relay[STREAM_OUT + i];
		int64_t left = bytes_in(kept_fifo(s, i));

		if (r->loop)
			left += s->read_target[i] - (int64_t)r->moved;
		if (left > 0)
			sum += (uint64_t)left;
	}
	return sum;
}

static void end_reading(struct process_io *s)
{
	void (*read)(struct process_io * s) = s->read;

	loop_timer_cancel(&s->read_timer);
	s->read = NULL;
	if (read)
		read(s);
}

static void on_read_timer(struct loop_timer *t);

/* False: there is nothing to wait for, or no sense in it. */
static bool look_at_reading(struct process_io *s)
{
	uint64_t now = clock_boot_ns(), left;

	process_io_flush(s);
	left = bytes_unread(s);
	if (left < s->unread)
		s->read_until_ns = now + READING_IDLE_NS;
	s->unread = left;
	if (left == 0 || now >= s->read_until_ns || now >= s->read_deadline_ns)
		return false;
	if (loop_timer_set(s->env->loop, &s->read_timer, now + s->read_wait_ns, on_read_timer) < 0)
		return false;
	if (s->read_wait_ns < READING_MAX_NS)
		s->read_wait_ns *= 2;
	return true;
}

static void on_read_timer(struct loop_timer *t)
{
	struct process_io *s = container_of(t, struct process_io, read_timer);

	if (!look_at_reading(s))
		end_reading(s);
}

bool process_io_await_reading(struct process_io *s, void (*read)(struct process_io *s))
{
	if (!s->prefix)
		return false;
	for (int i = 0; i < 2; i++) {
		const struct relay *r = &s->relay[STREAM_OUT + i];

		s->read_target[i] = (int64_t)r->moved;
		if (r->loop)
			s->read_target[i] +=
				s->terminal ? (int64_t)spool_bytes(&r->spool) : bytes_in(r->in);
	}
	s->unread = UINT64_MAX;
	s->read_wait_ns = READING_MIN_NS;
	s->read_deadline_ns = clock_boot_ns() + READING_LIMIT_NS;
	if (!look_at_reading(s))
		return false;
	s->read = read;
	return true;
}

void process_io_exited(struct process_io *s)
{
	if (!s->prefix)
		return;
	relay_pump_all(&s->relay[STREAM_OUT]);
	relay_pump_all(&s->relay[STREAM_ERR]);
	if (s->terminal) {
		relay_finish(&s->relay[STREAM_OUT]);
		return;
	}
	/* Those without a relay: a reader sees their end now. */
	if (!s->relay[STREAM_OUT].loop && kept(s, "out.fifo") >= 0)
		leave_fifo(s, 0);
	if (!s->relay[STREAM_ERR].loop && kept(s, "err.fifo") >= 0)
		leave_fifo(s, 1);
}

static bool output_is_over(const struct process_io *s)
{
	return !s->relay[STREAM_OUT].loop && !s->relay[STREAM_ERR].loop;
}

static void tell_drained(struct process_io *s)
{
	void (*drained)(struct process_io * s) = s->drained;

	loop_timer_cancel(&s->drain_timer);
	loop_defer_cancel(&s->drain_deferred);
	s->drained = NULL;
	if (drained)
		drained(s);
}

static void check_drained(struct process_io *s)
{
	if (s->drained && output_is_over(s))
		tell_drained(s);
}

static uint64_t next_look(const struct process_io *s)
{
	uint64_t moved = s->relay[STREAM_OUT].moved_boot_ns;

	if (s->relay[STREAM_ERR].moved_boot_ns > moved)
		moved = s->relay[STREAM_ERR].moved_boot_ns;
	moved += s->drain_idle_ns;
	return moved < s->drain_deadline_ns ? moved : s->drain_deadline_ns;
}

static void on_drain_timer(struct loop_timer *t)
{
	struct process_io *s = container_of(t, struct process_io, drain_timer);
	uint64_t next = next_look(s);

	if (next <= clock_boot_ns() ||
		loop_timer_set(s->env->loop, &s->drain_timer, next, on_drain_timer) < 0)
		tell_drained(s);
}

static void on_drain_deferred(struct loop_deferred *d)
{
	tell_drained(container_of(d, struct process_io, drain_deferred));
}

void process_io_drain(struct process_io *s, uint64_t idle_ns, uint64_t max_ns,
	void (*drained)(struct process_io *s))
{
	uint64_t now = clock_boot_ns();

	s->drained = drained;
	process_io_flush(s);
	s->drain_idle_ns = idle_ns;
	s->drain_deadline_ns = now + max_ns;
	for (int i = STREAM_OUT; i < STREAM_COUNT; i++) /* idle from here on, not since long ago */
		if (s->relay[i].loop)
			s->relay[i].moved_boot_ns = now;
	if (output_is_over(s) ||
		loop_timer_set(s->env->loop, &s->drain_timer, next_look(s), on_drain_timer) < 0)
		loop_defer(s->env->loop, &s->drain_deferred, on_drain_deferred);
}

void process_io_close(struct process_io *s)
{
	if (!s->prefix)
		return;
	for (int i = 0; i < STREAM_COUNT; i++)
		relay_stop(&s->relay[i]);
	loop_timer_cancel(&s->in_timer);
	loop_timer_cancel(&s->reader_timer);
	loop_timer_cancel(&s->drain_timer);
	end_reading(s);
	loop_defer_cancel(&s->drain_deferred);
	process_io_made(s);
	fdtable_close_prefix(s->env->fds, s->prefix);
	for (int i = 0; i < 2; i++)
		fd_close(s->hold[i]);
	logger_stop(s->logger);
	free(s->prefix);
	*s = (struct process_io){ .child = { -EBADF, -EBADF, -EBADF }, .hold = { -EBADF, -EBADF } };
}
