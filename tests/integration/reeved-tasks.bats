#!/usr/bin/env bats
# The Tasks service call by call, what ctr does not send included; a containerd of the same version is asked the same.

load lib
load containerd
load reeved

BESIDE=reeve-beside
TASKS=containerd.services.tasks.v1.Tasks

setup_file() {
	containerd_up "$BATS_FILE_TMPDIR/containerd"
	reeved_up "$BATS_FILE_TMPDIR/reeved"
	"$TOP/tools/mkbundle" "$BATS_FILE_TMPDIR/bundle"
	export ROOTFS=$BATS_FILE_TMPDIR/bundle/rootfs
	# ctr would take some of a command's options for its own.
	printf '#!/bin/sh\nexit 7\n' >"$ROOTFS/bin/seven"
	printf '#!/bin/sh\ntrap "exit 9" TERM\nwhile :; do sleep 0.1; done\n' >"$ROOTFS/bin/told"
	chmod 755 "$ROOTFS/bin/seven" "$ROOTFS/bin/told"
}

teardown_file() {
	reeved_stop
	containerd_stop
}

teardown() {
	local id
	for id in $(rctr tasks ls -q); do rctr tasks rm --force "$id" >/dev/null 2>&1 || true; done
	for id in $(rctr containers ls -q); do rctr containers rm "$id" >/dev/null 2>&1 || true; done
	containerd_sweep
}

rctr() {
	CONTAINERD_NAMESPACE=$BESIDE within "${CTR_TIMEOUT:-60}" ctr --address "$RD/sock" "$@"
}

# text FIELD VALUE: a string of a message, as hex.
text() {
	printf '%02x%02x' $(($1 << 3 | 2)) "${#2}"
	printf %s "$2" | od -An -v -tx1 | tr -d ' \n'
}

# part FIELD HEX: a message inside of one.
part() {
	printf '%02x%02x%s' $(($1 << 3 | 2)) $((${#2} / 2)) "$2"
}

# ask METHOD HEX [HEADER VALUE]...: of reeved's Tasks: messages as hex, then "CODE TEXT".
ask() {
	within 60 "$LIB/reeved_client" "$RD/sock" "${NS:-$BESIDE}" call "$TASKS/$1" "${@:2}"
}

# The same of both, and the same answer. OUT is the last line.
ask_both() {
	local ours theirs
	ours=$(ask "$@" | sed "s/$BESIDE/$CONTAINERD_NAMESPACE/g")
	theirs=$(within 60 "$LIB/reeved_client" "$CD/sock" "${NS:-$CONTAINERD_NAMESPACE}" call "$TASKS/$1" "${@:2}")
	OUT=$(tail -n 1 <<<"$ours")
	equal "$ours" "$theirs" "$1"
}

# made ID COMMAND...: a container, in both.
made() {
	ctr containers create --runtime "$SHIM_RUNTIME" --rootfs "$ROOTFS" "$@"
	rctr containers create --runtime "$SHIM_RUNTIME" --rootfs "$ROOTFS" "$@"
}

# waiter FILE ID [EXEC-ID]: a Wait in the background, whose answer goes to FILE.
waiter() {
	ask Wait "$(text 1 "$2")${3:+$(text 2 "$3")}" >"$1" 2>&1 3>&- &
}

all_methods=(Create Start Delete DeleteProcess Get List Kill Exec ResizePty CloseIO Pause Resume ListPids Checkpoint Update Metrics Wait)

@test "MGR-45: without a namespace nothing is done" {
	local m more
	for m in "${all_methods[@]}"; do
		more=
		[ "$m" != Exec ] || more=$(text 7 e) # whether it has a name, containerd asks before
		# containerd's Metrics has the words, and no code for them.
		[ "$m" = Metrics ] || NS=- ask_both "$m" "$(text 1 x)$more"
		NS=- run ask "$m" "$(text 1 x)$more"
		equal "$output" "9 namespace is required: failed precondition" "$m"
		NS=a/b run ask "$m" "$(text 1 x)$more"
		matches "$output" "^3 namespace validation.*: invalid argument"
	done
}

@test "MGR-44: the container is looked for first, then its task" {
	local m
	made m1 sleep 1000
	for m in Create Start Delete DeleteProcess Get Kill ResizePty CloseIO Pause Resume ListPids Checkpoint Update Wait; do
		ask_both "$m" "$(text 1 none)"
		equal "$OUT" "5 container \"none\" in namespace \"$CONTAINERD_NAMESPACE\": not found" "$m"
		[ "$m" != Create ] || continue
		ask_both "$m" "$(text 1 m1)"
		matches "$OUT" "^5 task m1 not found" "$m"
	done
	ask_both Exec "$(text 1 none)$(text 7 e)"
	run ask Exec "$(text 1 none)"
	matches "$output" "^3 exec id cannot be empty"
	ask_both List ""
	ask_both Metrics ""
	run ask Metrics "$(text 1 'id==')"
	equal "$output" "3 filters: parse error: [id==]: expected value or quoted: invalid argument"
}

@test "MGR-44: what is wrong with a call has its code" {
	made m2 told
	ctr tasks start --detach m2
	rctr tasks start --detach m2
	ask_both Create "$(text 1 m2)" # 6, already exists
	matches "$OUT" "^6 task m2: already exists"
	run ask Delete "$(text 1 m2)"
	matches "$output" "^9 " # of one that runs
	ask_both Get "$(text 1 m2)$(text 2 nope)"
	matches "$OUT" "^5 "
	ask_both Start "$(text 1 m2)$(text 2 nope)"
	ask_both Kill "$(text 1 m2)$(text 2 nope)"
	ask_both Wait "$(text 1 m2)$(text 2 nope)"
	ask_both DeleteProcess "$(text 1 m2)$(text 2 nope)"
	# Options reach the shim.
	run ask Checkpoint "$(text 1 m2)$(part 3 "$(text 1 containerd.runc.v1.CheckpointOptions)$(part 2 "$(text 8 relative)")")"
	matches "$output" "^3 path 'relative' of the checkpoint is not absolute"
	run ask Wait "$(text 1 m2)" grpc-timeout 200m
	matches "$output" "^4 "
	run ask NoSuchMethod ""
	matches "$output" "^12 "
	run ask Get ffff
	matches "$output" "^13 |^3 "
	rctr containers create --runtime io.containerd.nowhere.v2 --rootfs "$ROOTFS" m3 true
	run ask Create "$(text 1 m3)"
	matches "$output" "^2 failed to start shim: failed to resolve runtime path: "
	# It still answers, and the task has not noticed.
	equal "$(rctr tasks ls | awk '$1 == "m2" { print $3 }')" RUNNING
}

@test "MGR-52: Wait before Start, after the exit and after Delete" {
	local n pids=()
	rctr containers create --runtime "$SHIM_RUNTIME" --rootfs "$ROOTFS" w1 seven
	ask Create "$(text 1 w1)"
	for n in 1 2 3; do
		waiter "$BATS_TEST_TMPDIR/w$n" w1
		pids+=("$!")
	done
	# Not all of them wait yet when it starts, perhaps: they are told the same.
	ask Start "$(text 1 w1)"
	for n in "${pids[@]}"; do wait "$n"; done
	for n in 1 2 3; do
		matches "$(cat "$BATS_TEST_TMPDIR/w$n")" $'^0807[0-9a-f]*\n0 $'
	done
	run ask Wait "$(text 1 w1)"
	equal "$output" "$(cat "$BATS_TEST_TMPDIR/w1")" "Wait after the exit"
	run ask Delete "$(text 1 w1)"
	matches "$output" $'\n0 $'
	run ask Wait "$(text 1 w1)"
	matches "$output" "^5 task w1 not found"
}

@test "MGR-52: a wait that its client gives up is forgotten, and the next one is told" {
	local n
	rctr containers create --runtime "$SHIM_RUNTIME" --rootfs "$ROOTFS" w2 told
	rctr tasks start --detach w2
	for n in $(seq 20); do
		run ask Wait "$(text 1 w2)" grpc-timeout 10m
		matches "$output" "^4 "
	done
	waiter "$BATS_TEST_TMPDIR/w" w2
	n=$!
	rctr tasks kill w2
	wait "$n"
	matches "$(cat "$BATS_TEST_TMPDIR/w")" $'^0809[0-9a-f]*\n0 $'
}

@test "a wait that is open when the daemon leaves hears of it" {
	rctr containers create --runtime "$SHIM_RUNTIME" --rootfs "$ROOTFS" w3 sleep 1000
	rctr tasks start --detach w3
	waiter "$BATS_TEST_TMPDIR/w" w3
	local client=$!
	reeved_stop
	wait "$client" || true
	reeved_start
	matches "$(cat "$BATS_TEST_TMPDIR/w")" "^14 |^reeved_client: "
	equal "$(rctr tasks ls | awk '$1 == "w3" { print $3 }')" RUNNING
}
