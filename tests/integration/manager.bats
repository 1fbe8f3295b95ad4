#!/usr/bin/env bats
# The task manager: bundles, launch, clean-up and load of tasks behind shims. Each MGR-n of the reference that needs no
# gRPC is a test of that name; the cases are in manager.py.
#
# REEVE_STRIDE=1 kills the manager at every system call of a life, not at some of them; REEVE_FIRST=N begins there.

load lib.bash

setup_file() {
	"$TOP/tools/mkbundle" "$BATS_FILE_TMPDIR/template"
	ORPHANS_BEFORE=" $(ps -o pid= --ppid 1 | paste -sd' ' | tr -s ' ') "
	export ORPHANS_BEFORE
}

setup() {
	RT_ROOT=/run/containerd/reeve/reeve-test
	mkdir -p "$RT_ROOT"
	mount_points >"$BATS_TEST_TMPDIR/mounts"
}

teardown() {
	nothing_left
}

case_of() {
	run python3 -B "$TOP/tests/integration/manager.py" "$1" "$BATS_TEST_TMPDIR/w" "$BATS_FILE_TMPDIR/template"
	[ "$status" = 0 ] || fail "$output
$(tail -n 30 "$BATS_TEST_TMPDIR/w/log")"
	echo "$output" | grep '^#' >&3 || true
}

# bats test_tags=smoke
@test "MGR-1: ids and namespaces outside of the grammar make nothing" {
	case_of mgr_1
}

@test "MGR-2: modes and owners are containerd's, whatever the umask" {
	case_of mgr_2
}

@test "MGR-3: a second create of an id leaves the first untouched" {
	case_of mgr_3
}

@test "MGR-4: a failure at any step of making a bundle leaves nothing" {
	case_of mgr_4
}

@test "MGR-5: kill -9 at any step of making and removing a bundle leaves nothing" {
	case_of mgr_5
}

@test "MGR-6: a stale work directory is replaced" {
	case_of mgr_6
}

@test "MGR-7: removing never crosses a mount, and works once it is not busy" {
	case_of mgr_7
}

@test "MGR-8: removing twice is removing once" {
	case_of mgr_8
}

@test "MGR-9: names of runtimes" {
	case_of mgr_9
}

@test "MGR-10: garbage, failure, hanging and an output that stays open are bounded errors" {
	case_of mgr_10
}

@test "MGR-11: options reach the shim's input, the task's before the container's" {
	case_of mgr_11
}

@test "MGR-12: plain, JSON and protobuf answers, version 3 and back, no version 4" {
	case_of mgr_12
}

@test "a second task joins a running shim" {
	case_of grouping
}

@test "MGR-13: a failed create is cleaned up in order, once, and tells nothing" {
	case_of mgr_13
}

@test "MGR-14: a process left at its start barrier is dead, its cgroup gone" {
	case_of mgr_14
}

@test "MGR-14: a create that a hook ends, late or not at all run, has the status that runc's shim tells" {
	case_of mgr_14_hooks
}

@test "MGR-15: the order of a delete" {
	case_of mgr_15
}

@test "MGR-16: a delete that nobody waits for comes to its end" {
	case_of mgr_16
}

@test "MGR-17: a shim that has no such task is shut down all the same" {
	case_of mgr_17
}

@test "MGR-18: of many deletes one succeeds" {
	case_of mgr_18
}

@test "MGR-19: what runs is not deleted" {
	case_of mgr_19
}

@test "MGR-20: a shim is killed: one exit, one delete, nothing left" {
	case_of mgr_20
}

@test "MGR-21: a shim dies during Delete, Create, Exec and Shutdown" {
	case_of mgr_21
}

@test "MGR-22: a clean-up that fails is tried again" {
	case_of mgr_22
}

@test "MGR-23: after a delete that succeeded no exit is told" {
	case_of mgr_23
}

@test "MGR-24: what is no bundle harms nobody" {
	case_of mgr_24
}

@test "MGR-25: a container that nobody knows is ended by its cgroup" {
	case_of mgr_25
}

@test "MGR-26: a shim that died while no manager looked" {
	case_of mgr_26
}

@test "MGR-27: shims that never answer hold nobody up" {
	case_of mgr_27
}

@test "MGR-28: a shim without its task is ended, one that cannot tell is kept" {
	case_of mgr_28
}

@test "MGR-29: a bad namespace affects no other" {
	case_of mgr_29
}

@test "MGR-30: work directories of unknown tasks are removed" {
	case_of mgr_30
}

@test "MGR-31: 1000 shims are loaded at the same time" {
	case_of mgr_31
}

@test "a task that has ended outlives the manager" {
	case_of stopped_is_kept
}

@test "one manager at a time" {
	case_of two_managers
}

@test "whole lives behind our shim, across a restart of the manager" {
	case_of lives_ours
}

@test "whole lives behind containerd's shim of 1.6" {
	case_of lives_runc
}

@test "whole lives behind containerd's shim of 2.1" {
	case_of lives_runc_sid
}

@test "two containers of a pod behind one shim" {
	case_of pod
}

@test "what a runtime had made when it was killed is removed, and nothing else" {
	case_of crash_cgroups
}

@test "the manager is killed at system calls of a life: nothing lost, nothing left" {
	case_of crash_points
}

@test "the same with a real container" {
	case_of crash_points_ours
}

@test "the same with containerd's shim of 2.1, which leaves no address" {
	case_of crash_points_runc
}
