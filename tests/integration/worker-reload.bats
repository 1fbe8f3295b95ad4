#!/usr/bin/env bats
# The shim's worker is killed, and everything is still there: seen by a client that connects again, where containerd would
# clean up (worker-kill.bats). The cases are in shim_reload.py.
#
# REEVE_STRIDE=1 kills at every system call of a life, not at some of them.

load lib.bash

setup_file() {
	"$TOP/tools/mkbundle" "$BATS_FILE_TMPDIR/template"
}

teardown() {
	equal "$(find /run/containerd/reeve -mindepth 2 -maxdepth 2 2>/dev/null)" "" "state directories"
}

case_of() {
	run python3 -B "$TOP/tests/integration/shim_reload.py" "$1" "$BATS_TEST_TMPDIR/shim" "$BATS_FILE_TMPDIR/template"
	[ "$status" = 0 ] || fail "$output"
	echo "$output" | grep '^#' >&3 || true
}

# bats test_tags=smoke
@test "a created container outlives workers, and starts" {
	case_of created_survives
}

@test "an exit while no worker looks is told with its status" {
	case_of an_exit_meanwhile_is_told
}

@test "poststart hooks run once" {
	case_of hooks_run_once
}

@test "the log of a group goes where the worker's before went" {
	case_of the_log_follows
}

@test "no byte of input or output is lost or repeated" {
	case_of no_byte_is_lost
}

@test "killed at the system calls of a whole life" {
	case_of every_call
}
