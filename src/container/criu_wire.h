/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What reeve-helper and the program that starts it say to each other about criu. The order comes as words of the command
 * line, "NAME=VALUE" (criu_order.c of the helper lists them); both are built together, so nothing here has a version.
 * News go through a SOCK_SEQPACKET socket, which is the helper's standard input.
 *
 * Owner    Plain data.
 * Errors   None.
 * Blocks   Never.
 * Context  Any.
 */
#include <stdint.h>

enum criu_news_type {
	CRIU_NEWS_HOOKS = 1, /* namespaces and first process exist, `pid`; it waits for an answer */
	CRIU_NEWS_MADE,      /* all is restored and waits, `pid`; it waits for an answer */
	CRIU_NEWS_TERMINAL,  /* with the master */
	CRIU_NEWS_DONE,      /* `pid`: of a restore */
	CRIU_NEWS_FAILED,    /* `code`, `text` */
};

struct criu_news {
	uint32_t type;
	int32_t pid;
	int32_t code;
	int32_t criu_pid; /* whom nobody has waited for, if he is the receiver's child; 0: none */
	char text[400];
};

#define CRIU_GO 'g' /* the answer; an end of file is the other one */
