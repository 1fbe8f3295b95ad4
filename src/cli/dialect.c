/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dialects: one row each, the first is our own. What differs between runc and crun and is not here has one answer that
 * the clients of both take.
 */
#include "cli/dialect.h"

#include <stddef.h>
#include <string.h>

#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"

static const char *const crun_help_heads[] = {
	"checkpoint CONTAINER",
	"create [OPTION]... CONTAINER",
	"delete CONTAINER",
	"exec CONTAINER cmd",
	"features",
	"kill CONTAINER [SIGNAL]",
	"list",
	"mounts [add|remove] CONTAINER FILE",
	"pause CONTAINER",
	"ps",
	"restore CONTAINER",
	"resume CONTAINER",
	"run [OPTION]... CONTAINER",
	"spec",
	"start CONTAINER",
	"state CONTAINER",
	"update [OPTION]... CONTAINER",
	NULL,
};

static const struct dialect dialects[] = {
	{
		.name = "reeve",
		.prefix = "reeve: ",
		.failed = "",
		.list_heads = { "ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER" },
		.unknown_command = 3,
		.usage = 1,
	},
	{
		.name = "runc",
		.version = "1.3.6",
		.feature = "org.opencontainers.runc.version",
		.prefix = "",
		.failed = "runc ",
		.list_heads = { "ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER" },
		.unknown_command = 3,
		.usage = 1,
		.failure_is_record = true,
	},
	{
		.name = "crun",
		.version = "1.28",
		.feature = "run.oci.crun.version",
		.build = "+CAP +SECCOMP +EBPF +CRIU +JSON_C",
		.prefix = "",
		.failed = "",
		.subgroup = "container",
		.empty_list = "[]",
		.list_heads = { "NAME", "PID", "STATUS", "BUNDLE PATH", "CREATED", "OWNER" },
		.help_heads = crun_help_heads,
		.unknown_command = 1,
		.usage = 64,
		.plain_failures = true,
		.tells_directory = true,
		.pause_again = true,
		.bare_ps = true,
		.fewer_fds = true,
	},
};

const struct dialect *dialect_of(const char *program)
{
	const char *name = program ? path_basename(program) : "";

	for (size_t i = 1; i < ARRAY_LEN(dialects); i++)
		if (str_eq(name, dialects[i].name))
			return &dialects[i];
	return &dialects[0];
}

const char *dialect_help_head(const struct dialect *d, const char *command)
{
	size_t len = strlen(command);

	for (const char *const *u = d->help_heads; u && *u; u++)
		if (strcspn(*u, " ") == len && str_starts(*u, command))
			return *u;
	return NULL;
}
