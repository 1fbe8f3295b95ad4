/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Written by pwrite at an end that is kept in memory, never mapped: a record of a worker that is killed in the middle
 * of the call is there in part or not at all. What surprises: a failed write leaves the end where it was, so the next
 * record takes its place and no hole can come up.
 */
#include "supervisor/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/crc32.h"
#include "base/fd.h"
#include "base/mem.h"

static const char magic[8] = "reevejnl";

struct file_head {
	char magic[8];
	uint32_t version;
	uint32_t reserved;
};
_Static_assert(sizeof(struct file_head) == JOURNAL_HEAD, "no padding");

struct record_head {
	uint32_t size; /* of the data */
	uint32_t crc;  /* of the head with 0 here, and the data */
	uint16_t type;
	uint16_t reserved1;
	uint32_t reserved2;
	uint64_t wall_ns;
	uint64_t task;
};
_Static_assert(sizeof(struct record_head) == JOURNAL_RECORD_HEAD, "no padding");

static uint32_t checksum(struct record_head head, const void *data)
{
	head.crc = 0;
	return crc32_add(crc32_add(0, &head, sizeof(head)), data, head.size);
}

int journal_make(int dir, const char *name, struct journal *ret, struct err *err)
{
	struct file_head head = { .version = JOURNAL_VERSION };
	auto_close int fd = -EBADF;

	if (dir < 0)
		fd = memfd_create("journal", MFD_CLOEXEC);
	else
		fd = fd_open_at(dir, name, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_sys(err, "make the journal");
	memcpy(head.magic, magic, sizeof(magic));
	if (pwrite(fd, &head, sizeof(head), 0) != sizeof(head))
		return err_sys(err, "write the journal");
	*ret = (struct journal){ take_fd(&fd), JOURNAL_HEAD, JOURNAL_HEAD };
	return 0;
}

static int make_head(const struct journal_record *r, struct record_head *ret, struct err *err)
{
	if (r->size > JOURNAL_DATA_MAX)
		return err_set(err, -EMSGSIZE, "journal: a record of %zu bytes", r->size);
	*ret = (struct record_head){
		.size = (uint32_t)r->size,
		.type = r->type,
		.wall_ns = r->wall_ns,
		.task = r->task,
	};
	ret->crc = checksum(*ret, r->data);
	return 0;
}

static int write_parts(struct journal *j, const struct iovec *parts, int n_parts, struct err *err)
{
	size_t whole = 0;
	ssize_t n;

	for (int i = 0; i < n_parts; i++)
		whole += parts[i].iov_len;
	do {
		n = pwritev(j->fd, parts, n_parts, (off_t)j->size);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_sys(err, "write the journal");
	if ((size_t)n != whole)
		return err_set(err, -ENOSPC, "write the journal: %zd of %zu bytes", n, whole);
	j->size += whole;
	return 0;
}

int journal_append(struct journal *j, const struct journal_record *r, struct err *err)
{
	struct record_head head;
	struct iovec parts[2] = { { &head, sizeof(head) }, { (void *)r->data, r->size } };
	int code = make_head(r, &head, err);

	return code < 0 ? code : write_parts(j, parts, r->size ? 2 : 1, err);
}

int journal_gather(struct buf *out, const struct journal_record *r, struct err *err)
{
	struct record_head head;
	int code = make_head(r, &head, err);

	if (code < 0)
		return code;
	buf_add(out, (const char *)&head, sizeof(head));
	if (r->size)
		buf_add(out, r->data, r->size);
	return buf_ok(out) < 0 ? err_oom(err) : 0;
}

int journal_append_gathered(struct journal *j, const struct buf *gathered, struct err *err)
{
	struct iovec all = { gathered->data, gathered->len };

	return write_parts(j, &all, 1, err);
}

int journal_read_file(int fd, void **ret_data, size_t *ret_size, struct err *err)
{
	auto_free char *data = NULL;
	struct file_head head;
	struct stat st;
	size_t at = 0;

	if (fstat(fd, &st) < 0)
		return err_sys(err, "read the journal");
	if ((size_t)st.st_size < sizeof(head))
		return err_set(
			err, -EBADMSG, "journal: %lld bytes are none", (long long)st.st_size);
	data = malloc((size_t)st.st_size);
	if (!data)
		return err_oom(err);
	while (at < (size_t)st.st_size) {
		ssize_t n = pread(fd, data + at, (size_t)st.st_size - at, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return err_sys(err, "read the journal");
		at += (size_t)n;
	}
	memcpy(&head, data, sizeof(head));
	if (memcmp(head.magic, magic, sizeof(magic)) != 0)
		return err_set(err, -EBADMSG, "journal: its first bytes are others");
	if (head.version < 1 || head.version > JOURNAL_VERSION + 1)
		return err_set(err, -EBADMSG, "journal: version %u is not known", head.version);
	*ret_data = take_ptr(data);
	*ret_size = at;
	return 0;
}

int journal_next(const void *data, size_t size, size_t *at, struct journal_record *ret)
{
	const char *bytes = data;
	struct record_head head;

	if (*at == size)
		return 0;
	if (*at > size || size - *at < sizeof(head))
		return -EBADMSG;
	memcpy(&head, bytes + *at, sizeof(head));
	if (head.size > JOURNAL_DATA_MAX || head.size > size - *at - sizeof(head))
		return -EBADMSG;
	if (checksum(head, bytes + *at + sizeof(head)) != head.crc)
		return -EBADMSG;
	*ret = (struct journal_record){
		.type = head.type,
		.wall_ns = head.wall_ns,
		.task = head.task,
		.data = bytes + *at + sizeof(head),
		.size = head.size,
	};
	*at += sizeof(head) + head.size;
	return 1;
}
