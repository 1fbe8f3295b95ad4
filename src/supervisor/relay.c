/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Relay: see the header. Both fds are watched edge-triggered and moved until EAGAIN, so neither a
 * hung-up input behind a full output nor a terminal that nobody has open can spin the loop; the
 * output is watched only while it is full, for every read of a client would wake us otherwise. What
 * surprises: EAGAIN of splice does not say which side it means; poll does. And that splice moves
 * pages, not bytes: a page with one byte in it takes a place in the output like a full one, so
 * small writes that nobody reads fill a fifo early. They merge in the input instead, which is
 * widened to make up for it; those of a terminal in a spool.
 */
#include "supervisor/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>

#include "base/clock.h"
#include "base/fd.h"

#define CHUNK (1 << 20)     /* as much as a pipe holds */
#define CHUNK_TTY (1 << 14) /* the kernel allocates pages for as much as is asked */
#define ROUND (4 << 20)     /* then others have their turn */
#define TRIES 8             /* that moved nothing, though both sides seemed ready */
#define BUFFER 16384

#define WIDE (512 << 10)  /* of a pipe in a hurry, or whose output is full of small writes */
#define LITTLE (32 << 10) /* bytes that are hardly worth to wake up for */
#define CLOSE_NS (250 * NS_PER_US) /* between wake-ups that follow each other closely */
#define HURRY 16                   /* so many of them */
#define ROOM_MAX (4 << 20)         /* of an output whose program has ended */
#define PACE_NS (500 * NS_PER_US)
#define PACE_MIN_NS (60 * NS_PER_US)

struct relay_buffer {
	size_t at, len;
	char data[BUFFER];
};

enum side { SIDE_NONE, SIDE_IN, SIDE_IN_ENDED, SIDE_OUT };

static void on_deferred(struct loop_deferred *d);
static void on_out(struct loop_fd *s, uint32_t events);

/* Not every kernel user may; and a terminal or a file has no size. Then it stays as it is. */
static void widen(int fd, bool *widened)
{
	if (*widened || fd < 0)
		return;
	*widened = true;
	(void)!fcntl(fd, F_SETPIPE_SZ, WIDE);
}

static void detach(struct relay *r)
{
	loop_timer_cancel(&r->pace);
	loop_fd_remove(&r->in_source);
	loop_fd_remove(&r->out_source);
	r->watched = fd_close(r->watched);
}

static void end(struct relay *r)
{
	detach(r);
	r->over = true;
	loop_defer(r->loop, &r->deferred, on_deferred);
}

/* Bytes that are older than those in the input. */
static bool holds_some(const struct relay *r)
{
	return !r->buffer && spool_bytes(&r->spool) > 0;
}

/* The side that holds it up; none when both became ready meanwhile. */
static enum side blocked_side(const struct relay *r)
{
	struct pollfd p[2] = {
		{ .fd = r->in, .events = POLLIN },
		{ .fd = r->out, .events = POLLOUT },
	};

	if (poll(p, 2, 0) < 0)
		return SIDE_NONE;
	if (!(p[0].revents & POLLIN) && !holds_some(r)) {
		/* While the output is full splice does not tell that the input has ended. */
		bool ended = p[0].revents & POLLHUP && !(r->flags & RELAY_FROM_TTY);

		return ended ? SIDE_IN_ENDED : SIDE_IN;
	}
	if (r->out < 0)
		return SIDE_NONE;
	return p[1].revents & (POLLOUT | POLLERR) ? SIDE_NONE : SIDE_OUT;
}

/* Output that fails costs what was on its way. */
static ssize_t drop_buffer(struct relay *r)
{
	size_t n = r->buffer->len - r->buffer->at;

	if (r->out >= 0)
		r->lost += n;
	r->buffer->at = r->buffer->len = 0;
	return (ssize_t)n;
}

static ssize_t write_buffer(struct relay *r)
{
	struct relay_buffer *b = r->buffer;
	ssize_t n;

	if (r->out < 0)
		return drop_buffer(r);
	n = write(r->out, b->data + b->at, b->len - b->at);
	if (n < 0 && (errno == EAGAIN || errno == EPIPE || errno == EINTR))
		return -errno;
	if (n <= 0)
		return drop_buffer(r);
	b->at += (size_t)n;
	return n;
}

static ssize_t move_by_buffer(struct relay *r)
{
	struct relay_buffer *b = r->buffer;
	ssize_t n;

	if (b->at < b->len)
		return write_buffer(r);
	n = read(r->in, b->data, BUFFER);
	if (n <= 0)
		return n < 0 ? -errno : 0;
	b->at = 0;
	b->len = (size_t)n;
	return write_buffer(r);
}

static ssize_t use_buffer(struct relay *r)
{
	r->buffer = mem_calloc(1, sizeof(*r->buffer));
	return r->buffer ? move_by_buffer(r) : -ENOMEM;
}

/* Bytes moved, 0 at the end of the input, or a negative errno. */
static ssize_t move(struct relay *r)
{
	size_t chunk = r->flags & RELAY_FROM_TTY ? CHUNK_TTY : CHUNK;
	ssize_t n;

	if (r->buffer)
		return move_by_buffer(r);
	if (r->out < 0)
		return use_buffer(r);
	if (holds_some(r))
		return spool_drain(&r->spool, r->out);
	n = splice(r->in, NULL, r->out, NULL, chunk, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
	if (n >= 0)
		return n;
	if (errno == EINVAL) /* neither side is a pipe, or the output appends */
		return use_buffer(r);
	return -errno;
}

/* Wait for the output only while it is what holds the stream up. A file cannot be watched and is
 * never full. What is another relay's input, a terminal, is watched by one more fd: epoll knows each only once. */
static void watch_out(struct relay *r, bool on)
{
	uint32_t events = on ? EPOLLOUT | EPOLLET : EPOLLET;

	if (r->out_source.loop) {
		loop_fd_modify(&r->out_source, events);
	} else if (on && loop_fd_add(r->loop, &r->out_source, r->out, events, on_out) == -EEXIST) {
		r->watched = fcntl(r->out, F_DUPFD_CLOEXEC, 3);
		if (r->watched >= 0)
			loop_fd_add(r->loop, &r->out_source, r->watched, events, on_out);
	}
}

/* Full of pages with little in them. */
static bool wastes_places(const struct relay *r)
{
	int bytes = 0, size = fcntl(r->out, F_GETPIPE_SZ);

	return size > 0 && ioctl(r->out, FIONREAD, &bytes) == 0 && bytes < size / 2;
}

/*
 * From here on they stand side by side, until the output has been read: whatever is in its places, as much as a pipe is for fits
 * in besides. Without a spool the terminal holds up its program.
 */
static void gather(struct relay *r)
{
	if (r->spool.pipe < 0 && r->need_spool)
		r->need_spool(r);
	while (r->spool.pipe >= 0 && spool_fill(&r->spool, r->in) > 0)
		;
}

static void make_room(struct relay *r)
{
	if (r->flags & RELAY_FROM_TTY) {
		if (!r->buffer)
			gather(r);
	} else if (!r->in_widened && wastes_places(r)) {
		widen(r->in, &r->in_widened);
	}
}

/* False: go on at once. */
static bool wait_for(struct relay *r, enum side side)
{
	if (side == SIDE_OUT)
		make_room(r);
	if (side == SIDE_NONE)
		return false;
	if (side == SIDE_IN_ENDED || (side == SIDE_IN && r->finishing)) {
		end(r);
		return true;
	}
	watch_out(r, side == SIDE_OUT);
	return true;
}

/* True when the relay has stopped for now. */
static bool stopped_by(struct relay *r, ssize_t n)
{
	switch (n) {
	case 0:
	case -EPIPE: /* nobody reads: a program that closed its stdin */
	case -ENOMEM:
		end(r);
		return true;
	case -EINTR:
		return false;
	case -EAGAIN:
		return wait_for(r, blocked_side(r));
	default:
		break;
	}
	if (n == -EIO && (r->flags & RELAY_FROM_TTY))
		return wait_for(r, SIDE_IN);
	/* The output cannot take what is there: through the buffer it can be dropped. */
	if (!r->buffer && use_buffer(r) >= 0)
		return false;
	end(r);
	return true;
}

void relay_pump(struct relay *r)
{
	uint64_t before = r->moved;
	int tries = TRIES;

	if (!r->loop || r->over)
		return;
	while (r->moved - before < ROUND && tries > 0) {
		ssize_t n = move(r);

		if (n > 0)
			r->moved += (uint64_t)n;
		else if (stopped_by(r, n))
			break;
		else
			tries--;
	}
	if (r->moved != before)
		r->moved_boot_ns = clock_boot_ns();
	if (r->moved - before >= ROUND || tries == 0)
		loop_defer(r->loop, &r->deferred, on_deferred);
}

static bool has_more(const struct relay *r)
{
	int left = 0;

	return holds_some(r) || (ioctl(r->in, FIONREAD, &left) == 0 && left > 0);
}

void relay_pump_all(struct relay *r)
{
	int size = r->loop && r->out >= 0 ? fcntl(r->out, F_GETPIPE_SZ) : -1;

	relay_pump(r);
	while (size > 0 && size < ROOM_MAX && !r->over && has_more(r)) {
		size *= 2;
		if (fcntl(r->out, F_SETPIPE_SZ, size) < 0)
			break;
		relay_pump(r);
	}
}

static void on_deferred(struct loop_deferred *d)
{
	struct relay *r = container_of(d, struct relay, deferred);

	if (!r->over) {
		relay_pump(r);
		return;
	}
	free(r->buffer);
	r->buffer = NULL;
	r->loop = NULL;
	r->ended(r);
}

static void on_paced(struct loop_timer *t);

static void pace(struct relay *r, uint64_t after_ns)
{
	r->pace_ns = after_ns;
	if (loop_timer_set(r->loop, &r->pace, clock_boot_ns() + after_ns, on_paced) < 0)
		end(r);
}

static void begin_pace(struct relay *r)
{
	widen(r->in, &r->in_widened);
	widen(r->out, &r->out_widened);
	r->paced = true;
	loop_fd_modify(&r->in_source, EPOLLET); /* its end is still told */
	pace(r, PACE_NS);
}

/* What has gathered. Which side is at its end by then does not matter: there is a next time. */
static uint64_t move_gathered(struct relay *r)
{
	uint64_t before = r->moved;
	ssize_t n;

	while (r->moved - before < ROUND && (n = move(r)) > 0)
		r->moved += (uint64_t)n;
	if (r->moved != before)
		r->moved_boot_ns = clock_boot_ns();
	return r->moved - before;
}

/* Whoever writes has to wait: for us, or for an output that holds little and has been emptied meanwhile. */
static bool holds_up(const struct relay *r, uint64_t moved)
{
	int left = 0;

	if (moved >= WIDE / 4 * 3)
		return true;
	return ioctl(r->in, FIONREAD, &left) == 0 && (uint64_t)left > moved;
}

static uint64_t next_pace(const struct relay *r, uint64_t moved)
{
	uint64_t ns = r->pace_ns;

	if (holds_up(r, moved))
		return ns / 2 > PACE_MIN_NS ? ns / 2 : PACE_MIN_NS;
	if (moved < WIDE / 4)
		return ns * 2 < PACE_NS ? ns * 2 : PACE_NS;
	return ns;
}

static void on_paced(struct loop_timer *t)
{
	struct relay *r = container_of(t, struct relay, pace);
	uint64_t n = move_gathered(r);

	if (n > 0) {
		pace(r, next_pace(r, n));
		return;
	}
	r->paced = false;
	r->hurry = 0;
	relay_pump(r); /* knows why */
	if (!r->over)
		loop_fd_modify(&r->in_source, EPOLLIN | EPOLLET); /* tells of what came meanwhile */
}

static void on_in(struct loop_fd *s, uint32_t events)
{
	struct relay *r = container_of(s, struct relay, in_source);
	uint64_t last_ns = r->moved_boot_ns, before = r->moved;

	relay_pump(r);
	if (r->over || r->paced || r->flags & RELAY_FROM_TTY || r->moved == before)
		return;
	if (r->moved - before >= LITTLE || r->moved_boot_ns - last_ns > CLOSE_NS)
		r->hurry = 0;
	else if (++r->hurry >= HURRY)
		begin_pace(r);
}

static void on_out(struct loop_fd *s, uint32_t events)
{
	struct relay *r = container_of(s, struct relay, out_source);

	if (events & EPOLLERR) { /* its reader is gone: known before the next byte */
		end(r);
		return;
	}
	relay_pump(r);
}

int relay_start(
	struct relay *r, struct loop *l, int in, int out, unsigned int flags, relay_fn *ended)
{
	int error;

	*r = (struct relay){
		.loop = l,
		.in = in,
		.out = out,
		.watched = -EBADF,
		.flags = flags,
		.ended = ended,
		.spool = SPOOL_NULL,
		.moved_boot_ns = clock_boot_ns(),
	};
	error = loop_fd_add(l, &r->in_source, in, EPOLLIN | EPOLLET, on_in);
	if (error == -EPERM) { /* a file: always readable */
		loop_defer(l, &r->deferred, on_deferred);
		return 0;
	}
	if (error < 0)
		r->loop = NULL;
	return error;
}

void relay_finish(struct relay *r)
{
	r->finishing = true;
	relay_pump(r);
}

int relay_replace_in(struct relay *r, int in)
{
	int error;

	if (!r->loop || r->over)
		return 0;
	loop_timer_cancel(&r->pace);
	r->paced = false;
	loop_fd_remove(&r->in_source);
	error = loop_fd_add(r->loop, &r->in_source, in, EPOLLIN | EPOLLET, on_in);
	if (error < 0)
		return error;
	r->in = in;
	r->in_widened = false;
	return 0;
}

void relay_stop(struct relay *r)
{
	if (!r->loop)
		return;
	detach(r);
	loop_defer_cancel(&r->deferred);
	free(r->buffer);
	r->buffer = NULL;
	r->loop = NULL;
	r->over = true;
}
