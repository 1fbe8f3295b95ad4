#!/usr/bin/env bats
# The runtime is killed as it enters its n-th system call, for every n, and again with each call that may fail failing in
# each of five ways; with `all` the calls of the executor that it starts count as well. Nothing hangs, and whatever is
# left, `delete --force` removes. docs/crash-matrix.md has the table that this prints.
# shellcheck disable=SC2154 # output, status: bats

load lib

setup_file() {
	runtime_setup_file
}

setup() {
	not_for runc crun -- "is not ours to kill"
	runtime_setup
	bundle '.process.args = ["/bin/sleep", "1000"]'
}

teardown() {
	runtime_teardown
}

# Something of this container: state, a cgroup. (Processes: runtime_teardown.)
something_left() {
	{ [ ! -e "$RT_ROOT/$ID" ] || echo "state: $(ls "$RT_ROOT/$ID")"; } && find /sys/fs/cgroup -type d -path "*/test/$ID" 2>/dev/null
}

force_delete() { # WHAT
	local left
	within 30 "$RT" --root "$RT_ROOT" delete --force "$ID" >"$BATS_TEST_TMPDIR/delete" 2>&1 || fail "$1: delete --force: $(cat "$BATS_TEST_TMPDIR/delete")"
	left=$(something_left)
	[ -z "$left" ] || fail "$1: left: $left"
}

# every_fault kill|ERROR one|all BEFORE COMMAND...: run COMMAND with the fault at its call 1, 2, ... until it meets none.
every_fault() {
	local fault=$1 whose=$2 before=$3 n status what met=0 options=() done=0 failed=0 removed=0
	shift 3
	[ "$fault" = kill ] || options+=(-e "$fault")
	[ "$whose" = one ] || options+=(-f)
	for ((n = 1; ; n++)); do
		"$before" >/dev/null 2>&1
		status=0
		within 30 "$LIB/killat" "${options[@]}" -o "$BATS_TEST_TMPDIR/met" "$n" "$RT" --root "$RT_ROOT" "$@" \
			</dev/null >"$BATS_TEST_TMPDIR/out" 2>&1 || status=$?
		met=$(<"$BATS_TEST_TMPDIR/met")
		what="$fault at call $n ($met), status $status"
		[ "$status" -ne 124 ] || fail "$what: it hangs"
		[ "$met" != none ] || break
		if [ "$fault" != kill ] && [ "$status" -ne 0 ] && [ "$status" -lt 128 ]; then
			[ -s "$BATS_TEST_TMPDIR/out" ] || fail "$what: and not a word"
		fi
		case $status in
		0) done=$((done + 1)) ;;
		*) if [ -z "$(something_left)" ]; then removed=$((removed + 1)); else failed=$((failed + 1)); fi ;;
		esac
		force_delete "$what"
	done
	equal "$status" 0 "status without a fault ($(cat "$BATS_TEST_TMPDIR/out"))"
	force_delete "without a fault"
	echo "# | $1 | $fault | $whose | $((n - 1)) | $done | $removed | $failed |" >&3
}

created() {
	ct_create
}

started() {
	ct_start
}

# faults_in BEFORE COMMAND...: each fault, in the runtime alone when it is killed, and in whatever it starts.
faults_in() {
	local fault
	for fault in kill ENOMEM ENOSPC EMFILE EINTR EAGAIN; do
		every_fault "$fault" all "$@"
	done
}

@test "create fails or is killed at every system call" {
	faults_in true create --bundle "$B" "$ID"
}

@test "start fails or is killed at every system call" {
	faults_in created start "$ID"
}

@test "exec fails or is killed at every system call" {
	faults_in started exec "$ID" /bin/true
}

@test "kill fails or is killed at every system call" {
	faults_in started kill "$ID" KILL
}

@test "delete fails or is killed at every system call" {
	faults_in created delete --force "$ID"
}
