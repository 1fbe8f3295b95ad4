/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reeve-helper: what needs libraries that the long-lived programs do without, for as long as one task takes. Not for
 * people: `reeve-helper TASK WORD...`, with the socket for its news as standard input.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "helper/archive.h"
#include "helper/criu.h"
#include "helper/diff.h"
#include "helper/disk.h"
#include "helper/layer.h"
#include "helper/recorder.h"
#include "helper/store_report.h"
#include "helper/systemd.h"

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	if (argc >= 2 && strcmp(argv[1], "archive") == 0)
		return archive_main(STDIN_FILENO, argv + 2, (size_t)argc - 2);
	if (argc >= 2 && strcmp(argv[1], "criu") == 0)
		return criu_main(STDIN_FILENO, argv + 2, (size_t)argc - 2);
	if (argc >= 2 && strcmp(argv[1], "diff") == 0)
		/* Where it cannot go there, overlays of many layers fail, and say so. */
		return chdir("/proc/self/fd") < 0
			       ? 1
			       : diff_main(STDIN_FILENO, argv + 2, (size_t)argc - 2);
	if (argc >= 2 && strcmp(argv[1], "disk") == 0)
		return disk_main(STDIN_FILENO, argv + 2, (size_t)argc - 2);
	if (argc >= 2 && strcmp(argv[1], "layer") == 0) {
		umask(0); /* modes are the layer's */
		return layer_main(STDIN_FILENO, argv + 2, (size_t)argc - 2);
	}
	if (argc >= 2 && strcmp(argv[1], "recorder") == 0)
		return recorder_main(STDIN_FILENO, argv + 2, (size_t)argc - 2);
	if (argc >= 2 && strcmp(argv[1], "store") == 0)
		return store_report_main(STDIN_FILENO, argv + 2, (size_t)argc - 2);
	if (argc >= 2 && strcmp(argv[1], "systemd") == 0)
		return systemd_main(STDIN_FILENO, argv + 2, (size_t)argc - 2);
	fprintf(stderr, "reeve-helper: for reeve's own programs\n");
	return 2;
}
