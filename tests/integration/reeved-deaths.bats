#!/usr/bin/env bats
# Tasks inside of reeved, whose processes are killed at any moment: reeved_deaths.py says what is done and what must be true then.
#
# REEVE_FIRST=N repeats a run that was killed at system call N, REEVE_STRIDE=N sets how many calls lie between two deaths;
# REEVE_KILLS=N is how many workers die while bytes flow (100).

load lib

setup_file() {
	"$TOP/tools/mkbundle" "$BATS_FILE_TMPDIR/bundle"
}

teardown() {
	# The recorder's; where it was off there is none.
	umount "$BATS_TEST_TMPDIR/d/d/bpf" 2>/dev/null || true
}

deaths() { # CASE
	within 300 python3 "$TOP/tests/integration/reeved_deaths.py" "$1" "$BATS_TEST_TMPDIR/d" "$BATS_FILE_TMPDIR/bundle" 3>&-
}

@test "MGR-33: the worker is killed at any system call of a task's life" {
	deaths every_call
}

@test "MGR-35: guardian and worker are killed, and the kernel has recorded how processes end meanwhile" {
	deaths both_killed_with_recorder
}

@test "MGR-35: without the recorder it is 255, and the log says why" {
	deaths both_killed_without
}

@test "MGR-35: what has outlived a guardian ends while there is no worker: its status is known without the recorder" {
	deaths an_orphan_ends_unseen
}

@test "MGR-38: no byte is lost or comes twice while workers die and are replaced" {
	deaths no_byte_is_lost
}

@test "MGR-38: nor on a terminal, with a reader that keeps up and one that is behind" {
	deaths no_byte_is_lost_on_a_terminal
}
