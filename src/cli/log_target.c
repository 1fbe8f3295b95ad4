/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A daemon's format is the daemon's own: --log-format counts for files alone. One that is not there fails the command:
 * somebody asked for a log and would not have it.
 */
#include "cli/log_target.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"

static const struct {
	const char *prefix;
	const char *socket;
	enum log_format format;
} daemons[] = {
	{ "journald:", "/run/systemd/journal/socket", LOG_JOURNAL },
	{ "syslog:", "/dev/log", LOG_SYSLOG },
};

int cli_log_open(const char *target, struct log *log, struct err *err)
{
	int fd;

	for (size_t i = 0; i < ARRAY_LEN(daemons); i++) {
		if (!str_starts(target, daemons[i].prefix))
			continue;
		fd = fd_unix_connect(daemons[i].socket, SOCK_DGRAM);
		if (fd < 0)
			return err_code(err, fd, "open log '%s'", target);
		log->fd = fd;
		log->format = daemons[i].format;
		log->name = target + strlen(daemons[i].prefix);
		return 0;
	}
	fd = fd_open(str_starts(target, "file:") ? target + strlen("file:") : target,
		O_WRONLY | O_CREAT | O_APPEND, 0644);
	if (fd < 0)
		return err_code(err, fd, "open log '%s'", target);
	log->fd = fd;
	return 0;
}
