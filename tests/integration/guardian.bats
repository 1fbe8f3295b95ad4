#!/usr/bin/env bats
# The two processes of a shim under an unmodified containerd: who is whose parent, and what happens when one of them is
# killed. shim_guardian.py holds the cases that need a client of our own.

load lib.bash
load containerd.bash

setup_file() {
	[ "$SHIM" = reeve ] || skip "peer shim $SHIM: has no guardian"
	ORPHANS_BEFORE=" $(ps -o pid= --ppid 1 | paste -sd' ' | tr -s ' ') "
	containerd_up "$BATS_FILE_TMPDIR/cd"
	ORPHANS_BEFORE+="$CONTAINERD_PID "
	export ORPHANS_BEFORE
	"$TOP/tools/mkimage" --name "$IMAGE" "$BATS_FILE_TMPDIR/image.tar"
	"$TOP/tools/mkbundle" "$BATS_FILE_TMPDIR/template"
	ctr image import "$BATS_FILE_TMPDIR/image.tar"
}

teardown_file() {
	containerd_stop
}

setup() {
	ID=c$BATS_TEST_NUMBER
}

teardown() {
	containerd_sweep
	containerd_nothing_left
}

parent() { # PID
	sed -n 's/^PPid:[[:space:]]*//p' "/proc/$1/status"
}

field() { # PID NAME: kB of its status
	sed -n "s/^$2:[[:space:]]*\([0-9]*\).*/\1/p" "/proc/$1/status"
}

# What Connect says is the shim's pid.
connect_pid() { # ID
	python3 -B - "$TOP/tests/lib" "$(cat "$CD/state/io.containerd.runtime.v2.task/$CONTAINERD_NAMESPACE/$1/address")" "$1" <<-'PYTHON'
		import os, sys
		sys.path.insert(0, sys.argv[1])
		from shim_client import Connection, first
		with Connection(sys.argv[2].removeprefix("unix://")) as c:
		    print(first(c.ok("Connect", [(1, sys.argv[3])]), 1))
	PYTHON
}

# events_begin: what containerd publishes goes to a file from here on.
events_begin() {
	command ctr events >"$BATS_TEST_TMPDIR/events" 2>&1 </dev/null 3>&- &
	EVENTS=$!
	wait_until 10 eval "ctr image label $IMAGE k=\$(date +%N) >/dev/null; grep -q images/update '$BATS_TEST_TMPDIR/events'"
}

# events_end ID STATUS: the exit of its init was told once, with this status.
events_end() {
	wait_until 10 grep -q "/tasks/delete.*\"$1\"" "$BATS_TEST_TMPDIR/events" || cat "$BATS_TEST_TMPDIR/events"
	kill "$EVENTS"
	grep "/tasks/exit.*\"$1\"" "$BATS_TEST_TMPDIR/events" || fail "no exit"
	equal "$(grep -c "/tasks/exit.*\"$1\"" "$BATS_TEST_TMPDIR/events")" 1 "exit events"
	contains "$(grep "/tasks/exit.*\"$1\"" "$BATS_TEST_TMPDIR/events")" "\"exit_status\":$2,"
}

case_of() {
	python3 -B "$TOP/tests/integration/shim_guardian.py" "$1" "$BATS_TEST_TMPDIR/shim" "$BATS_FILE_TMPDIR/template"
}

# --- who is who ---

@test "the guardian is the shim to containerd, and parent of worker, init and execs" {
	local guardian worker exec_pid
	start_in "$ID" /bin/sleep 1000
	guardian=$(shims)
	worker=$(shim_workers)
	equal "$(connect_pid "$ID")" "$guardian" "what Connect says"
	equal "$(parent "$worker")" "$guardian" "parent of the worker"
	equal "$(parent "$(task_pid "$ID")")" "$guardian" "parent of init"
	ctr task exec --detach --exec-id e1 "$ID" /bin/sleep 999 </dev/null 3>&-
	wait_until 10 pgrep -x -P "$guardian" -f '/bin/sleep 999'
	exec_pid=$(pgrep -x -P "$guardian" -f '/bin/sleep 999')
	[ -n "$exec_pid" ]
	equal "$(cat "/proc/$guardian/comm")" reeve-guardian
	equal "$(cat "/proc/$worker/comm")" containerd-shim
	equal "$(tr '\0' ' ' <"/proc/$guardian/cmdline")" "$(tr '\0' ' ' <"/proc/$worker/cmdline")" "arguments"
	# nothing of theirs is a child of the worker
	equal "$(pgrep -P "$worker")" "" "children of the worker"
}

@test "an orphan in a container without a pid namespace of its own goes to the guardian, who reaps it" {
	local guardian orphan
	ctr run --detach --runtime "$SHIM_RUNTIME" --with-ns "pid:/proc/$$/ns/pid" "$IMAGE" "$ID" \
		/bin/sh -c '(sleep 998 &) ; exec sleep 1000' </dev/null 3>&-
	guardian=$(shims)
	wait_until 10 pgrep -P "$guardian" -x -f 'sleep 998' # and not the shell that has the words in its command
	orphan=$(pgrep -P "$guardian" -x -f 'sleep 998')
	kill -KILL "$orphan"
	wait_until 10 eval "[ ! -e /proc/$orphan ]"
	task_is "$ID" RUNNING
}

@test "both have containerd's OOM score and one more, and the same cgroups" {
	local want pid
	start_in "$ID" /bin/sleep 1000
	want=$(($(cat "/proc/$(cat "$CD/pid")/oom_score_adj") + 1))
	for pid in $(shims) $(shim_workers); do
		equal "$(cat "/proc/$pid/oom_score_adj")" "$want" "score of $(cat "/proc/$pid/comm")"
	done
	equal "$(cat "/proc/$(shims)/cgroup")" "$(cat "/proc/$(shim_workers)/cgroup")"
}

@test "they are small" {
	local private
	start_in "$ID" /bin/sleep 1000
	ctr task exec --exec-id e1 "$ID" /bin/true </dev/null
	[ "$(field "$(shims)" VmRSS)" -le 40 ] || fail "VmRSS of the guardian: $(field "$(shims)" VmRSS) kB"
	private=$(awk '/^Private_Dirty:/ { n += $2 } END { print n }' "/proc/$(shim_workers)/smaps_rollup")
	[ "$private" -le 300 ] || fail "private dirty of the worker: $private kB"
}

@test "exits of many processes, and of those that they leave, all arrive" {
	local i
	start_in "$ID" /bin/sleep 1000
	for i in $(seq 20); do
		run -$((i % 7)) ctr task exec --exec-id "e$i" "$ID" /bin/sh -c "(sleep 0.01 &); exit $((i % 7))" </dev/null
	done
	wait_until 10 eval '[ "$(pgrep -P "$(shims)" | grep -vxF "$(shim_workers)")" = "$(task_pid "$ID")" ]' ||
		fail "children of the guardian: $(pgrep -a -P "$(shims)")"
}

# --- the guardian is killed ---

@test "killing the guardian ends the shim in the open: containerd cleans up" {
	local pid worker
	start_in "$ID" /bin/sleep 1000
	pid=$(task_pid "$ID")
	worker=$(shim_workers)
	events_begin
	kill -KILL "$(connect_pid "$ID")"
	wait_until 10 gone "$pid"
	wait_until 10 gone "$worker"
	wait_until 10 eval "[ -z \"\$(ctr task ls -q)\" ]"
	events_end "$ID" 137
}

@test "a task that had ended before keeps its status" {
	ctr run --detach --runtime "$SHIM_RUNTIME" "$IMAGE" "$ID" /bin/sh -c 'exit 7' </dev/null 3>&-
	wait_until 10 task_is "$ID" STOPPED
	events_begin
	kill -KILL "$(shims)"
	wait_until 10 eval "[ -z \"\$(ctr task ls -q)\" ]"
	events_end "$ID" 7
}

@test "an exit that the guardian had not reaped is told by the pidfd, where the kernel can" {
	local pid guardian want=9
	# Before Linux 6.15 nobody knows: then it is as of one that the clean-up had to kill.
	[ "$(printf '%s\n' 6.15 "$(uname -r)" | sort -V | head -n 1)" = 6.15 ] || want=137
	start_in "$ID" /bin/sh -c 'trap "exit 9" USR1; while :; do sleep 0.05; done'
	pid=$(task_pid "$ID")
	guardian=$(shims)
	wait_until 10 eval "[ \$((0x\$(sed -n 's/^SigCgt:[[:space:]]*//p' /proc/$pid/status) >> 9 & 1)) = 1 ]"
	events_begin
	kill -STOP "$guardian"
	kill -USR1 "$pid"
	wait_until 10 gone "$pid"
	kill -KILL "$guardian"
	wait_until 10 eval "[ -z \"\$(ctr task ls -q)\" ]"
	events_end "$ID" "$want"
}

@test "SIGTERM to the guardian reaches the worker, and both leave" {
	local guardian worker
	start_in "$ID" /bin/sleep 1000
	guardian=$(shims)
	worker=$(shim_workers)
	kill -TERM "$guardian"
	wait_until 15 gone "$guardian"
	wait_until 10 gone "$worker"
	wait_until 10 eval "[ -z \"\$(ctr task ls -q)\" ]"
}

# --- the worker is killed ---

@test "when the worker is killed containerd cleans up, and the guardian leaves with the next worker" {
	local guardian pid
	start_in "$ID" /bin/sleep 1000
	guardian=$(shims)
	pid=$(task_pid "$ID")
	events_begin
	kill -KILL "$(shim_workers)"
	wait_until 10 gone "$pid"
	wait_until 10 eval "[ -z \"\$(ctr task ls -q)\" ]"
	events_end "$ID" 137
	wait_until 10 gone "$guardian"
	equal "$(shim_workers)" ""
}

@test "restarts are counted and logged, with how the worker before ended" {
	case_of restarts_are_logged
}

@test "a restarted worker serves the same socket" {
	case_of a_restarted_worker_serves
}

@test "a shim that is stopped by force of the worker, again and again, goes on" {
	case_of many_restarts
}
