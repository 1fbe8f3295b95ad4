/* SPDX-License-Identifier: Apache-2.0 */
#include "container/id_map.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"

static bool is_own(const struct spec_id_mapping *m, size_t n, uint32_t id)
{
	return n == 1 && m->size == 1 && m->host_id == id;
}

bool id_maps_are_own(const struct id_maps *m)
{
	return is_own(m->uids, m->n_uids, geteuid()) && is_own(m->gids, m->n_gids, getegid());
}

/* "newuidmap PID INSIDE OUTSIDE COUNT ..." */
static int one(const char *name, pid_t pid, const struct spec_id_mapping *maps, size_t n,
	struct arena *arena, struct spec_hook *ret, struct err *err)
{
	const char **args = arena_calloc(arena, 2 + 3 * n, sizeof(*args));
	const char *search = getenv("PATH");
	auto_free char *program = path_find_program(name, str_empty(search) ? PATH_USUAL : search);
	size_t k = 0;

	*ret = (struct spec_hook){
		.path = program ? arena_strdup(arena, program) : NULL,
		.args = args,
		.n_args = 2 + 3 * n,
	};
	if (!args)
		return err_oom(err);
	if (!ret->path)
		return err_set(err, -EPERM,
			"the id maps of the user namespace: %s is needed to map more than one's "
			"own id, "
			"and not in PATH",
			name);
	args[k++] = name;
	args[k++] = arena_printf(arena, "%d", pid);
	for (size_t i = 0; i < n; i++) {
		args[k++] = arena_printf(arena, "%u", maps[i].container_id);
		args[k++] = arena_printf(arena, "%u", maps[i].host_id);
		args[k++] = arena_printf(arena, "%u", maps[i].size);
	}
	for (size_t i = 0; i < k; i++)
		if (!args[i])
			return err_oom(err);
	return 0;
}

int id_map_helpers(pid_t pid, const struct id_maps *m, struct arena *arena,
	struct hook_request *ret, struct err *err)
{
	struct spec_hook *hooks = arena_calloc(arena, 2, sizeof(*hooks));
	int r;

	if (!hooks)
		return err_oom(err);
	r = one("newuidmap", pid, m->uids, m->n_uids, arena, &hooks[0], err);
	if (r == 0)
		r = one("newgidmap", pid, m->gids, m->n_gids, arena, &hooks[1], err);
	if (r == 0)
		*ret = (struct hook_request){
			.hooks = hooks, .n_hooks = 2, .state = "", .cwd = "/"
		};
	return r;
}
