/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every start of a container passes here, and most documents (Docker's, ctr's) name no group: the
 * whole document is only parsed when one of the two names occurs in its text.
 */
#include "supervisor/group.h"

#include <errno.h>
#include <string.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "oci/spec.h"

#define CONFIG_MAX_BYTES (4u << 20)

/* In the order of precedence. */
static const char *const names[] = {
	"io.containerd.runc.v2.group",
	"io.kubernetes.cri.sandbox-id",
};

static bool occurs(const char *text)
{
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strstr(text, names[i]))
			return true;
	return false;
}

int group_parse(const char *text, size_t size, const char *id, char **ret_group, struct err *err)
{
	auto_freep(spec) struct spec *spec = NULL;
	const char *group = NULL;
	int r;

	if (occurs(text)) {
		r = spec_parse(text, size, &spec, err);
		if (r < 0) {
			err_in(err, "config.json");
			return r;
		}
	}
	for (size_t i = 0; spec && !group && i < ARRAY_LEN(names); i++)
		group = spec_annotation(spec, names[i]);
	*ret_group = strdup(group && *group ? group : id);
	return *ret_group ? 0 : err_oom(err);
}

int group_read(int dirfd, const char *id, char **ret_group, struct err *err)
{
	auto_free char *text = NULL;
	size_t size;
	int r;

	r = fd_read_regular_at(dirfd, "config.json", CONFIG_MAX_BYTES, &text, &size);
	if (r == -ENOENT) {
		*ret_group = strdup(id); /* a sandbox: it runs nothing */
		return *ret_group ? 0 : err_oom(err);
	}
	if (r < 0)
		return err_code(err, r, "read config.json of the bundle");
	return group_parse(text, size, id, ret_group, err);
}

int group_socket_name(const char *grpc_address, const char *ns, const char *group,
	char ret_name[SHA256_HEX_SIZE], struct err *err)
{
	auto_done(buf) struct buf key = { 0 };
	auto_free char *clean = NULL;

	buf_addf(&key, "%s/%s/%s", grpc_address, ns, group);
	if (buf_ok(&key) == 0)
		clean = path_clean(key.data);
	if (!clean)
		return err_oom(err);
	sha256_hex(clean, strlen(clean), ret_name);
	return 0;
}
