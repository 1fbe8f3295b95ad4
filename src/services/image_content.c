/* SPDX-License-Identifier: Apache-2.0 */
/* Blobs are shared, and whose they are is said by a record: it is asked for first. */
#include "services/image_content.h"

#include <errno.h>

#include "base/fd.h"
#include "services/blobs.h"

int image_content_open(struct core_call *c, const char *digest, int *ret_fd, uint64_t *ret_size)
{
	struct store_item item;
	int r = store_get(c->core->store, STORE_CONTENT, c->ns, digest, c->arena, &item, c->err);

	if (r == -ENOENT)
		return err_set(c->err, r, "content digest %s", digest);
	return r == 0 ? blobs_read(c->core->blobs, digest, ret_fd, ret_size, c->err) : r;
}

static int read_text(struct core_call *c, const char *digest, char **ret, size_t *ret_len)
{
	auto_close int fd = -EBADF;
	uint64_t size;
	int r = image_content_open(c, digest, &fd, &size);

	if (r < 0)
		return r;
	r = fd_read_file(fd, IMAGE_DOC_BYTES, ret, ret_len);
	return r < 0 ? err_code(c->err, r, "read content %s", digest) : 0;
}

int image_content_doc(struct core_call *c, struct arena *a, enum image_doc_kind kind,
	const char *digest, struct image_doc *ret)
{
	auto_free char *text = NULL;
	size_t len;
	int r = read_text(c, digest, &text, &len);

	if (r < 0)
		return r;
	r = image_doc_read(a, kind, text, len, ret, c->err);
	return r < 0 ? err_in(c->err, "content %s", digest) : 0;
}

int image_content_config(
	struct core_call *c, struct arena *a, const char *digest, struct image_config *ret)
{
	auto_free char *text = NULL;
	size_t len;
	int r = read_text(c, digest, &text, &len);

	if (r < 0)
		return r;
	r = image_config_read(a, text, len, ret, c->err);
	return r < 0 ? err_in(c->err, "content %s", digest) : 0;
}
