/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What surprises: two things say how much may be sent, the window that the client gives and what the
 * connection has not got rid of yet; either brings the rest along when it has room again.
 */
#include "services/image_export.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "rpc/any.h"
#include "services/blobs.h"
#include "services/image_layout.h"
#include "services/streams.h"

#define EXPORTS_MAX 16
#define PIECE_BYTES (32u << 10)
#define UNSENT_BYTES (128u << 10)
#define WINDOW_MAX (1 << 30)
#define BLOCK 512
#define TRANSFER "containerd.types.transfer."

struct core_export {
	struct core_export *next;
	struct core *core;
	struct rpc_door *door;
	struct rpc_addr addr;
	struct image_layout layout;
	struct core_stream *stream, *progress;
	int64_t window;
	size_t at;     /* file; behind the last one the end of the tar */
	uint64_t done; /* bytes of it, its head and what fills its last block included */
	int fd;        /* of its content */
	uint8_t box[PIECE_BYTES];
};

static void export_free(struct core_export *x)
{
	struct core_export **at = &x->core->exports;

	while (*at && *at != x)
		at = &(*at)->next;
	if (*at)
		*at = x->next;
	stream_end(x->stream);
	stream_end(x->progress);
	fd_close(x->fd);
	arena_done(&x->layout.arena);
	free(x);
}

static void export_end(struct core_export *x, int r, const struct err *err)
{
	const Pb__Empty empty = PB__EMPTY__INIT;

	stream_end(take_ptr(x->stream));
	stream_end(take_ptr(x->progress));
	if (r < 0)
		rpc_reply_err(x->door, x->addr, r, err);
	else
		rpc_reply_message(x->door, x->addr, &empty.base);
	export_free(x);
}

static void tell(struct core_export *x, const char *event)
{
	Pb__Transfer__Progress m = PB__TRANSFER__PROGRESS__INIT;

	m.event = (char *)event;
	if (x->progress)
		(void)stream_send(x->progress, TRANSFER "Progress", &m.base);
}

/* ---- bytes ---- */

static size_t least(uint64_t left, size_t room)
{
	return left < room ? (size_t)left : room;
}

static int read_content(struct core_export *x, const struct layout_file *f, uint64_t at,
	size_t want, uint8_t *out, struct err *err)
{
	uint64_t size;
	ssize_t n;
	int r = x->fd < 0 ? blobs_read(x->core->blobs, f->digest, &x->fd, &size, err) : 0;

	if (r < 0)
		return r;
	n = pread(x->fd, out, want, (off_t)at);
	if (n < 0)
		return err_sys(err, "read content %s", f->digest);
	return (size_t)n == want ? 0 : err_set(err, -EIO, "content %s is too short", f->digest);
}

/* As many bytes of the file as fit: of its head, of itself, of what fills its last block. 0: it is through. */
static int next_of_file(struct core_export *x, const struct layout_file *f, size_t room,
	uint8_t *out, struct err *err)
{
	uint64_t end = LAYOUT_HEAD_SIZE + f->size, filled = (end + BLOCK - 1) / BLOCK * BLOCK;
	char head[LAYOUT_HEAD_SIZE];
	int r = 0;
	size_t n;

	if (x->done < LAYOUT_HEAD_SIZE) {
		n = least(LAYOUT_HEAD_SIZE - x->done, room);
		image_layout_head(f, head);
		memcpy(out, head + x->done, n);
	} else if (x->done < end) {
		n = least(end - x->done, room);
		if (f->digest)
			r = read_content(x, f, x->done - LAYOUT_HEAD_SIZE, n, out, err);
		else
			memcpy(out, f->text + x->done - LAYOUT_HEAD_SIZE, n);
	} else {
		n = least(filled - x->done, room);
		memset(out, 0, n);
	}
	x->done += n;
	return r < 0 ? r : (int)n;
}

/* Two empty blocks. */
static int next_of_end(struct core_export *x, size_t room, uint8_t *out)
{
	size_t n = least(2 * BLOCK - x->done, room);

	memset(out, 0, n);
	x->done += n;
	return (int)n;
}

static int fill(struct core_export *x, size_t room, struct err *err)
{
	size_t n = 0;

	while (n < room && x->at <= x->layout.n) {
		int r = x->at == x->layout.n ? next_of_end(x, room - n, x->box + n)
					     : next_of_file(x, &x->layout.files[x->at], room - n,
						       x->box + n, err);

		if (r < 0)
			return r;
		n += (size_t)r;
		if (r > 0)
			continue;
		x->fd = fd_close(x->fd);
		x->at++;
		x->done = 0;
	}
	return (int)n;
}

static void go(struct core_export *x)
{
	Pb__Transfer__Data m = PB__TRANSFER__DATA__INIT;
	struct err err = { 0 };

	while (x->at <= x->layout.n && x->window > 0 && stream_unsent(x->stream) < UNSENT_BYTES) {
		int n = fill(x, least((uint64_t)x->window, PIECE_BYTES), &err);

		if (n < 0)
			return export_end(x, n, &err);
		if (n == 0)
			break;
		m.data = (ProtobufCBinaryData){ (size_t)n, x->box };
		x->window -= n;
		if (stream_send(x->stream, TRANSFER "Data", &m.base) < 0)
			return export_end(
				x, err_set(&err, -ECANCELED, "the archive is not read"), &err);
	}
	if (x->at <= x->layout.n)
		return;
	tell(x, "Completed export");
	export_end(x, 0, NULL);
}

/* ---- the client's side ---- */

static void on_message(void *arg, const Pb__Any *any)
{
	auto_done(arena) struct arena arena = { 0 };
	struct core_export *x = arg;
	const ProtobufCMessage *m = NULL;
	int32_t more;

	if (!any_is(any->type_url, TRANSFER "WindowUpdate") ||
		message_decode(&pb__transfer__window_update__descriptor, any->value.data,
			any->value.len, &arena, &m, NULL) < 0)
		return;
	more = ((const Pb__Transfer__WindowUpdate *)(const void *)m)->update;
	if (more <= 0)
		return;
	x->window = x->window > WINDOW_MAX - more ? WINDOW_MAX : x->window + more;
	go(x);
}

static void on_closed(void *arg, bool whole)
{
	struct err err = { 0 };

	if (!whole)
		export_end(arg, err_set(&err, -ECANCELED, "the client has gone"), &err);
}

static void on_room(void *arg)
{
	go(arg);
}

static const struct stream_user data_user = {
	.message = on_message,
	.closed = on_closed,
	.room = on_room,
};
static const struct stream_user progress_user = { 0 };

/* ---- the beginning ---- */

static int decode(struct core_call *c, struct core_export *x, const Pb__Any *any,
	const ProtobufCMessageDescriptor *type, const ProtobufCMessage **ret)
{
	return message_decode(
		       type, any->value.data, any->value.len, &x->layout.arena, ret, c->err) < 0
		       ? err_set(c->err, -EINVAL, "'%.100s' cannot be read", any->type_url)
		       : 0;
}

static int begin(struct core_call *c, struct core_export *x, const Pb__Any *from, const Pb__Any *to,
	const char *progress)
{
	const ProtobufCMessage *store = NULL, *how = NULL;
	const Pb__Transfer__ImageExportStream *out;
	int r = decode(c, x, from, &pb__transfer__image_store__descriptor, &store);

	if (r == 0)
		r = decode(c, x, to, &pb__transfer__image_export_stream__descriptor, &how);
	if (r < 0 || !store || !how)
		return r;
	out = (const void *)how;
	r = image_layout_make(c, (const void *)store, out, &x->layout);
	if (r == 0 && *progress)
		r = stream_take(c->core, c->ns, progress, &progress_user, x, &x->progress, c->err);
	if (r == 0)
		r = stream_take(c->core, c->ns, out->stream, &data_user, x, &x->stream, c->err);
	if (r == 0)
		tell(x, "Exporting");
	return r;
}

int image_export_start(
	struct core_call *c, const Pb__Any *from, const Pb__Any *to, const char *progress)
{
	struct core_export *x;
	size_t n = 0;
	int r;

	for (x = c->core->exports; x; x = x->next)
		n++;
	if (n >= EXPORTS_MAX)
		return err_set(c->err, -ENOBUFS, "more than %d exports at once", EXPORTS_MAX);
	x = mem_calloc(1, sizeof(*x));
	if (!x)
		return err_oom(c->err);
	x->next = c->core->exports;
	x->core = c->core;
	x->door = c->req->door;
	x->addr = c->req->addr;
	x->fd = -EBADF;
	c->core->exports = x;
	r = begin(c, x, from, to, progress);
	if (r < 0)
		export_free(x);
	c->answered = r == 0;
	return r;
}

void image_exports_end(struct core *core)
{
	while (core->exports)
		export_free(core->exports);
}
