#!/usr/bin/env bats
# The option BinaryName: which runtime a container gets from our shim, and what happens when that runtime misbehaves. That
# runc and crun do all that ours does is shown by shim.bats with BINARY.

load lib.bash

BINARY=${BINARY:-runc}
load containerd.bash

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
	for binary in runc crun reeve; do
		within 60 "$CD/bin/ctr" run --detach --runtime "$SHIM_RUNTIME" --runc-binary "$binary" \
			--annotation io.containerd.runc.v2.group=g1 "$IMAGE" "$ID-$binary" /bin/sleep 1000 </dev/null 3>&-
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
