/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /dev/stderr is opened by name, so its user must be the owner of the pipe behind it. The executor sees to that just
 * before the program starts, but then it is inside of the user namespace, and the pipe belongs to the host's root,
 * whom nobody in there may take anything from. From here, outside, it becomes the namespace's own.
 *
 * Docker asks for the same by IoUid and IoGid, but only where it takes a runtime for runc.
 */
#include "container/stdio_owner.h"

#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

/* The host's number of the namespace's root. */
static bool find_root(const struct spec_id_mapping *maps, size_t n, uint32_t *ret)
{
	for (size_t i = 0; i < n; i++)
		if (maps[i].container_id == 0 && maps[i].size > 0) {
			*ret = maps[i].host_id;
			return true;
		}
	return false;
}

static bool is_mapped(const struct spec_id_mapping *maps, size_t n, uint32_t host_id)
{
	for (size_t i = 0; i < n; i++)
		if (host_id >= maps[i].host_id && host_id - maps[i].host_id < maps[i].size)
			return true;
	return false;
}

void stdio_owner_map(const int stdio[3], const struct spec_linux *l)
{
	uint32_t uid, gid;

	if (!l || !find_root(l->uid_mappings, l->n_uid_mappings, &uid) ||
		!find_root(l->gid_mappings, l->n_gid_mappings, &gid))
		return;
	for (int i = 0; i < 3; i++) {
		struct stat st;

		if (stdio[i] < 0 || fstat(stdio[i], &st) < 0)
			continue;
		if (!S_ISFIFO(st.st_mode) && !S_ISSOCK(st.st_mode))
			continue;
		if (is_mapped(l->uid_mappings, l->n_uid_mappings, st.st_uid) &&
			is_mapped(l->gid_mappings, l->n_gid_mappings, st.st_gid))
			continue;
		if (fchown(stdio[i], uid, gid) < 0)
			continue; /* without the right to, or a read-only file system */
	}
}
