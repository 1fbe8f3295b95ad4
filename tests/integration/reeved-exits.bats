#!/usr/bin/env bats
# Exits of tasks inside of reeved: more at a time than there is room for, and numbers of processes that are used again;
# reeved_exits.py does it.
#
# REEVE_EXITS=N is how many processes end in one moment (4400: a guardian has room for 4095).

load lib

setup() {
	"$TOP/tools/mkbundle" "$BATS_TEST_TMPDIR/bundle"
}

exits() { # CASE
	run -0 within 300 python3 "$TOP/tests/integration/reeved_exits.py" "$1" "$BATS_TEST_TMPDIR/d" "$BATS_TEST_TMPDIR/bundle" 3>&-
	{ grep '^#' <<<"$output" || true; } >&3
}

@test "MGR-32: every way to end is told as wait tells it, of execs and tasks" {
	exits statuses_are_those_of_wait
}

@test "MGR-37: more end than there is room for while the worker is stopped, and none is lost" {
	exits ring_overflows_while_stopped
}

@test "MGR-37: nor when the worker is killed then" {
	exits ring_overflows_and_the_worker_is_killed
}

@test "MGR-36: a number that is used again while the worker is stopped or dead is nobody's of ours" {
	exits numbers_are_used_again
}

@test "MGR-36: nor one that is used again while there is no reeved at all" {
	exits numbers_are_used_again_while_nobody_looks
}
