/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A namespace is made by a process that enters it, and some of its settings can only be written from within. That
 * process is a child that shares our memory and our fds while we stand still (as spawn.c's), so it costs no copy, and
 * what it opens is ours when it is gone. It sends no signal when it ends: nobody else who waits for children sees it.
 *
 * No pid namespace is entered there: nothing of a container could look into this child.
 */
#include "container/sandbox_ns.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "oci/sysctl_key.h"

#define STACK_SIZE 16384

/* Runs on memory of our frame: see spawn.c. */
#define IN_CHILD __attribute__((no_sanitize("address")))

extern const unsigned char sandbox_image[];
extern const size_t sandbox_image_size;

/* ---- making ---- */

struct maker {
	const struct sandbox_ns_request *req;
	char (*paths)[SYSCTL_KEY_SIZE + 16];
	struct sandbox_ns ns;
	const char *failed; /* what, and */
	size_t sysctl;      /* which of them, or n_sysctls */
	int error;
};

IN_CHILD static int give_up(struct maker *m, const char *what)
{
	m->error = errno;
	m->failed = what;
	return -1;
}

/* In one write, as the kernel wants it. */
IN_CHILD static int write_sysctl(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), saved;
	ssize_t n;

	if (fd < 0)
		return -1;
	n = write(fd, value, strlen(value));
	saved = errno;
	close(fd);
	errno = saved;
	return n < 0 ? -1 : 0;
}

IN_CHILD static int write_sysctls(struct maker *m)
{
	for (m->sysctl = 0; m->sysctl < m->req->n_sysctls; m->sysctl++) {
		const struct sandbox_sysctl *s = &m->req->sysctls[m->sysctl];

		if (write_sysctl(m->paths[m->sysctl], s->value) < 0 &&
			!(s->if_there && errno == ENOENT))
			return give_up(m, "set sysctl");
	}
	return 0;
}

IN_CHILD static int open_ns(struct maker *m, const char *path, int *ret)
{
	*ret = open(path, O_RDONLY | O_CLOEXEC);
	return *ret < 0 ? give_up(m, path) : 0;
}

/* Only system calls: the memory is our parent's. */
IN_CHILD static int make_main(void *arg)
{
	struct maker *m = arg;
	const struct sandbox_ns_request *req = m->req;
	int flags = (req->own_ipc ? CLONE_NEWIPC : 0) | (req->own_uts ? CLONE_NEWUTS : 0);

	if (req->net >= 0 && setns(req->net, CLONE_NEWNET) < 0)
		return give_up(m, "enter the network namespace");
	if (flags && unshare(flags) < 0)
		return give_up(m, "make namespaces");
	if (req->own_uts && req->hostname && *req->hostname &&
		sethostname(req->hostname, strlen(req->hostname)) < 0)
		return give_up(m, "set the host name");
	if (write_sysctls(m) < 0)
		return 1;
	if (req->net >= 0 && open_ns(m, "/proc/self/ns/net", &m->ns.net) < 0)
		return 1;
	if (req->own_ipc && open_ns(m, "/proc/self/ns/ipc", &m->ns.ipc) < 0)
		return 1;
	if (req->own_uts && open_ns(m, "/proc/self/ns/uts", &m->ns.uts) < 0)
		return 1;
	return 0;
}

static int check_sysctl(const struct sandbox_ns_request *req, const struct sandbox_sysctl *s,
	char path[SYSCTL_KEY_SIZE + 16], struct err *err)
{
	char key[SYSCTL_KEY_SIZE];
	bool own = false;

	if (sysctl_key_path(s->key, key) < 0)
		return err_set(err, -EINVAL, "sysctl '%s' is no name of one", s->key);
	switch (sysctl_key_namespace(key)) {
	case SPEC_NS_NETWORK:
		own = req->net >= 0;
		break;
	case SPEC_NS_IPC:
		own = req->own_ipc;
		break;
	case SPEC_NS_UTS:
		own = req->own_uts;
		break;
	default:
		break;
	}
	if (!own)
		return err_set(err, -EINVAL,
			"sysctl '%s' is not in a namespace of the sandbox's own", s->key);
	snprintf(path, SYSCTL_KEY_SIZE + 16, "/proc/sys/%s", key);
	return 0;
}

static int check_request(const struct sandbox_ns_request *req, struct maker *m, struct err *err)
{
	m->paths = mem_calloc(req->n_sysctls + 1, sizeof(*m->paths));
	if (!m->paths)
		return err_oom(err);
	for (size_t i = 0; i < req->n_sysctls; i++) {
		int r = check_sysctl(req, &req->sysctls[i], m->paths[i], err);

		if (r < 0)
			return r;
	}
	return 0;
}

static int run_maker(struct maker *m, struct err *err)
{
	char stack[STACK_SIZE] __attribute__((aligned(16)));
	pid_t pid;

	pid = clone(make_main, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | CLONE_FILES, m);
	if (pid < 0)
		return err_sys(err, "start a process");
	while (waitpid(pid, NULL, __WCLONE) < 0 && errno == EINTR)
		;
	if (!m->failed)
		return 0;
	sandbox_ns_done(&m->ns);
	if (m->req->n_sysctls && strcmp(m->failed, "set sysctl") == 0)
		return err_code(err, -m->error, "set sysctl '%s' to '%s'",
			m->req->sysctls[m->sysctl].key, m->req->sysctls[m->sysctl].value);
	return err_code(err, -m->error, "namespaces of the sandbox: %s", m->failed);
}

int sandbox_ns_make(const struct sandbox_ns_request *req, struct sandbox_ns *ret, struct err *err)
{
	struct maker m = { .req = req, .ns = SANDBOX_NS_NULL };
	int r = check_request(req, &m, err);

	if (r == 0)
		r = run_maker(&m, err);
	free(m.paths);
	if (r == 0)
		*ret = m.ns;
	return r;
}

void sandbox_ns_done(struct sandbox_ns *ns)
{
	if (!ns)
		return;
	/* Zero is a struct that was never filled. */
	if (ns->net || ns->ipc || ns->uts) {
		fd_close(ns->net);
		fd_close(ns->ipc);
		fd_close(ns->uts);
	}
	*ns = SANDBOX_NS_NULL;
}

/* ---- holding ---- */

struct holder {
	const struct sandbox_ns *ns;
	int program;
	int null;
	int error;
};

/*
 * A container that shares the pid namespace, and has CAP_SYS_PTRACE, looks at this process as at its own. So nothing is
 * there: its mount namespace is one empty directory (bare/sandbox_main.c gives up the rest).
 */
IN_CHILD static int leave_host_tree(void)
{
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		mount("none", "/proc", "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC,
			"nr_inodes=1,mode=0555") < 0 ||
		chdir("/proc") < 0)
		return -1;
	if (syscall(SYS_pivot_root, ".", ".") == 0)
		return umount2(".", MNT_DETACH) < 0 ? -1 : chdir("/");
	/* the first root file system cannot be pivoted from: then it stays, below */
	if (mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0)
		return -1;
	return chdir("/");
}

IN_CHILD static int hold(const struct holder *h)
{
	static char name[] = "reeve-sandbox";
	char *argv[] = { name, NULL }, *envp[] = { NULL };

	if (h->ns->net >= 0 && setns(h->ns->net, CLONE_NEWNET) < 0)
		return -1;
	if (h->ns->ipc >= 0 && setns(h->ns->ipc, CLONE_NEWIPC) < 0)
		return -1;
	if (h->ns->uts >= 0 && setns(h->ns->uts, CLONE_NEWUTS) < 0)
		return -1;
	for (int fd = 0; fd <= 2; fd++)
		if (dup2(h->null, fd) < 0)
			return -1;
	if (close_range(3, ~0u, CLOSE_RANGE_CLOEXEC) < 0)
		return -1;
	if (setsid() < 0 || leave_host_tree() < 0)
		return -1;
	return execveat(h->program, "", argv, envp, AT_EMPTY_PATH);
}

IN_CHILD static int hold_main(void *arg)
{
	struct holder *h = arg;

	hold(h);
	h->error = errno;
	_exit(127);
}

static int start_holder(
	struct holder *h, bool own_pid, bool with_parent, struct pidref *ret, struct err *err)
{
	char stack[STACK_SIZE] __attribute__((aligned(16)));
	int pidfd = -EBADF, r;
	pid_t pid;

	/* Without CLONE_FILES: its 0-2 are its own, and what else is open closes with the execve. */
	pid = clone(hold_main, stack + sizeof(stack),
		CLONE_VM | CLONE_VFORK | CLONE_PIDFD | CLONE_NEWNS | SIGCHLD |
			(own_pid ? CLONE_NEWPID : 0) | (with_parent ? CLONE_PARENT : 0),
		h, &pidfd);
	if (pid < 0)
		return err_sys(err, "start the process that holds the sandbox");
	if (h->error) {
		fd_close(pidfd);
		if (!with_parent)
			while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
				;
		return err_code(err, -h->error, "start the process that holds the sandbox");
	}
	r = pidref_take(pid, pidfd, ret);
	return r < 0 ? err_code(err, r, "hold the sandbox") : 0;
}

int sandbox_ns_hold(const struct sandbox_ns *ns, bool own_pid, bool with_parent, struct pidref *ret,
	struct err *err)
{
	auto_close int program = fd_memfd_exec("reeve-sandbox", sandbox_image, sandbox_image_size);
	auto_close int null = fd_open("/dev/null", O_RDWR, 0);
	struct holder h = { .ns = ns, .program = program, .null = null };

	if (program < 0)
		return err_code(err, program, "hold the sandbox");
	if (null < 0)
		return err_code(err, null, "open '/dev/null'");
	return start_holder(&h, own_pid, with_parent, ret, err);
}
