/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The plan: what the executor does, as one flat block of bytes, and the messages between it and its launcher.
 *
 * Way      The executor is started as `reeve-exec SYNC [PLAN]`, numbers of fds: the socket, whose first message is the
 *          plan, or a memfd with a plan that is too large for one; or as `reeve-exec SYNC born` by a launcher that has
 *          carried out PLAN_CLONE itself, where nobody else is in any of the namespaces.
 * Layout   header, slot table, step table, then strings and blobs; every reference is a 32-bit offset from the
 *          start of the block, checked by plan_check() before the first step is carried out. The block ends in a
 *          zero byte, so that a string can never run past it. Host byte order: writer and reader are one machine.
 * Slots    A slot holds an fd: given by the launcher (its number stands in the slot table) or opened by a step
 *          (table entry -1). Steps name slots, never fd numbers.
 * Order    Steps run in order. Those before PLAN_CLONE run on the host side, in the namespaces of the launcher; the
 *          process that PLAN_CLONE makes goes on with the step after it, while the host side reports it and leaves.
 *          Nothing but this program and these bytes is ever inside a container (spec/security.md 2).
 * Errors   The first step that fails ends the plan: PLAN_MSG_ERROR with step, negative errno and a detail.
 *
 * PLAN_VERSION changes with every change of layout or meaning; launcher and executor always come from one build.
 */
#include <stddef.h>
#include <stdint.h>

#define PLAN_MAGIC 0x4e4c5052u /* "RPLN" */
#define PLAN_VERSION 7u
#define PLAN_MAX_SIZE (8u << 20)
#define PLAN_MESSAGE_MAX (64u << 10) /* a larger one comes in a memfd */
#define PLAN_LIVE_MAX 64u            /* mounts of one plan into a root that others use */
#define PLAN_MAX_SLOTS 8192u
#define PLAN_MAX_STEPS 32768u

#define PLAN_BORN "born"
#define PLAN_SLOT_NONE (-1)
#define PLAN_SLOT_SYNC 0 /* the launcher's socket (SOCK_SEQPACKET) */

// clang-format off
/*
 * name, arguments. str[]/num[]/fd[]/blob as in struct plan_step; "flags" are PLAN_F_*.
 * Paths marked "in root" are resolved below the container's root by bare/resolve.h and never leave it.
 */
#define PLAN_OPS(X) \
	X(WRITE)        /* host side: write blob to the existing file str[0]; F_TOLERATE: refusal is a warning */ \
	X(SETNS)        /* host side: join namespace file str[0]; num[0] = CLONE_NEW* that it must be */ \
	X(SETNS_SLOT)   /* join by slot fd[0], a pidfd or a namespace file; num[0] = mask of CLONE_NEW* */ \
	X(UNSHARE)      /* num[0] = CLONE_NEW* mask */ \
	X(OPEN)         /* slot fd[0] <- open(str[0], num[0] = O_* flags) on the host; str[0] is gone afterwards; F_ALONE: a directory, read-only and without a way up, where mounts may be made */ \
	X(TREE)         /* slot fd[0] <- detached copy of the mount tree at host path str[0]; F_RECURSIVE; num[0] attr_set, num[1] attr_clr with those asked for in words << 32, both of its top alone; num[2] propagation (MS_*), num[3] recursive attr_set << 32 | attr_clr; F_LOCKED: the flags that its top has are not to be cleared, as root of a user namespace could not; F_OPTIONAL: absent is fine; F_NOFOLLOW: a link itself; F_COPY_LINK: of a link the slot holds just that; F_INSIDE: str[0] in root, str[1] its host path for messages */ \
	X(USERNS)       /* host side: slot fd[0] <- a user namespace for IDMAP with the lines str[0] of uids and str[1] of gids */ \
	X(IDMAP)        /* ids of the detached tree in slot fd[0] as the user namespace in slot num[0] maps them; F_RECURSIVE; str[0] = its source, for messages */ \
	X(CLONE)        /* num[0] = CLONE_NEW* mask; fd[0] = cgroup2 directory slot or none; num[1] = slot of its cgroup.procs, open for writing, or 0; nothing to do when born there */ \
	X(WRITE_SLOT)   /* write blob to slot fd[0] and close it */ \
	X(DUMPABLE)     /* num[0] = 1: who has started us may open our files of /proc; ROOT_IDS ends that */ \
	X(BARRIER)      /* send BARRIER num[0], wait for GO num[0] */ \
	X(ROOT_IDS)     /* become uid num[0] and gid num[1] of the user namespace (after its maps are written): 0, or one that it has */ \
	X(SETSID)       /* new session */ \
	X(KEYRING)      /* join a new session keyring named str[0] */ \
	X(LINK_UP)      /* set the network interface str[0] up */ \
	X(LINK_FREE)    /* there must be no network interface str[0] yet */ \
	X(ADDRESS)      /* give the network interface str[0] an address: blob = a request for rtnetlink, its index to be filled in */ \
	X(HOSTNAME)     /* str[0] */ \
	X(DOMAINNAME)   /* str[0] */ \
	X(SYSCTL)       /* host's /proc/sys/str[0] (dots already slashes) <- blob, in the new namespaces; fd[0]: slot with the host's /proc, or none: "/" is still the host's */ \
	X(LABEL)        /* host's /proc/thread-self/attr/str[0] <- blob; fd[0] as SYSCTL */ \
	X(PROPAGATION)  /* "/" recursively num[0] = MS_PRIVATE, MS_SLAVE, ... */ \
	X(ROOTFS)       /* attach slot fd[0] over "/" and make it the container's root for what follows; F_IN_PLACE: over its host path str[0], if there is a way to it; F_CHROOT: no mount namespace, str[0] = host path; F_INSIDE; F_LIVE */ \
	X(MOUNT_TREE)   /* attach slot fd[0] at str[0] in root; the target is made when missing, file or directory as the source is; num[2] propagation after; F_OPTIONAL as TREE; F_NOFOLLOW: a link at the end of str[0] is covered, not followed; a link in the slot is made anew */ \
	X(MOUNT_FS)     /* new file system str[0] at str[1] in root, source str[2] (0: none), SELinux label of its root str[3] (0: none), blob = options "k=v\0k\0"; num[0] attr_set, num[2] propagation; slot fd[0] <- the mount, unless none; F_COPY_UP; F_INHERIT_MODE: tmpfs without mode= takes the mode of what it covers */ \
	X(BIND_DIR)     /* bind the host directory str[1] at str[0] in root; attributes come with a REMOUNT of what it lies in */ \
	X(REMOUNT)      /* mount attributes of slot fd[0], or if none at str[0] in root: num[0] set, num[1] clear, num[2] propagation, F_RECURSIVE */ \
	X(UMOUNT)       /* what is mounted at str[0] in root, a clean path of which nothing may be a link */ \
	X(MKDIR)        /* str[0] in root with parents, mode num[0] */ \
	X(MKNOD)        /* str[0] in root; num[0] mode with S_IF*, num[1] major << 32 | minor, num[2] uid << 32 | gid; an equal one may exist */ \
	X(DEVICE_NODE)  /* unless str[0] is that device: slot fd[0] <- a file system with such a node, "d"; num as MKNOD, ids are the host's */ \
	X(DEVICE_BIND)  /* bind slot fd[0]'s "d", or if it is empty the host's node str[0], at str[0] in root (no mknod in user namespaces) */ \
	X(SYMLINK)      /* link str[1] in root -> str[0]; F_REPLACE: replace what is there */ \
	X(DEFAULT_DEVS) /* the nodes and links that every container gets, when /dev is not the host's; F_BIND: by binds */ \
	X(MASK)         /* hide str[0] in root: file by the host's verified /dev/null, directory by an empty read-only tmpfs, source str[2], blob = options as MOUNT_FS */ \
	X(READONLY)     /* str[0] in root read-only, recursively */ \
	X(CONSOLE)      /* new pty from the container's devpts: master to the launcher, slave as 0-2 and /dev/console; num[0] rows << 32 | columns; num[1] owner uid, F_NO_BIND */ \
	X(CONSOLE_CTTY) /* make fd 0 the controlling terminal */ \
	X(HOOK)         /* run str[0]; args list str[1] (num[0] of them), env list str[2] (num[1]); num[2] timeout seconds or 0; stdin = str[3] + pid + blob; num[3] = its place among those of its kind, for messages; F_FINAL_CAPS: startContainer */ \
	X(PIVOT)        /* leave the host's tree: pivot_root; F_CHROOT: only chroot; F_MOVE: MS_MOVE and chroot, and none of the host's mounts of the list str[1] (num[0] of them) remain */ \
	X(ROOT_ATTR)    /* attributes of "/" after PIVOT: num[0] set, num[2] propagation */ \
	X(NULL_STDIO)   /* 0-2 that are the host's /dev/null become the container's; num[0] bit i: i is known to be none, bit 8 + i: to be one */ \
	X(SCHEDULER)    /* blob = struct sched_attr, num[0] = its policy, for who tells of a failure */ \
	X(IOPRIO)       /* num[0] = class << 13 | priority */ \
	X(PERSONALITY)  /* num[0] */ \
	X(AFFINITY)     /* blob = cpu mask; F_TOLERATE */ \
	X(MEMPOLICY)    /* num[0] mode | flags, blob = node mask */ \
	X(UMASK)        /* num[0] */ \
	X(CWD)          /* chdir str[0] (F_MKDIR: made before when missing); verified to lie inside; F_RETRY: EACCES is retried by USER */ \
	X(USER)         /* num[0] uid, num[1] gid, blob = groups (u32[]); num[2] = 1: setgroups is denied; F_RETRY: str[0] = cwd to try again; num[3] = bounding set to keep; F_KEEP_CAPS, F_SAME_GROUPS, F_SAME_IDS */ \
	X(LOOKUP)       /* find the program: args list str[1] (num[0]), env list str[2] (num[1]); F_SET_HOME: HOME from passwd of uid num[2] */ \
	X(READY)        /* send READY; wait for GO PLAN_GO_READY; F_FIRST: until the program runs HUP, INT, QUIT and TERM end it */ \
	X(LISTEN)       /* wait for one `start` on the listening slot fd[0]; its connection takes the place of the sync socket */ \
	X(CAPS)         /* blob = struct plan_caps; F_HELD */ \
	X(NNP)          /* no_new_privs */ \
	X(SECCOMP)      /* blob = struct sock_filter[]; num[0] = SECCOMP_FILTER_FLAG_*; with NEW_LISTENER: send LISTENER, wait for GO PLAN_GO_LISTENER */ \
	X(EXEC)         /* become the program that LOOKUP found; num[0] = fds kept after 2 */
// clang-format on

enum plan_op {
	PLAN_NONE,
#define X(name) PLAN_##name,
	PLAN_OPS(X)
#undef X
		PLAN_N_OPS
};

enum plan_flag {
	PLAN_F_TOLERATE = 1 << 0,
	PLAN_F_RECURSIVE = 1 << 1,
	PLAN_F_OPTIONAL = 1 << 2,
	PLAN_F_CHROOT = 1 << 3,
	PLAN_F_MOVE = 1 << 4,
	PLAN_F_COPY_UP = 1 << 5,
	PLAN_F_INHERIT_MODE = 1 << 6,
	PLAN_F_REPLACE = 1 << 7,
	PLAN_F_BIND = 1 << 8,
	PLAN_F_NO_BIND = 1 << 9,
	PLAN_F_FINAL_CAPS = 1 << 10,
	PLAN_F_MKDIR = 1 << 11,
	PLAN_F_RETRY = 1 << 12,
	PLAN_F_KEEP_CAPS = 1 << 13,
	PLAN_F_SET_HOME = 1 << 14,
	PLAN_F_DIRECTORY = 1 << 15,      /* MOUNT_TREE: the source is known to be a directory */
	PLAN_F_NOFOLLOW = PLAN_F_CHROOT, /* TREE, MOUNT_TREE */
	PLAN_F_COPY_LINK = PLAN_F_MOVE,  /* TREE, MOUNT_TREE */
	PLAN_F_LOCKED = PLAN_F_BIND,     /* TREE */
	PLAN_F_SAME_GROUPS = PLAN_F_RECURSIVE, /* USER: the launcher has these groups */
	PLAN_F_SAME_IDS = PLAN_F_OPTIONAL,     /* USER: the launcher has these ids */
	PLAN_F_HELD = PLAN_F_OPTIONAL,         /* CAPS: the launcher has them all */
	PLAN_F_ALONE = PLAN_F_BIND,            /* OPEN */
	PLAN_F_FIRST =
		PLAN_F_OPTIONAL, /* READY: of a pid namespace, whom signals without a handler do not reach */
	PLAN_F_INSIDE =
		PLAN_F_REPLACE, /* ROOTFS of an exec: the root is the container's already; TREE */
	PLAN_F_IN_PLACE = PLAN_F_MOVE, /* ROOTFS: for hooks, which know its path */
	PLAN_F_LIVE =
		PLAN_F_BIND, /* ROOTFS: others run in there: no name is safe, and a plan that fails undoes its mounts */
};

struct plan_header {
	uint32_t magic;
	uint32_t version;
	uint32_t size;    /* of the whole block */
	uint32_t n_slots; /* table of int32_t right after this header */
	uint32_t n_steps; /* table of struct plan_step at steps */
	uint32_t steps;   /* offset, multiple of 8 */
};

struct plan_step {
	uint16_t op;
	uint16_t flags;
	int32_t fd[1];   /* slots */
	uint32_t str[4]; /* offsets of NUL-terminated strings; 0 = none */
	uint32_t blob;   /* offset of blob_len bytes, multiple of 8; 0 = none */
	uint32_t blob_len;
	uint64_t num[4];
};

/* A list of n strings is n NUL-terminated strings one after another; plan_check() counts them. */

struct plan_caps {
	uint64_t bounding;
	uint64_t effective;
	uint64_t permitted;
	uint64_t inheritable;
	uint64_t ambient;
};

/* Executor -> launcher: one SOCK_SEQPACKET message of exactly this size. */
enum plan_msg_type {
	PLAN_MSG_STARTED = 1, /* value = host pid; one fd: pidfd */
	PLAN_MSG_BARRIER,     /* value = id */
	PLAN_MSG_CONSOLE,     /* one fd: pty master */
	PLAN_MSG_WARN,        /* step, code, text */
	PLAN_MSG_READY,
	PLAN_MSG_LISTENER, /* value = fd of the seccomp filter's listener in the process */
	PLAN_MSG_ERROR,    /* step, code, text */
};

#define PLAN_MSG_TEXT 160

struct plan_msg {
	uint32_t magic;
	uint16_t type;
	uint16_t op;   /* of the step that failed */
	uint32_t step; /* its number */
	int32_t code;  /* negative errno; 0 with a text of its own */
	int32_t value;
	char text[PLAN_MSG_TEXT]; /* detail, NUL-terminated; may hold bytes from the container */
};

/* Launcher -> executor. */
enum plan_go_id {
	PLAN_GO_RECORDED = 1, /* the process is on record: set-up may go on */
	PLAN_GO_MAPS,         /* id maps are written */
	PLAN_GO_HOOKS,        /* prestart and createRuntime hooks have run */
	PLAN_GO_READY,        /* state is saved: LISTEN, or go on to the program */
	PLAN_GO_LISTENER,     /* the seccomp agent has the listener */
	PLAN_GO_START,        /* from `start` through LISTEN */
	PLAN_GO_NET_DEVICES,  /* the devices that it gets are in its network namespace */
	PLAN_GO_LIMITS, /* resource limits are set, while the process is still its launcher's user */
};

struct plan_go {
	uint32_t magic;
	uint32_t id;
};

/* Version of a plan that is whole and safe to carry out, else a negative errno (-EBADMSG). `n` is the real size. */
int plan_check(const void *data, size_t n);

/* Name of an op for messages; "?" beyond the list. */
const char *plan_op_name(unsigned op);
