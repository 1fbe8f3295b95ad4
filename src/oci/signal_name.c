/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of signals. The first name of a number is the one that is shown, the others are aliases.
 *
 * Real-time signals count from 34: the two below belong to the C library, and every peer counts the
 * same way, so "RTMIN+3" (shutdown for a systemd in a container) is 37 whatever we are linked with.
 */
#include "oci/signal_name.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <strings.h>

#include "base/mem.h"
#include "base/str.h"

#define RT_FIRST 34
#define RT_LAST 64

// clang-format off
static const struct {
	const char *name;
	int sig;
} names[] = {
	{ "HUP", SIGHUP },       { "INT", SIGINT },     { "QUIT", SIGQUIT }, { "ILL", SIGILL },
	{ "TRAP", SIGTRAP },     { "ABRT", SIGABRT },   { "IOT", SIGABRT },  { "BUS", SIGBUS },
	{ "FPE", SIGFPE },       { "KILL", SIGKILL },   { "USR1", SIGUSR1 }, { "SEGV", SIGSEGV },
	{ "USR2", SIGUSR2 },     { "PIPE", SIGPIPE },   { "ALRM", SIGALRM }, { "TERM", SIGTERM },
	{ "STKFLT", SIGSTKFLT }, { "CHLD", SIGCHLD },   { "CLD", SIGCHLD },  { "CONT", SIGCONT },
	{ "STOP", SIGSTOP },     { "TSTP", SIGTSTP },   { "TTIN", SIGTTIN }, { "TTOU", SIGTTOU },
	{ "URG", SIGURG },       { "XCPU", SIGXCPU },   { "XFSZ", SIGXFSZ }, { "VTALRM", SIGVTALRM },
	{ "PROF", SIGPROF },     { "WINCH", SIGWINCH }, { "IO", SIGIO },     { "POLL", SIGIO },
	{ "PWR", SIGPWR },       { "SYS", SIGSYS },     { "UNUSED", SIGSYS },
};
// clang-format on

/* "RTMIN", "RTMIN+n", "RTMAX", "RTMAX-n"; 0 when it is something else. */
static int parse_realtime(const char *name)
{
	bool from_first = strncasecmp(name, "RTMIN", 5) == 0;
	uint32_t n = 0;

	if (!from_first && strncasecmp(name, "RTMAX", 5) != 0)
		return 0;
	name += 5;
	if (*name && (*name != (from_first ? '+' : '-') || str_to_u32(name + 1, &n) < 0))
		return 0;
	if (n > RT_LAST - RT_FIRST)
		return 0;
	return from_first ? RT_FIRST + (int)n : RT_LAST - (int)n;
}

static int parse_name(const char *name)
{
	if (strncasecmp(name, "SIG", 3) == 0)
		name += 3;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strcasecmp(names[i].name, name) == 0)
			return names[i].sig;
	return parse_realtime(name);
}

int signal_name_parse(const char *text, int *ret, struct err *err)
{
	uint64_t number;
	int sig;

	if (str_to_u64(text, RT_LAST, &number) == 0) {
		*ret = (int)number;
		return 0;
	}
	sig = parse_name(text);
	if (sig == 0)
		return err_set(err, -EINVAL, "unknown signal \"%s\"", text);
	*ret = sig;
	return 0;
}

const char *signal_name(int sig, char out[SIGNAL_NAME_SIZE])
{
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (names[i].sig == sig) {
			snprintf(out, SIGNAL_NAME_SIZE, "SIG%s", names[i].name);
			return out;
		}
	}
	if (sig >= RT_FIRST && sig <= RT_LAST)
		snprintf(out, SIGNAL_NAME_SIZE, "SIGRTMIN+%d", sig - RT_FIRST);
	else
		snprintf(out, SIGNAL_NAME_SIZE, "signal %d", sig);
	return out;
}
