/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The other end of --console-socket: listens at a path, takes one pty master, and then is the
 *terminal's user: its standard input goes in, what comes out goes to its standard output, until the
 *last slave is closed.
 *
 *	recvtty [-s COLUMNSxROWS] [-n] SOCKET
 *
 * -s sets the window size once the master has come. -n leaves standard input alone. The socket's
 *file appears when connections can come, and is removed before it ends. Exit status 1 when what
 *comes is not one fd with at least one byte: conmon reads at least one.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int receive_fd(int sock)
{
	char text[256], control[CMSG_SPACE(4 * sizeof(int))] = { 0 };
	struct iovec iov = { text, sizeof(text) };
	struct msghdr msg = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control) };
	struct cmsghdr *c;
	ssize_t n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	int fd;

	if (n < 0) {
		perror("recvtty: recvmsg");
		return -1;
	}
	c = CMSG_FIRSTHDR(&msg);
	if (n == 0 || !c || c->cmsg_type != SCM_RIGHTS || c->cmsg_len != CMSG_LEN(sizeof(int))) {
		fprintf(stderr, "recvtty: want one fd with some text, got %zd bytes%s\n", n,
			c ? " with something else" : " without an fd");
		return -1;
	}
	memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	return fd;
}

static int copy(int from, int to)
{
	char data[65536];
	ssize_t n = read(from, data, sizeof(data)), done, w;

	if (n <= 0)
		return -1; /* a pty master without slaves gives EIO */
	for (done = 0; done < n; done += w) {
		w = write(to, data + done, (size_t)(n - done));
		if (w < 0)
			return -1;
	}
	return 0;
}

static int relay(int master, int with_stdin)
{
	struct pollfd p[2] = { { .fd = master, .events = POLLIN },
		{ .fd = with_stdin ? STDIN_FILENO : -1, .events = POLLIN } };

	for (;;) {
		if (poll(p, 2, -1) < 0 && errno != EINTR)
			return 1;
		if (p[0].revents && copy(master, STDOUT_FILENO) < 0)
			return 0;
		if (p[1].revents && copy(STDIN_FILENO, master) < 0)
			p[1].fd = -1;
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	const char *path;
	struct winsize size = { 0 };
	int opt, sock, conn, master, with_stdin = 1;

	while ((opt = getopt(argc, argv, "s:n")) != -1) {
		if (opt == 'n')
			with_stdin = 0;
		else if (opt != 's' || sscanf(optarg, "%hux%hu", &size.ws_col, &size.ws_row) != 2)
			return 2;
	}
	path = argv[optind];
	if (optind + 1 != argc || strlen(path) + sizeof(".new") > sizeof(addr.sun_path)) {
		fprintf(stderr, "usage: recvtty [-s COLUMNSxROWS] [-n] SOCKET\n");
		return 2;
	}
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s.new", path);
	sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (sock < 0 || bind(sock, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
		listen(sock, 1) < 0 || rename(addr.sun_path, path) < 0) {
		perror("recvtty: listen");
		return 1;
	}
	conn = accept(sock, NULL, NULL);
	unlink(path);
	if (conn < 0)
		return 1;
	master = receive_fd(conn);
	close(conn);
	if (master < 0)
		return 1;
	if (size.ws_col && ioctl(master, TIOCSWINSZ, &size) < 0) {
		perror("recvtty: window size");
		return 1;
	}
	return relay(master, with_stdin);
}
