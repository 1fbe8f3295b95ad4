/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reeve-exec: carries out one plan and becomes the container's program.
 *
 * It is started by vfork + execve in the host's namespaces with the fds of the plan and nothing else: no heap, no
 * library, no secret of another container. Its second half runs inside the container, so that whatever a hostile
 * process there may read of it is what the container is made of anyway (spec/security.md 2).
 *
 * An end of file at a barrier means that the launcher is gone: the process leaves without having run anything.
 */
#include <asm/errno.h>
#include <asm/fcntl.h>
#include <asm/ioctls.h>
#include <asm/signal.h>
#include <asm/stat.h>
#include <linux/keyctl.h>
#include <linux/mman.h>
#include <linux/mount.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <linux/socket.h>

#include "bare/exec.h"

#define UMOUNT_NOFOLLOW_ 8
#define SOCK_CLOEXEC_ 02000000
#define MS_PRIVATE_ (1 << 18)

static struct exec the_exec; /* zero pages until touched: the only memory besides the stack */

__attribute__((noreturn)) void exec_exit(int status)
{
	for (;;)
		sys_call1(__NR_exit_group, status);
}

void exec_drop(int fd)
{
	if (fd >= EXEC_LAZY_FDS)
		sys_close(fd);
}

/* Close the fds between those that stay; `stay` is sorted here, it is short. */
void exec_close_rest(struct exec *x)
{
	int stay[3 + 1] = { x->sync, x->rootfd, x->listen_fd, -1 };
	int from = 3 + (int)x->preserve;

	for (int i = 0; i < 3; i++)
		for (int k = i; k > 0 && stay[k] < stay[k - 1]; k--) {
			int t = stay[k];

			stay[k] = stay[k - 1];
			stay[k - 1] = t;
		}
	for (int i = 0; i < 3; i++) {
		if (stay[i] < from)
			continue;
		if (stay[i] > from)
			sys_call3(__NR_close_range, from, stay[i] - 1, 0);
		from = stay[i] + 1;
	}
	sys_call3(__NR_close_range, from, ~0u, 0);
	x->host_null = x->empty_dir = x->null_dir = x->sys = x->proc = -1;
	x->n_fresh = 0;
}

struct rights {
	struct sys_cmsghdr head;
	int fd;
	int pad;
};

static void fill(const struct exec *x, struct plan_msg *m, unsigned type, int code, int value)
{
	const struct plan_step *s;

	memset(m, 0, sizeof(*m));
	m->magic = PLAN_MAGIC;
	m->type = (uint16_t)type;
	m->step = x->step;
	m->code = code;
	m->value = value;
	if (x->plan && x->step < x->plan->n_steps) {
		s = (const struct plan_step *)(const void *)(x->base + x->plan->steps);
		m->op = s[x->step].op;
	}
}

long exec_send(struct exec *x, unsigned type, int code, int value, const char *text, int fd)
{
	struct plan_msg m;
	struct sys_iovec iov = { &m, sizeof(m) };
	struct rights r = { { sizeof(r) - sizeof(r.pad), SYS_SOL_SOCKET, SYS_SCM_RIGHTS }, fd, 0 };
	struct sys_msghdr h = { .iov = &iov, .n_iov = 1 };
	size_t n;
	long sent;

	if (x->sync < 0)
		return 0;
	fill(x, &m, type, code, value);
	if (text) {
		n = strlen(text);
		memcpy(m.text, text, n < PLAN_MSG_TEXT - 1 ? n : PLAN_MSG_TEXT - 1);
	}
	if (fd >= 0) {
		h.control = &r;
		h.control_len = sizeof(r);
	}
	do
		sent = sys_sendmsg(x->sync, &h, SYS_MSG_NOSIGNAL);
	while (sent == -EINTR);
	return sent < 0 ? sent : 0;
}

void exec_wait_go(struct exec *x, uint32_t id)
{
	struct plan_go go;
	long n;

	do
		n = sys_read(x->sync, &go, sizeof(go));
	while (n == -EINTR);
	/* As of one that was killed: a program that has never run did not succeed. */
	if (n != sizeof(go) || go.magic != PLAN_MAGIC || go.id != id)
		exec_exit(137);
}

static long ask_go(struct exec *x, unsigned type, uint32_t id)
{
	long r = exec_send(x, type, 0, (int)id, NULL, -1);

	if (r < 0)
		return r;
	exec_wait_go(x, id);
	return 0;
}

static long op_write(struct exec *x, const struct plan_step *s)
{
	long fd = sys_openat(SYS_AT_FDCWD, exec_str(x, s->str[0]), O_WRONLY | O_CLOEXEC, 0);
	long r;

	x->detail = exec_str(x, s->str[0]);
	if (fd < 0)
		return fd;
	r = sys_write((int)fd, exec_blob(x, s), s->blob_len);
	sys_close((int)fd);
	return r < 0 ? r : 0;
}

static long op_setns(struct exec *x, const struct plan_step *s)
{
	const char *path = exec_str(x, s->str[0]);
	long fd = sys_openat(SYS_AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
	long r;

	x->detail = path;
	if (fd < 0)
		return fd;
	r = sys_call2(__NR_setns, fd, s->num[0]);
	sys_close((int)fd);
	return r;
}

/* The plan is our own copy: a path of the host that has done its work is nobody's to read, once we are inside. */
static void forget(const char *text)
{
	memset((void *)(uintptr_t)text, 0, strlen(text));
}

static long op_setns_slot(struct exec *x, const struct plan_step *s)
{
	long r = sys_call2(__NR_setns, x->slots[s->fd[0]], s->num[0]);

	if (r >= 0 && (s->num[0] & CLONE_NEWNS))
		x->at_root = 1; /* of the namespace: the kernel moves both */
	return r;
}

static long op_open(struct exec *x, const struct plan_step *s)
{
	long fd = -EPERM;

	if (x->born && (s->fd[0] == x->clone_slot || s->fd[0] == x->procs_slot))
		return 0;
	x->detail = exec_str(x, s->str[0]);
	if (s->flags & PLAN_F_ALONE)
		fd = exec_clone_tree(
			x, SYS_AT_FDCWD, x->detail, 0, MOUNT_ATTR_RDONLY, 0, MS_PRIVATE_);
	if (fd ==
		-EPERM) /* no mounts may be made: then nobody inside has the right to look at us either */
		fd = sys_openat(SYS_AT_FDCWD, x->detail, (int)s->num[0] | O_CLOEXEC, 0);
	if (fd < 0)
		return fd;
	x->slots[s->fd[0]] = (int)fd;
	forget(x->detail);
	return 0;
}

static long enter_cgroup(struct exec *x, const struct plan_step *clone)
{
	long fd = clone->num[1] ? x->slots[clone->num[1]]
				: sys_openat(x->slots[clone->fd[0]], "cgroup.procs",
					  O_WRONLY | O_CLOEXEC, 0);
	long r;

	if (fd < 0)
		return fd;
	r = sys_write((int)fd, "0", 1);
	sys_close((int)fd);
	return r < 0 ? r : 0;
}

/* The one step that two processes come back from: 0 in the new one; the host side reports it and leaves. */
static long op_clone(struct exec *x, const struct plan_step *s)
{
	int pidfd = -1;
	int by_write = 0;
	struct clone_args a;
	long pid;

	if (x->born)
		return 0;
	memset(&a, 0, sizeof(a));
	/* CLONE_PARENT: the child is the launcher's (or the guardian's), and outlives this process as such.
	 * exit_signal must be 0 then; the kernel gives the child that of this process: SIGCHLD. */
	a.flags = s->num[0] | CLONE_PARENT | CLONE_PIDFD | CLONE_CLEAR_SIGHAND;
	a.pidfd = (uintptr_t)&pidfd;
	if (s->fd[0] >= 0) {
		a.flags |= CLONE_INTO_CGROUP;
		a.cgroup = (uint64_t)x->slots[s->fd[0]];
	}
	pid = sys_call2(__NR_clone3, &a, sizeof(a));
	/* A cgroup at its limit of processes takes no fork, but whom one moves there: so people get into a full one. */
	if (pid == -EAGAIN && s->fd[0] >= 0) {
		by_write = 1;
		a.flags &= ~(uint64_t)CLONE_INTO_CGROUP;
		pid = sys_call2(__NR_clone3, &a, sizeof(a));
	}
	if (pid < 0)
		return pid;
	if (pid > 0) {
		/* Of a child that the launcher does not know of nothing may stay: the end of file is the news. */
		if (exec_send(x, PLAN_MSG_STARTED, 0, (int)pid, NULL, pidfd) < 0)
			sys_call4(__NR_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
		exec_exit(0);
	}
	return by_write ? enter_cgroup(x, s) : 0;
}

static long op_write_slot(struct exec *x, const struct plan_step *s)
{
	int *fd = &x->slots[s->fd[0]];
	/* Of a file that others have open as well: one who holds its position must not hold us. */
	long r = sys_call4(__NR_pwrite64, *fd, exec_blob(x, s), s->blob_len, 0);

	exec_drop(*fd);
	*fd = -1;
	return r < 0 ? r : 0;
}

static long op_barrier(struct exec *x, const struct plan_step *s)
{
	return ask_go(x, PLAN_MSG_BARRIER, (uint32_t)s->num[0]);
}

static long op_keyring(struct exec *x, const struct plan_step *s)
{
	long r = sys_call2(__NR_keyctl, KEYCTL_JOIN_SESSION_KEYRING, exec_str(x, s->str[0]));

	/* ENOSYS: no keyrings; EPERM: a seccomp filter around us. Peers go on without one too. */
	return r == -ENOSYS || r == -EPERM ? 0 : r;
}

/*
 * The host's procfs is the trusted one: these steps stand before PIVOT, and sysctl tables follow the caller. In a mount
 * namespace that was joined "/proc" is another's, so the slot holds the host's from before (CVE-2025-52881). Nothing
 * that is mounted in it is meant, nor any link but thread-self.
 */
static long open_proc(struct exec *x, const struct plan_step *s)
{
	struct sys_open_how how = { .flags = O_WRONLY | O_CLOEXEC,
		.resolve = SYS_RESOLVE_BENEATH | SYS_RESOLVE_NO_XDEV | SYS_RESOLVE_NO_MAGICLINKS };

	if (s->fd[0] >= 0)
		return sys_openat2(x->slots[s->fd[0]], x->text + strlen("/proc/"), &how);
	return sys_openat(SYS_AT_FDCWD, x->text, O_WRONLY | O_CLOEXEC, 0);
}

static long write_proc(
	struct exec *x, const char *prefix, const char *name, const struct plan_step *s)
{
	long fd;
	long r;

	x->detail = name;
	r = exec_join(x->text, sizeof(x->text), prefix, name);
	if (r < 0)
		return r;
	fd = open_proc(x, s);
	if (fd < 0)
		return fd;
	r = sys_write((int)fd, exec_blob(x, s), s->blob_len);
	sys_close((int)fd);
	return r < 0 ? r : 0;
}

__attribute__((noreturn)) static void no_return(void)
{
	exec_exit(137);
}

static void end_by(int sig)
{
	exec_exit(128 + sig);
}

/* The program gets them as they were before: executing it takes handlers away. */
static void end_by_signals(void)
{
	static const int signals[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM };
	/* end_by() does not return, so nothing is restored; x86-64 wants an address nevertheless. */
	struct sigaction end = {
		.sa_handler = end_by, .sa_flags = SA_RESTORER, .sa_restorer = no_return
	};

	for (unsigned i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sys_call4(__NR_rt_sigaction, signals[i], &end, NULL, sizeof(end.sa_mask));
}

static long op_ready(struct exec *x, const struct plan_step *s)
{
	if (s->flags & PLAN_F_FIRST)
		end_by_signals();
	return ask_go(x, PLAN_MSG_READY, PLAN_GO_READY);
}

static long op_listen(struct exec *x, const struct plan_step *s)
{
	int *listen = &x->slots[s->fd[0]];
	struct plan_go go;
	long conn;
	long n;

	sys_close(x->sync); /* `create` sees the end of file: it may leave */
	x->sync = -1;
	for (;;) {
		conn = sys_call4(__NR_accept4, *listen, NULL, NULL, SOCK_CLOEXEC_);
		if (conn == -EINTR || conn == -ECONNABORTED)
			continue;
		if (conn < 0)
			return conn;
		n = sys_read((int)conn, &go, sizeof(go));
		if (n == sizeof(go) && go.magic == PLAN_MAGIC && go.id == PLAN_GO_START)
			break;
		sys_close((int)conn); /* a `start` that died before it said so */
	}
	sys_close(*listen);
	*listen = -1;
	x->sync = (int)conn;
	return 0;
}

static long op_seccomp(struct exec *x, const struct plan_step *s)
{
	struct {
		unsigned short len;
		const void *filter;
	} prog = { (unsigned short)(s->blob_len / 8), exec_blob(x, s) };

	struct plan_msg m;
	long r = sys_call3(__NR_seccomp, SECCOMP_SET_MODE_FILTER, s->num[0], &prog);

	if (r < 0 || !(s->num[0] & SECCOMP_FILTER_FLAG_NEW_LISTENER))
		return r;
	/* By write and no other call: that is the one that a profile may not notify of, for nobody listens yet. */
	fill(x, &m, PLAN_MSG_LISTENER, 0, (int)r);
	r = sys_write(x->sync, &m, sizeof(m));
	if (r >= 0)
		exec_wait_go(x, PLAN_GO_LISTENER);
	return r;
}

static long op_mkdir(struct exec *x, const struct plan_step *s)
{
	int fd = exec_mkdirs_in_root(x, exec_str(x, s->str[0]), (unsigned)s->num[0]);

	if (fd >= 0)
		exec_drop(fd);
	return fd;
}

static long op_affinity(struct exec *x, const struct plan_step *s)
{
	long r = sys_call3(__NR_sched_setaffinity, 0, s->blob_len, exec_blob(x, s));

	return r < 0 ? r : 0;
}

static long run_step(struct exec *x, const struct plan_step *s)
{
	switch (s->op) {
	case PLAN_WRITE:
		return op_write(x, s);
	case PLAN_SETNS:
		return op_setns(x, s);
	case PLAN_SETNS_SLOT:
		return op_setns_slot(x, s);
	case PLAN_UNSHARE:
		return sys_call1(__NR_unshare, s->num[0]);
	case PLAN_OPEN:
		return op_open(x, s);
	case PLAN_TREE:
		return exec_op_tree(x, s);
	case PLAN_USERNS:
		return exec_op_userns(x, s);
	case PLAN_IDMAP:
		return exec_op_idmap(x, s);
	case PLAN_CLONE:
		return op_clone(x, s);
	case PLAN_WRITE_SLOT:
		return op_write_slot(x, s);
	case PLAN_DUMPABLE:
		return sys_call5(__NR_prctl, PR_SET_DUMPABLE, s->num[0], 0, 0, 0);
	case PLAN_BARRIER:
		return op_barrier(x, s);
	case PLAN_ROOT_IDS:
		return exec_op_root_ids(x, s);
	case PLAN_SETSID:
		return sys_call0(__NR_setsid);
	case PLAN_KEYRING:
		return op_keyring(x, s);
	case PLAN_LINK_UP:
		return exec_op_link_up(x, s);
	case PLAN_LINK_FREE:
		return exec_op_link_free(x, s);
	case PLAN_ADDRESS:
		return exec_op_address(x, s);
	case PLAN_HOSTNAME:
		return sys_call2(
			__NR_sethostname, exec_str(x, s->str[0]), strlen(exec_str(x, s->str[0])));
	case PLAN_DOMAINNAME:
		return sys_call2(
			__NR_setdomainname, exec_str(x, s->str[0]), strlen(exec_str(x, s->str[0])));
	case PLAN_SYSCTL:
		return write_proc(x, "/proc/sys/", exec_str(x, s->str[0]), s);
	case PLAN_LABEL:
		return write_proc(x, "/proc/thread-self/attr/", exec_str(x, s->str[0]), s);
	case PLAN_PROPAGATION:
		return exec_op_propagation(x, s);
	case PLAN_ROOTFS:
		return exec_op_rootfs(x, s);
	case PLAN_MOUNT_TREE:
		return exec_op_mount_tree(x, s);
	case PLAN_MOUNT_FS:
		return exec_op_mount_fs(x, s);
	case PLAN_BIND_DIR:
		return exec_op_bind_dir(x, s);
	case PLAN_REMOUNT:
		return exec_op_remount(x, s);
	case PLAN_UMOUNT:
		return exec_op_umount(x, s);
	case PLAN_MKDIR:
		return op_mkdir(x, s);
	case PLAN_MKNOD:
		return exec_op_mknod(x, s);
	case PLAN_DEVICE_NODE:
		return exec_op_device_node(x, s);
	case PLAN_DEVICE_BIND:
		return exec_op_device_bind(x, s);
	case PLAN_SYMLINK:
		return exec_op_symlink(x, s);
	case PLAN_DEFAULT_DEVS:
		return exec_op_default_devs(x, s);
	case PLAN_MASK:
		return exec_op_mask(x, s);
	case PLAN_READONLY:
		return exec_op_readonly(x, s);
	case PLAN_CONSOLE:
		return exec_op_console(x, s);
	case PLAN_CONSOLE_CTTY:
		return exec_op_console_ctty(x, s);
	case PLAN_HOOK:
		return exec_op_hook(x, s);
	case PLAN_PIVOT:
		return exec_op_pivot(x, s);
	case PLAN_ROOT_ATTR:
		return exec_op_root_attr(x, s);
	case PLAN_NULL_STDIO:
		return exec_op_null_stdio(x, s);
	case PLAN_SCHEDULER:
		return sys_call3(__NR_sched_setattr, 0, exec_blob(x, s), 0);
	case PLAN_IOPRIO:
		return sys_call3(__NR_ioprio_set, 1 /* IOPRIO_WHO_PROCESS */, 0, s->num[0]);
	case PLAN_PERSONALITY:
		return sys_call1(__NR_personality, s->num[0]);
	case PLAN_AFFINITY:
		return op_affinity(x, s);
	case PLAN_MEMPOLICY:
		return sys_call3(
			__NR_set_mempolicy, s->num[0], exec_blob(x, s), s->blob_len * 8ull);
	case PLAN_UMASK:
		return sys_call1(__NR_umask, s->num[0]), 0;
	case PLAN_CWD:
		return exec_op_cwd(x, s);
	case PLAN_USER:
		return exec_op_user(x, s);
	case PLAN_LOOKUP:
		return exec_op_lookup(x, s);
	case PLAN_READY:
		return op_ready(x, s);
	case PLAN_LISTEN:
		return op_listen(x, s);
	case PLAN_CAPS:
		return exec_op_caps(x, s);
	case PLAN_NNP:
		return sys_call5(__NR_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	case PLAN_SECCOMP:
		return op_seccomp(x, s);
	case PLAN_EXEC:
		return exec_op_exec(x, s);
	default:
		return -EBADMSG;
	}
}

/* A plan that came in a memfd, which goes. Its size, or negative errno. */
static long map_plan(struct exec *x, int fd)
{
	struct stat st;
	long r = sys_call2(__NR_fstat, fd, &st);

	if (r < 0)
		return r;
	if (st.st_size <= 0 || st.st_size > PLAN_MAX_SIZE)
		return -EBADMSG;
	r = sys_call6(__NR_mmap, 0, st.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	if (r < 0)
		return r;
	sys_close(fd);
	x->base = (const char *)r;
	return st.st_size;
}

static long receive_plan(struct exec *x)
{
	long n;

	do
		n = sys_read(x->sync, x->message, sizeof(x->message));
	while (n == -EINTR);
	x->base = x->message;
	return n;
}

/* Get and check the plan. 0 or negative errno. */
static long load(struct exec *x, int fd)
{
	long n = fd >= 0 ? map_plan(x, fd) : receive_plan(x);
	const int32_t *slots;
	long r;

	if (n < 0)
		return n;
	r = plan_check(x->base, (size_t)n);
	if (r < 0)
		return r;
	x->plan = (const struct plan_header *)(const void *)x->base;
	slots = (const int32_t *)(const void *)(x->base + sizeof(*x->plan));
	for (uint32_t i = 0; i < x->plan->n_slots; i++)
		x->slots[i] = slots[i];
	x->slots[PLAN_SLOT_SYNC] = x->sync;
	return 0;
}

/* What earlier steps must know of later ones: the final capabilities (hooks) and the fds that are kept. */
static void look_ahead(struct exec *x, const struct plan_step *steps)
{
	int leaves = 0; /* the host's tree, and what we have mounted there */

	for (uint32_t i = 0; i < x->plan->n_steps; i++) {
		if (steps[i].op == PLAN_CAPS)
			x->caps = exec_blob(x, &steps[i]);
		else if (steps[i].op == PLAN_EXEC)
			x->preserve = (unsigned)steps[i].num[0];
		else if (steps[i].op == PLAN_LISTEN)
			x->listen_fd = x->slots[steps[i].fd[0]];
		else if (steps[i].op == PLAN_HOOK)
			x->hooks = 1;
		else if (steps[i].op == PLAN_CLONE) {
			x->clone_slot = steps[i].fd[0];
			x->procs_slot = (int)steps[i].num[1];
		} else if (steps[i].op == PLAN_PIVOT)
			leaves = !(steps[i].flags & (PLAN_F_CHROOT | PLAN_F_MOVE));
		else if (steps[i].op == PLAN_READONLY)
			x->n_below_proc += exec_starts(exec_str(x, steps[i].str[0]), "/proc/") != 0;
	}
	/* Hooks look at the host's tree as well. Of one path it saves nothing. */
	if (!leaves || x->hooks || x->n_below_proc < 2)
		x->n_below_proc = 0;
}

/*
 * "-u PATH": no plan, but the unmounting of a root file system, which waits for the disk and so is not for its caller's
 * thread. Until nothing is mounted there any more; the errno is our status.
 */
static int unmount_all(const char *path)
{
	long r = 0;

	for (int i = 0; r == 0 && i < 1000; i++)
		r = sys_call2(__NR_umount2, path, UMOUNT_NOFOLLOW_);
	return r == -EINVAL || r == -ENOENT ? 0 : r == 0 ? EBUSY : (int)-r;
}

static int number(const char *s)
{
	int n = 0;

	for (; *s >= '0' && *s <= '9' && n < 1000000; s++)
		n = n * 10 + (*s - '0');
	return n;
}

__attribute__((noreturn, used)) void exec_start(long *stack);

__attribute__((noreturn, used)) void exec_start(long *stack)
{
	struct exec *x = &the_exec;
	char **argv = (char **)(stack + 1);
	const struct plan_step *steps;
	long r;

	/* Not traceable, /proc/PID closed, before anything is joined (CVE-2016-9962). */
	sys_call5(__NR_prctl, PR_SET_DUMPABLE, 0, 0, 0, 0);
	sys_call2(__NR_prctl, PR_SET_NAME, "reeve-exec");
	sys_call1(__NR_umask, 0);
	if (stack[0] != 2 && stack[0] != 3)
		exec_exit(2);
	if (stack[0] == 3 && argv[1][0] == '-')
		exec_exit(unmount_all(argv[2]));
	x->rootfd = x->listen_fd = x->host_null = x->empty_dir = x->null_dir = x->sys = x->proc =
		-1;
	x->sync = number(argv[1]);
	x->born = stack[0] == 3 && strcmp(argv[2], PLAN_BORN) == 0;
	r = load(x, stack[0] == 3 && !x->born ? number(argv[2]) : -1);
	if (r < 0)
		exec_exit(3); /* the launcher sees an end of file before STARTED */
	steps = (const struct plan_step *)(const void *)(x->base + x->plan->steps);
	look_ahead(x, steps);
	for (x->step = 0; x->step < x->plan->n_steps; x->step++) {
		x->detail = NULL;
		r = run_step(x, &steps[x->step]);
		if (r >= 0)
			continue;
		if (steps[x->step].flags & PLAN_F_TOLERATE) {
			exec_send(x, PLAN_MSG_WARN, (int)r, 0, x->detail, -1);
			continue;
		}
		exec_undo_mounts(x);
		exec_send(x, PLAN_MSG_ERROR, (int)r, 0, x->detail, -1);
		exec_exit(1);
	}
	exec_exit(0);
}

#if defined(__x86_64__)
__asm__(".globl _start\n"
	"_start:\n"
	"	xor %ebp, %ebp\n"
	"	mov %rsp, %rdi\n"
	"	and $-16, %rsp\n"
	"	call exec_start\n"
	"	ud2\n");
#elif defined(__aarch64__)
__asm__(".globl _start\n"
	"_start:\n"
	"	mov x29, #0\n"
	"	mov x0, sp\n"
	"	and sp, x0, #-16\n"
	"	bl exec_start\n"
	"	brk #0\n");
#endif
