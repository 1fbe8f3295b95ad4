#!/usr/bin/env bats
# The systemd cgroup driver in the shim, under the containerd of the machine. Only for tests/integration/guest.

load ../integration/lib.bash
load ../integration/containerd.bash

setup_file() {
	ORPHANS_BEFORE=" $(ps -o pid= --ppid 1 | paste -sd' ' | tr -s ' ') "
	containerd_up "$BATS_FILE_TMPDIR/cd"
	ORPHANS_BEFORE+="$CONTAINERD_PID "
	export ORPHANS_BEFORE
	"$TOP/tools/mkimage" --name "$IMAGE" "$BATS_FILE_TMPDIR/image.tar"
	ctr image import "$BATS_FILE_TMPDIR/image.tar"
	echo 'SystemdCgroup = true' >"$BATS_FILE_TMPDIR/options"
}

teardown_file() {
	containerd_stop
}

setup() {
	ID=c$BATS_TEST_NUMBER
	UNIT=reeve-$ID.scope
}

teardown() {
	containerd_sweep
	containerd_nothing_left
	equal "$(systemctl list-units --all --no-legend --plain 'reeve-c*')" "" units
}

# in_scope ID [OPTION...] -- COMMAND...: in the background of containerd.
in_scope() {
	local id=$1 options=()
	shift
	while [ "$1" != -- ]; do options+=("$1") && shift; done
	shift
	ctr run --detach --runtime "$SHIM_RUNTIME" --runtime-config-path "$BATS_FILE_TMPDIR/options" --cgroup "system.slice:reeve:$id" \
		"${options[@]}" "$IMAGE" "$id" "$@" </dev/null 3>&-
}

show() {
	systemctl show -P "$1" "$UNIT"
}

@test "a task is in its scope, its execs too, and delete ends the unit" {
	in_scope "$ID" --memory-limit 67108864 -- /bin/sleep 1000
	task_is "$ID" RUNNING
	equal "$(sed -n 's/^0:://p' "/proc/$(task_pid "$ID")/cgroup")" "/system.slice/$UNIT"
	equal "$(show ActiveState)" active
	equal "$(show Delegate)" yes
	equal "$(show MemoryMax)" 67108864
	equal "$(cat "/sys/fs/cgroup/system.slice/$UNIT/cgroup.procs")" "$(task_pid "$ID")"
	run -0 ctr task exec --exec-id e "$ID" /bin/sh -c 'cat /proc/self/cgroup' </dev/null
	contains "$output" "0::/"
	ctr task pause "$ID"
	task_is "$ID" PAUSED
	systemctl daemon-reload
	task_is "$ID" PAUSED
	ctr task resume "$ID"
	run -0 ctr task metrics "$ID"
	contains "$output" memory
	ctr task kill --signal KILL "$ID"
	wait_until 10 task_is "$ID" STOPPED
	ctr task rm "$ID"
	ctr container rm "$ID"
	equal "$(show LoadState)" not-found
}

@test "run passes output and status on" {
	run -7 ctr run --rm --runtime "$SHIM_RUNTIME" --runtime-config-path "$BATS_FILE_TMPDIR/options" --cgroup "system.slice:reeve:$ID" \
		"$IMAGE" "$ID" /bin/sh -c 'echo out; exit 7' </dev/null 3>&-
	contains "$output" out
}

@test "an OOM kill is told, though the scope goes with its last process" {
	local events=$BATS_TEST_TMPDIR/events pid
	command ctr events >"$events" 2>/dev/null 3>&- &
	pid=$!
	heard() { ctr namespace label "$CONTAINERD_NAMESPACE" "x=$EPOCHREALTIME" && [ -s "$events" ]; }
	wait_until 20 heard
	in_scope "$ID" --memory-limit 16777216 -- /bin/sh -c 'head -c 64000000 /dev/zero | tail -c 60000000 >/dev/null; exit 3'
	wait_until 10 grep -q /tasks/exit "$events"
	kill "$pid"
	equal "$(grep -oE '/tasks/(oom|exit)' "$events" | head -n 1)" /tasks/oom
	ctr task rm "$ID" || true
}

@test "a shim that is killed: containerd's clean-up ends the unit" {
	in_scope "$ID" -- /bin/sleep 1000
	kill -KILL "$(shims)"
	wait_until 20 eval '[ "$(show LoadState)" = not-found ]'
}

# Its guardian starts another one, but containerd has seen the end of its connection.
@test "a worker that is killed: containerd's clean-up ends the unit" {
	in_scope "$ID" -- /bin/sleep 1000
	kill -KILL "$(shim_workers)"
	wait_until 20 eval '[ "$(show LoadState)" = not-found ]'
}

@test "a cgroup of another form is refused by name" {
	run ctr run --rm --runtime "$SHIM_RUNTIME" --runtime-config-path "$BATS_FILE_TMPDIR/options" "$IMAGE" "$ID" /bin/true </dev/null
	[ "$status" != 0 ]
	contains "$output" '"slice:prefix:name"'
	ctr container rm "$ID" || true
}
