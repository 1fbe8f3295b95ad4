#!/usr/bin/env bats
# The runtime is killed as it enters its n-th system call, for every n: whatever is left, `delete --force` removes it.
# shellcheck disable=SC2154 # output, status: bats

load lib

setup_file() {
	runtime_setup_file
}

setup() {
	not_for runc crun -- "is not ours to kill"
	runtime_setup
}

teardown() {
	runtime_teardown
}

# Nothing of this container: no state, no cgroup, no process.
nothing_left() { # WHAT
	local left
	[ ! -e "$RT_ROOT/$ID" ] || fail "$1: state is left: $(ls "$RT_ROOT/$ID")"
	left=$(find /sys/fs/cgroup -type d -path "*/test/$ID" 2>/dev/null)
	[ -z "$left" ] || fail "$1: left: $left"
}

# every_kill SCRIPT-BEFORE COMMAND...: run COMMAND killed at call 1, 2, ... until it ends by itself.
every_kill() {
	local before=$1 n status=137
	shift
	for ((n = 1; status == 137; n++)); do
		$before >/dev/null 2>&1
		status=0
		within 30 "$TOP/build/tests/lib/killat" "$n" "$RT" --root "$RT_ROOT" "$@" </dev/null >"$BATS_TEST_TMPDIR/out" 2>&1 || status=$?
		within 30 "$RT" --root "$RT_ROOT" delete --force "$ID" >"$BATS_TEST_TMPDIR/delete" 2>&1 ||
			fail "killed at call $n: delete --force: $(cat "$BATS_TEST_TMPDIR/delete")"
		nothing_left "killed at call $n"
		[ "$n" -lt 2000 ] || fail "no end"
	done
	[ "$n" -gt 20 ] || fail "only $n calls: $(cat "$BATS_TEST_TMPDIR/out")"
	equal "$status" 0 "status without a kill ($(cat "$BATS_TEST_TMPDIR/out"))"
	echo "# killed at each of $((n - 2)) calls" >&3
}

created() {
	ct_create
}

started() {
	ct_start
}

ended() {
	ct_start
	rt kill "$ID" KILL
}

@test "create can be killed at every system call" {
	bundle '.process.args = ["/bin/sleep", "1000"]'
	every_kill true create --bundle "$B" "$ID"
}

@test "start can be killed at every system call" {
	bundle '.process.args = ["/bin/sleep", "1000"]'
	every_kill created start "$ID"
}

@test "exec can be killed at every system call" {
	bundle '.process.args = ["/bin/sleep", "1000"]'
	every_kill started exec "$ID" /bin/true
}

@test "kill can be killed at every system call" {
	bundle '.process.args = ["/bin/sleep", "1000"]'
	every_kill started kill "$ID" KILL
}

@test "delete can be killed at every system call" {
	bundle '.process.args = ["/bin/sleep", "1000"]'
	every_kill created delete --force "$ID"
}
