/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Exit recorder: the programs in the kernel, one of which is attached. At the end of a process whose entry is armed it
 * writes into that entry how it ended.
 *
 * None adds an entry: what allocates at exit can fail at exit. The kernel leaves out a run of a tracing program on a
 * processor where another run of it is under way. So the first choice is a place where no two runs ever are: the function
 * that tells a parent is called with tasklist_lock held for writing, of each process once it is a zombie without threads,
 * and of nobody who is not wanted here. The other choice is a tracepoint, which Linux 7.0 made a place where who runs can be
 * preempted, and then whoever ends on that processor meanwhile is left out; before 7.0 it is as good.
 *
 * At the tracepoint a process has ended when its last thread has (signal->live == 0), and its status is chosen as wait(2)
 * chooses it. What surprises: two threads that leave together may both see no other. Before Linux 5.18 the status is then
 * the leader's, who may not have set it yet when the other looks; so the leader, when it is one of those, has the last word.
 *
 * Built by clang for the target bpf; offsets are those of the running kernel (CO-RE), so the structures below hold only
 * what is read. Kernel: 5.14 to 7.2, BTF.
 */
typedef unsigned char __u8;
typedef unsigned short __u16;
typedef unsigned int __u32;
typedef unsigned long long __u64;
typedef signed int __s32;
typedef signed long long __s64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u32 __wsum;

/* Of <linux/bpf.h>, which wants headers of the host's architecture. */
enum { BPF_MAP_TYPE_HASH = 1, BPF_F_NO_PREALLOC = 1 };

#include <bpf/bpf_helpers.h>

#include <bpf/bpf_core_read.h>

#include "exit/recorder_map.h"

#define KERNEL __attribute__((preserve_access_index))
#define SIGNAL_GROUP_EXIT 4u
#define SIGKILL 9
#define TICK_NS 10000000ull /* USER_HZ is 100 on every architecture that we know */

enum pid_type { PIDTYPE_PID, PIDTYPE_TGID };

struct mm_struct;

struct pid {
	__u64 ino; /* 6.9 */
} KERNEL;

struct signal_struct {
	struct {
		int counter;
	} live;
	struct pid *pids[4];
	int group_exit_code;
	__u32 flags;
	struct mm_struct *oom_mm;
} KERNEL;

struct task_struct {
	int exit_code;
	int tgid;
	__u64 start_boottime;
	struct task_struct *group_leader;
	struct signal_struct *signal;
} KERNEL;

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* As before 6.9, whatever the kernel has: for tests. */
const volatile __u32 by_start = 0;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, RECORDER_ENTRIES);
	__type(key, struct recorder_key);
	__type(value, struct recorder_value);
} reeve_exits SEC(".maps");

static __always_inline void key_of(struct task_struct *leader, struct recorder_key *ret)
{
	struct pid *pid = BPF_CORE_READ(leader, signal, pids[PIDTYPE_TGID]);

	ret->id = 0;
	ret->start = 0;
	if (!by_start && bpf_core_field_exists(pid->ino)) {
		ret->id = BPF_CORE_READ(pid, ino);
		return;
	}
	ret->id = (__u32)BPF_CORE_READ(leader, tgid);
	ret->start = BPF_CORE_READ(leader, start_boottime) / TICK_NS;
}

static __always_inline void write_end(
	struct recorder_value *v, struct task_struct *leader, struct signal_struct *signal)
{
	int status;

	if (BPF_CORE_READ(signal, flags) & SIGNAL_GROUP_EXIT)
		status = BPF_CORE_READ(signal, group_exit_code);
	else
		status = BPF_CORE_READ(leader, exit_code);
	v->wait_status = status;
	v->boot_ns = bpf_ktime_get_boot_ns();
	v->tgid = (__u32)BPF_CORE_READ(leader, tgid);
	v->start_boot_ns = BPF_CORE_READ(leader, start_boottime);
	v->flags = (status & 0x7f) == SIGKILL && BPF_CORE_READ(signal, oom_mm) ? RECORDER_OOM : 0;
	barrier(); /* who reads it knows that the process is gone: no more order is needed */
	v->state = RECORDER_ENDED;
}

/* Called again when the parent of a zombie ends, and of traced threads: what is recorded stays. */
SEC("fentry/do_notify_parent")
int reeve_end(struct { __u64 arg[2]; } * ctx)
{
	struct task_struct *task = (struct task_struct *)ctx->arg[0];
	struct signal_struct *signal = BPF_CORE_READ(task, signal);
	struct recorder_value *v;
	struct recorder_key key;

	if (BPF_CORE_READ(task, group_leader) != task || BPF_CORE_READ(signal, live.counter) != 0)
		return 0;
	key_of(task, &key);
	v = bpf_map_lookup_elem(&reeve_exits, &key);
	if (v && v->state == RECORDER_ARMED)
		write_end(v, task, signal);
	return 0;
}

SEC("raw_tp/sched_process_exit")
int reeve_exit(struct { __u64 arg[1]; } * ctx)
{
	struct task_struct *task = (struct task_struct *)ctx->arg[0];
	struct task_struct *leader = BPF_CORE_READ(task, group_leader);
	struct signal_struct *signal = BPF_CORE_READ(task, signal);
	struct recorder_value *v;
	struct recorder_key key;

	if (BPF_CORE_READ(signal, live.counter) != 0)
		return 0;
	key_of(leader, &key);
	v = bpf_map_lookup_elem(&reeve_exits, &key);
	if (v && (v->state == RECORDER_ARMED || task == leader))
		write_end(v, leader, signal);
	return 0;
}
