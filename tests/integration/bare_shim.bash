# shellcheck shell=bash
# Cases of a Python program that speaks ttrpc to a shim itself, without containerd between. Sourced after lib.bash by a
# file that runs nothing else.

setup_file() {
	# The cases ask for texts, limits and exits that containerd's own shim has otherwise, or has not.
	[ "${SHIM:-reeve}" = reeve ] || skip "peer shim $SHIM: has texts and limits of its own"
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

# bare PROGRAM CASE
bare() {
	python3 -B "$TOP/tests/integration/shim_$1.py" "$2" "$BATS_TEST_TMPDIR/shim" "$BATS_FILE_TMPDIR/template"
}
