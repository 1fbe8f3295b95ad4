#!/usr/bin/env bats
# The end of a shim, without containerd between: its `delete` action, and how it leaves by itself. shim_end.py holds the
# cases.

load lib

setup_file() {
	[ "${SHIM:-reeve}" = reeve ] || skip "peer shim $SHIM: tells 137 of everybody"
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
	equal "$(find /run/containerd/s -type s)" "" "sockets"
}

end() {
	python3 -B "$TOP/tests/integration/shim_end.py" "$1" "$BATS_TEST_TMPDIR/shim" "$BATS_FILE_TMPDIR/template"
}

@test "delete when everything is gone: quick, quiet, the same each time" {
	end delete_when_everything_is_gone
}

@test "delete after the shim was killed tells the true exits" {
	end delete_after_the_shim_was_killed
}

@test "delete of a member of a group touches no other" {
	end delete_of_a_member_touches_no_other
}

@test "delete of a container that is still served: no second exit" {
	end delete_of_one_that_is_served
}

@test "delete with a damaged record" {
	end a_damaged_bundle_is_cleaned_up
}

@test "a shim that nobody ends leaves by itself" {
	end a_shim_that_nobody_ends
}

@test "a stopped task keeps its shim" {
	end a_task_that_is_there_keeps_its_shim
}
