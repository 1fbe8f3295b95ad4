/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The program of the tests' pause image: the first process of a pod, which holds its namespaces and
 * reaps what becomes its child where the containers share its pid namespace.
 */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static void reap(int sig)
{
	(void)sig;
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

static void leave(int sig)
{
	(void)sig;
	_exit(0);
}

int main(void)
{
	signal(SIGCHLD, reap);
	signal(SIGTERM, leave);
	signal(SIGINT, leave);
	for (;;)
		pause();
}
