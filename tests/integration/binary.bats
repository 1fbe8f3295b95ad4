#!/usr/bin/env bats
# The option BinaryName: which runtime a container gets from our shim, and what happens when that runtime misbehaves. That
# runc and crun do all that ours does is shown by shim.bats with BINARY.

load lib.bash

BINARY=${BINARY:-runc}
load containerd.bash

# bookworm's does not know the version of the specification that containerd 2 writes.
CRUN=crun
[ "$CONTAINERD" != 2.1 ] || CRUN=$("$TOP/tools/peers" oci-sid)/bin/crun

setup_file() {
	ORPHANS_BEFORE=" $(ps -o pid= --ppid 1 | paste -sd' ' | tr -s ' ') "
	containerd_up "$BATS_FILE_TMPDIR/cd"
	ORPHANS_BEFORE+="$CONTAINERD_PID "
	export ORPHANS_BEFORE
	"$TOP/tools/mkimage" --name "$IMAGE" "$BATS_FILE_TMPDIR/image.tar"
	ctr image import "$BATS_FILE_TMPDIR/image.tar"
}

teardown_file() {
	containerd_stop
}

setup() {
	ID=b$BATS_TEST_NUMBER
}

teardown() {
	containerd_sweep
	containerd_nothing_left
}

# run_by BINARY ID [COMMAND...], start_by: as run_in and start_in, with this runtime.
run_by() {
	within 60 "$CD/bin/ctr" run --rm --runtime "$SHIM_RUNTIME" --runc-binary "$1" "$IMAGE" "${@:2}" </dev/null 3>&-
}

start_by() {
	within 60 "$CD/bin/ctr" run --detach --runtime "$SHIM_RUNTIME" --runc-binary "$1" "$IMAGE" "${@:2}" </dev/null 3>&- && task_is "$2" RUNNING
}

# wrapper NAME: a runtime that does what the text on its standard input says, then what runc does.
wrapper() {
	{
		printf '#!/bin/sh\nall=" $* "\n'
		cat
		printf 'exec runc "$@"\n'
	} >"$BATS_TEST_TMPDIR/$1"
	chmod 755 "$BATS_TEST_TMPDIR/$1"
}

in_runc() { # ID
	runc --root "/run/containerd/runc/$CONTAINERD_NAMESPACE" state "$1" >/dev/null 2>&1
}

in_reeve() { # ID
	[ -e "/run/containerd/reeve/$CONTAINERD_NAMESPACE/$1" ]
}

@test "a runtime that does not exist is named" {
	run run_by no-runc "$ID" /bin/true
	[ "$status" != 0 ]
	contains "$output" 'exec: "no-runc": executable file not found in $PATH'
	run run_by /no/such/runc "$ID-b" /bin/true
	[ "$status" != 0 ]
	contains "$output" 'exec: "/no/such/runc": No such file or directory'
	run run_by ./runc "$ID-c" /bin/true
	[ "$status" != 0 ]
	contains "$output" './runc'
}

@test "our own reeve is the runtime in process, by path, by name and by any other name" {
	local name=$BATS_TEST_TMPDIR/other n=0 binary
	ln "$TOP/out/bin/reeve" "$name" 2>/dev/null || ln -s "$TOP/out/bin/reeve" "$name"
	for binary in "$TOP/out/bin/reeve" reeve "$name"; do
		n=$((n + 1))
		start_by "$binary" "$ID-$n" /bin/sleep 1000
		in_reeve "$ID-$n"
		! in_runc "$ID-$n"
	done
}

@test "containers of one shim have each its own runtime" {
	local binary
	for binary in runc "$CRUN" reeve; do
		within 60 "$CD/bin/ctr" run --detach --runtime "$SHIM_RUNTIME" --runc-binary "$binary" \
			--annotation io.containerd.runc.v2.group=g1 "$IMAGE" "$ID-${binary##*/}" /bin/sleep 1000 </dev/null 3>&-
	done
	equal "$(shims | wc -l)" 1 "shims of a group of three"
	in_runc "$ID-runc"
	in_reeve "$ID-reeve"
	[ -e "/run/containerd/runc/$CONTAINERD_NAMESPACE/$ID-crun" ] && ! in_runc "$ID-crun"
	for binary in runc crun reeve; do
		run -3 ctr task exec --exec-id e1 "$ID-$binary" /bin/sh -c 'exit 3' </dev/null
		ctr task kill --signal KILL "$ID-$binary"
	done
}

# --- a runtime that misbehaves ----------------------------------------------------------------------------------

@test "the runtime's last error is what the client is told" {
	wrapper failing <<-'SH'
		case $all in *" create "*)
			while [ "$1" != --log ]; do shift; done
			printf '%s\n' '{"level":"error","msg":"first"}' '{"level":"error","msg":"no space left"}' '{"level":"error","ms' >>"$2"
			exit 1 ;;
		esac
	SH
	run run_by "$BATS_TEST_TMPDIR/failing" "$ID" /bin/true
	[ "$status" != 0 ]
	contains "$output" "OCI runtime create failed: no space left"
	wrapper mute <<<'case $all in *" start "*) echo oops >&2; exit 7 ;; esac'
	run run_by "$BATS_TEST_TMPDIR/mute" "$ID-b" /bin/true
	[ "$status" != 0 ]
	contains "$output" "OCI runtime start failed: exit status 7: oops"
}

@test "a start that hangs keeps nobody from the container" {
	wrapper hanging <<<'case $all in *" start "*) echo $$ >"$0.pid"; exec sleep 1000 ;; esac'
	start_by "$BATS_TEST_TMPDIR/hanging" "$ID" /bin/true >/dev/null 2>&1 &
	local job=$!
	wait_until 10 test -s "$BATS_TEST_TMPDIR/hanging.pid"
	task_is "$ID" CREATED
	ctr task kill --signal KILL "$ID"
	within 10 ctr task ls >/dev/null
	kill -KILL "$(cat "$BATS_TEST_TMPDIR/hanging.pid")" # its own limit is two minutes
	wait_until 10 task_is "$ID" STOPPED
	# its runtime was killed, so it fails; that it ends at all is what counts here
	wait "$job" || true
}

@test "an exec that is over before its runtime ends has its status" {
	wrapper late <<-'SH'
		case $all in *" exec "*)
			runc "$@"; rc=$?
			# the process has been reaped, its pid may be another's
			sleep 0.3
			exit $rc ;;
		esac
	SH
	start_by "$BATS_TEST_TMPDIR/late" "$ID" /bin/sleep 1000
	local i jobs=()
	for i in $(seq 8); do
		ctr task exec --exec-id "e$i" "$ID" /bin/sh -c "exit $i" </dev/null >"$BATS_TEST_TMPDIR/$i" 2>&1 3>&- &
		jobs+=($!)
	done
	for i in $(seq 8); do ends_with "$i" "${jobs[i - 1]}"; done
	task_is "$ID" RUNNING
}

@test "execs that end at once, two hundred of them, each have their status" {
	start_by runc "$ID" /bin/sleep 1000
	seq 200 | xargs -P 8 -I{} sh -c \
		'timeout 180 "$0" task exec --exec-id x{} "$1" /bin/sh -c "exit \$((({} % 7)))" </dev/null >/dev/null 2>&1; echo {} $?' \
		"$CD/bin/ctr" "$ID" >"$BATS_TEST_TMPDIR/statuses" 3>&-
	equal "$(awk '$2 != $1 % 7' "$BATS_TEST_TMPDIR/statuses")" "" "execs with a wrong status"
	equal "$(wc -l <"$BATS_TEST_TMPDIR/statuses")" 200
	wait_until 10 eval '[ "$(ctr task ps "$ID" | tail -n +2 | wc -l)" = 1 ]' # none is left
}

@test "a shim that dies while its runtime creates leaves nothing" {
	wrapper slow <<-'SH'
		case $all in *" create "*) runc "$@" && touch "$0.done" && exec sleep 1000 ;; esac
	SH
	start_by "$BATS_TEST_TMPDIR/slow" "$ID" /bin/sleep 1000 >/dev/null 2>&1 &
	local job=$!
	wait_until 10 test -e "$BATS_TEST_TMPDIR/slow.done"
	# shellcheck disable=SC2046 # one pid or several
	kill -KILL $(shims)
	# its shim was killed, so it fails; what is left behind is what counts here
	wait "$job" || true
	wait_until 10 eval "! in_runc $ID"
}

@test "a worker that dies under another runtime's container leaves nothing of it" {
	start_by runc "$ID" /bin/sleep 1000
	ctr task exec --detach --exec-id e1 "$ID" /bin/sleep 2000 </dev/null 3>&-
	local pid
	pid=$(task_pid "$ID")
	# shellcheck disable=SC2046 # one pid or several
	kill -KILL $(shim_workers)
	wait_until 10 gone "$pid"
	wait_until 10 eval "[ -z \"\$(ctr task ls -q)\" ]"
	wait_until 10 eval "! in_runc $ID"
	ctr container rm "$ID"
}

# --- runsc ------------------------------------------------------------------------------------------------------
# What it cannot do is in docs/compatibility.md.

runsc_is_there() {
	RUNSC=$BATS_FILE_TMPDIR/runsc
	[ -x "$RUNSC" ] || {
		# its network stack wants a set-up that is none of a shim's business
		printf '#!/bin/sh\nexec %s/bin/runsc --platform=systrap --network=none "$@"\n' "$("$TOP/tools/peers" runsc)" >"$RUNSC.new"
		chmod 755 "$RUNSC.new"
		mv "$RUNSC.new" "$RUNSC"
	}
}

@test "runsc: streams, statuses, signals" {
	runsc_is_there
	run --separate-stderr -5 run_by "$RUNSC" "$ID" /bin/sh -c 'dmesg | grep -qi gvisor && echo in gvisor; echo err >&2; exit 5'
	equal "$output" "in gvisor"
	equal "$stderr" err
	head -c 300000 /dev/urandom >"$BATS_TEST_TMPDIR/in"
	within 60 "$CD/bin/ctr" run --rm --runtime "$SHIM_RUNTIME" --runc-binary "$RUNSC" "$IMAGE" "$ID-cat" /bin/cat \
		<"$BATS_TEST_TMPDIR/in" >"$BATS_TEST_TMPDIR/out" 3>&-
	cmp "$BATS_TEST_TMPDIR/in" "$BATS_TEST_TMPDIR/out"
	start_by "$RUNSC" "$ID-trap" /bin/sh -c 'trap "exit 9" USR1; touch /ready; while :; do sleep 0.05; done'
	wait_until 20 ctr task exec --exec-id "e$RANDOM" "$ID-trap" /bin/test -e /ready
	ctr task kill --signal USR1 "$ID-trap"
	wait_until 10 task_is "$ID-trap" STOPPED
	run -0 ctr task delete "$ID-trap"
	contains "$output" "exit code 9"
}

@test "runsc: execs, processes, metrics, pause, a restart of containerd" {
	runsc_is_there
	start_by "$RUNSC" "$ID" /bin/sleep 1000
	run --separate-stderr -7 ctr task exec --exec-id e1 "$ID" /bin/sh -c 'echo out; echo err >&2; exit 7' </dev/null
	equal "$output" out
	equal "$stderr" err
	ctr task exec --exec-id e2 "$ID" /bin/sleep 2000 </dev/null >/dev/null 2>&1 3>&- &
	local job=$!
	wait_until 10 eval "ctr task ps $ID | grep -q e2"
	contains "$(ctr task ps "$ID")" "$(task_pid "$ID")"
	matches "$(ctr task metrics "$ID")" 'memory[^ ]* +[1-9]'
	ctr task pause "$ID"
	task_is "$ID" PAUSED
	ctr task resume "$ID"
	containerd_stop
	containerd_start
	task_is "$ID" RUNNING
	run -0 ctr task exec --exec-id e3 "$ID" /bin/echo alive </dev/null
	equal "$output" alive
	ctr task kill --signal KILL "$ID"
	wait_until 10 task_is "$ID" STOPPED
	# it tells the status of the task that was killed
	wait "$job" || true
}

@test "runsc: a terminal" {
	runsc_is_there
	mkfifo "$BATS_TEST_TMPDIR/keyboard"
	exec 7<>"$BATS_TEST_TMPDIR/keyboard"
	run -6 sh -c "script -qec '$CD/bin/ctr run -t --rm --runtime $SHIM_RUNTIME --runc-binary $RUNSC $IMAGE $ID /bin/sh -c \"test -t 0 && test -t 1 && echo both; exit 6\"' /dev/null <&7 3>&-"
	contains "$output" both
}

@test "runsc: a shim that is killed takes its sandbox along" {
	runsc_is_there
	start_by "$RUNSC" "$ID" /bin/sleep 1000
	local pid
	pid=$(task_pid "$ID")
	# shellcheck disable=SC2046 # one pid or several
	kill -KILL $(shims)
	wait_until 10 gone "$pid"
	wait_until 10 eval "[ -z \"\$(ctr task ls -q)\" ]"
	ctr container rm "$ID"
}

@test "runsc: a second container in a sandbox is refused, for its exit could not be told" {
	runsc_is_there
	local kind=io.kubernetes.cri.container-type sandbox=io.kubernetes.cri.sandbox-id=$ID
	within 60 "$CD/bin/ctr" run -d --annotation $kind=sandbox --annotation "$sandbox" --runtime "$SHIM_RUNTIME" --runc-binary "$RUNSC" \
		"$IMAGE" "$ID" /bin/sleep 1000 </dev/null 3>&-
	run within 60 "$CD/bin/ctr" run -d --annotation $kind=container --annotation "$sandbox" --runtime "$SHIM_RUNTIME" --runc-binary "$RUNSC" \
		"$IMAGE" "x$ID" /bin/true </dev/null
	[ "$status" != 0 ]
	contains "$output" "which is the process of another container or exec"
	run -0 ctr task exec --exec-id e1 "$ID" /bin/echo alive </dev/null
	equal "$output" alive
}
