/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What reeve-helper and the program that starts it say to each other about systemd. The order comes as words of the
 * command line: "do=start|set|stop", "unit=NAME", "of=system|user" (whose manager), for stop "invocation=HEX" or
 * "description=TEXT" of the unit that is meant, and properties (unit_property.h). News go through a SOCK_SEQPACKET socket,
 * which is the helper's standard input. Both are built together, so nothing here has a version.
 *
 * Owner    Plain data.
 * Errors   None.
 * Blocks   Never.
 * Context  Any.
 */
#include <stdint.h>

enum unit_news_type {
	UNIT_NEWS_STARTED =
		1, /* with cgroup and invocation; the helper is in there until its socket ends */
	UNIT_NEWS_DONE,
	UNIT_NEWS_FAILED, /* code, text */
};

#define UNIT_INVOCATION_SIZE 33 /* 32 hex digits */

struct unit_news {
	uint32_t type;
	int32_t code;
	char text[400];
	char invocation[UNIT_INVOCATION_SIZE];
	char cgroup[1024]; /* as /proc/PID/cgroup says it */
};
