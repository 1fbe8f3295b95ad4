/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sysctl keys: a charset, one way to read the separators, and an allow-list by namespace. A key is
 * judged by the path that will be opened, never by its spelling: "kernel/../net.x" style tricks
 * have nowhere to go.
 */
#include "oci/sysctl_key.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

static bool allowed_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       strchr("._/-", c);
}

/* No empty component and none of dots alone. */
static bool proper_path(const char *path)
{
	for (const char *p = path;; p++) {
		size_t len = strcspn(p, "/");

		if (len == 0 || strspn(p, ".") >= len)
			return false;
		p += len;
		if (!*p)
			return true;
	}
}

int sysctl_key_path(const char *key, char out[SYSCTL_KEY_SIZE])
{
	size_t len = strlen(key);
	bool dots = key[strcspn(key, "./")] != '/';

	if (len == 0 || len >= SYSCTL_KEY_SIZE)
		return -EINVAL;
	for (size_t i = 0; i <= len; i++) {
		char c = key[i];

		if (c && !allowed_char(c))
			return -EINVAL;
		if (dots && c == '.')
			c = '/';
		else if (dots && c == '/')
			c = '.';
		out[i] = c;
	}
	return proper_path(out) ? 0 : -EINVAL;
}

enum spec_ns_type sysctl_key_namespace(const char *path)
{
	static const struct {
		const char *prefix;
		enum spec_ns_type type;
	} rows[] = {
		{ "net/", SPEC_NS_NETWORK },
		{ "fs/mqueue/", SPEC_NS_IPC },
		{ "kernel/msg", SPEC_NS_IPC },
		{ "kernel/sem", SPEC_NS_IPC },
		{ "kernel/shm", SPEC_NS_IPC },
		{ "kernel/auto_msgmni", SPEC_NS_IPC },
		{ "kernel/hostname", SPEC_NS_UTS },
		{ "kernel/domainname", SPEC_NS_UTS },
		{ "user/", SPEC_NS_USER },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (str_starts(path, rows[i].prefix))
			return rows[i].type;
	return SPEC_NS_ABSENT;
}
