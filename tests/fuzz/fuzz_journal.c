/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A journal as a later worker reads it. The checksums are made right first, so that what is behind them is reached; what
 * is read must come out of a snapshot the same again.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32.h"
#include "base/fd.h"
#include "fake_backend.h"
#include "supervisor/fdtable.h"
#include "supervisor/reload.h"
#include "supervisor/snapshot.h"
#include "supervisor/supervisor.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_reply(void *arg, struct task_addr to, const struct response *r)
{
	abort(); /* nobody is there */
}

static void on_event(void *arg, const struct event *e)
{
	if (!e->id || !e->ns)
		abort();
}

static void on_shutdown(void *arg)
{
	abort();
}

static const struct supervisor_sink sink = {
	.reply = on_reply,
	.event = on_event,
	.shutdown = on_shutdown,
};

static void mend(uint8_t *bytes, size_t size)
{
	size_t at = JOURNAL_HEAD;
	uint32_t length, crc;

	while (at < size && size - at >= JOURNAL_RECORD_HEAD) {
		memcpy(&length, bytes + at, sizeof(length));
		if (length > size - at - JOURNAL_RECORD_HEAD)
			return;
		memset(bytes + at + 4, 0, 4);
		crc = crc32_add(0, bytes + at, JOURNAL_RECORD_HEAD + length);
		memcpy(bytes + at + 4, &crc, sizeof(crc));
		at += JOURNAL_RECORD_HEAD + length;
	}
}

struct reader {
	struct loop *loop;
	struct exit_source *exits;
	struct fdtable fds;
	struct fake fake;
	struct supervisor *sup;
};

static void reader_init(struct reader *r)
{
	struct supervisor_config config;

	*r = (struct reader){ 0 };
	if (loop_new(&r->loop) < 0 || exit_source_new(r->loop, &r->exits) < 0)
		abort();
	config = (struct supervisor_config){ .loop = r->loop,
		.sink = &sink,
		.backend = &fake_backend,
		.backend_arg = &r->fake,
		.exits = r->exits,
		.fds = &r->fds };
	if (supervisor_new(&config, &r->sup, NULL) < 0)
		abort();
}

static void reader_done(struct reader *r)
{
	supervisor_free(r->sup);
	fdtable_done(&r->fds);
	exit_source_free(r->exits);
	loop_free(r->loop);
}

static void *snapshot_of(const struct supervisor *sup, size_t *ret_size)
{
	struct journal j;
	void *bytes;

	if (journal_make(-EBADF, NULL, &j, NULL) < 0 || snapshot_write(sup, &j, NULL) < 0 ||
		journal_read_file(j.fd, &bytes, ret_size, NULL) < 0)
		abort();
	fd_close(j.fd);
	return bytes;
}

static void same_again(const struct supervisor *sup)
{
	size_t size, n_tasks = supervisor_count(sup);
	void *bytes = snapshot_of(sup, &size);
	struct reader r;

	reader_init(&r);
	reload_read(r.sup, bytes, size);
	if (supervisor_count(r.sup) != n_tasks)
		abort();
	reader_done(&r);
	free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *bytes = malloc(size + 1);
	struct reader r;

	if (!bytes || size < JOURNAL_HEAD) {
		free(bytes);
		return 0;
	}
	memcpy(bytes, data, size);
	reader_init(&r);
	reload_read(r.sup, bytes, size); /* as it is */
	reader_done(&r);
	mend(bytes, size);
	reader_init(&r);
	reload_read(r.sup, bytes, size);
	same_again(r.sup);
	reader_done(&r);
	free(bytes);
	return 0;
}
