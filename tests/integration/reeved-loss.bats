#!/usr/bin/env bats
# The state directory of reeved is lost, as when somebody clears /run; reeved_loss.py says what is done and what must be true then.

load lib

setup_file() {
	"$TOP/tools/mkbundle" "$BATS_FILE_TMPDIR/bundle"
}

loss() { # CASE
	within 120 python3 "$TOP/tests/integration/reeved_loss.py" "$1" "$BATS_TEST_TMPDIR/d" "$BATS_FILE_TMPDIR/bundle" 3>&-
}

@test "while it runs: it makes the directory again, and tasks go on" {
	loss while_it_runs
}

@test "while it is down and the guardian holds tasks: the next start finds it, and how they ended" {
	loss while_it_is_down
}

@test "with all of reeved killed: tasks that nobody knows any more are ended, and named" {
	loss all_killed
}

@test "a task that was not started when its guardian dies has not succeeded" {
	loss created_when_the_guardian_dies
}
