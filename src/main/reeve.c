/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reeve: the OCI runtime on the command line.
 *
 * It refuses to run with more rights than its caller has: it was not written for that, and everything it is told
 * (bundle, root, hooks) comes from the caller.
 */
#include <stdio.h>
#include <sys/auxv.h>

#include "base/fd.h"
#include "cli/commands.h"

int main(int argc, char **argv)
{
	/* First of all: else the first file that is opened becomes the container's stdout. */
	if (fd_ensure_stdio() < 0)
		return CLI_FAILURE;
	if (getauxval(AT_SECURE)) {
		fputs("reeve: refusing to run setuid or with file capabilities\n", stderr);
		return CLI_FAILURE;
	}
	return cli_main(commands, argc, (const char *const *)argv);
}
