/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When no fd is left the socket stays readable, and a level-triggered loop would spin: the source
 * is muted and a timer brings it back. The server must live on: its clients would take its end for
 * the death of every container.
 */
#include "rpc/listener.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/fd.h"

#define ACCEPT_AT_ONCE 16
#define RETRY_MIN_NS NS_PER_MS
#define RETRY_MAX_NS NS_PER_SEC

struct listener {
	struct listener_config config;
	struct loop_fd source;
	struct loop_timer retry;
	uint64_t retry_ns;
	int fd;
};

static bool is_peer_ours(int fd)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
	       peer.uid == geteuid() && peer.gid == getegid();
}

static void listener_retry(struct loop_timer *t)
{
	struct listener *l = container_of(t, struct listener, retry);

	if (loop_fd_modify(&l->source, EPOLLIN) < 0)
		loop_timer_set(
			l->config.loop, &l->retry, clock_boot_ns() + l->retry_ns, listener_retry);
}

static void listener_back_off(struct listener *l, int code)
{
	if (l->retry_ns == 0 && l->config.log)
		log_write(l->config.log, LOG_WARN_, "accept: %s; trying again", strerror(-code));
	l->retry_ns = l->retry_ns == 0 ? RETRY_MIN_NS : l->retry_ns * 2;
	if (l->retry_ns > RETRY_MAX_NS)
		l->retry_ns = RETRY_MAX_NS;
	if (loop_timer_set(
		    l->config.loop, &l->retry, clock_boot_ns() + l->retry_ns, listener_retry) == 0)
		loop_fd_modify(&l->source, 0);
}

/* 1: took one; 0: there is none. */
static int listener_accept(struct listener *l)
{
	auto_close int fd = -EBADF;
	int r;

	if (l->config.full && l->config.full(l->config.arg))
		return -EMFILE;
	fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0 && (errno == EINTR || errno == ECONNABORTED))
		return 1;
	if (fd < 0)
		return errno == EAGAIN ? 0 : -errno;
	if (!is_peer_ours(fd)) {
		if (l->config.log)
			log_write(l->config.log, LOG_WARN_,
				"connection refused: its peer has another uid or gid");
		return 1;
	}
	r = l->config.accepted(l->config.arg, l->config.tag, take_fd(&fd));
	return r < 0 ? r : 1;
}

static void listener_event(struct loop_fd *source, uint32_t events)
{
	struct listener *l = container_of(source, struct listener, source);
	int r = 1;

	for (int i = 0; i < ACCEPT_AT_ONCE && r > 0; i++) {
		r = listener_accept(l);
		if (r > 0)
			l->retry_ns = 0;
	}
	if (r < 0)
		listener_back_off(l, r);
}

int listener_new_take_fd(
	const struct listener_config *config, int fd, struct listener **ret, struct err *err)
{
	struct listener *l = mem_calloc(1, sizeof(*l));
	int r;

	if (!l) {
		fd_close(fd);
		return err_oom(err);
	}
	l->config = *config;
	l->fd = fd;
	r = fd_set_nonblock(fd, true);
	if (r == 0)
		r = loop_fd_add(config->loop, &l->source, fd, EPOLLIN, listener_event);
	if (r < 0) {
		listener_free(l);
		return err_code(err, r, "watch a listening socket");
	}
	*ret = l;
	return 0;
}

void listener_free(struct listener *l)
{
	if (!l)
		return;
	loop_timer_cancel(&l->retry);
	loop_fd_remove(&l->source);
	fd_close(l->fd);
	free(l);
}
