#!/usr/bin/env bats
# Tasks by reeved, behind our shim: every command of ctr that has to do with one is given to reeved and to a containerd of the
# same version, and what is seen must be the same. CONTAINERD chooses the version (containerd.bash).

load lib
load containerd
load reeved

# Two daemons would make the same cgroup and the same directories for the same container: reeved's has a namespace of its own.
BESIDE=reeve-beside
eval "$(declare -f plain | sed '1s/plain/plain_words/')"

# Shims have guardians, and reeved has one, which stays.
eval "$(declare -f shims | sed '1s/shims/shims_and_reeved/')"
shims() {
	# Without a shim grep finds no line, which is no failure.
	shims_and_reeved | grep -vx "$(reeved_part guardian)" || true
}

rctr() {
	CONTAINERD_NAMESPACE=$BESIDE within "${CTR_TIMEOUT:-60}" ctr --address "$RD/sock" "$@"
}

# Without what is a process's own, too.
plain() {
	plain_words | sed -E -e "s/$BESIDE/$CONTAINERD_NAMESPACE/g" -e 's#/fifo/[0-9]+/#/fifo/N/#g' -e 's/"pid":[0-9]+/"pid":N/g' \
		-e "s#(${CD:-}|${RD:-})/state#STATE#g" -e 's/^([a-z0-9-]+) [0-9]+ (CREATED|RUNNING|STOPPED|PAUSED|UNKNOWN)/\1 PID \2/' -e 's/^[0-9]+ /PID /' \
		-e 's/^([a-z]+[._a-z]*) +(\[[0-9 ]*\]|[0-9]+) *$/\1 N/' -e 's/No such file/no such file/' \
		-e 's/seconds:[0-9]+( nanos:[0-9]+)?/TIME/' -e 's/\{"seconds":[0-9]+(,"nanos":[0-9]+)?\}/"TIME"/g' -e 's/"index=off",|,"index=off"//'
}

setup_file() {
	ORPHANS_BEFORE=" $(ps -o pid= --ppid 1 | paste -sd' ' | tr -s ' ') "
	export ORPHANS_BEFORE
	containerd_up "$BATS_FILE_TMPDIR/containerd"
	reeved_up "$BATS_FILE_TMPDIR/reeved"
	# 2.x hands it over (reeved-transfer.bats); --local is what 1.6 does.
	LOCAL=
	[ "$CONTAINERD" != 2.1 ] || LOCAL=--local
	export LOCAL
	"$TOP/tools/mkimage" --name "$IMAGE" --entrypoint '[]' --cmd '["sh"]' "$BATS_FILE_TMPDIR/image.tar" >/dev/null
	# shellcheck disable=SC2086 # nothing, or an option
	both images import $LOCAL --platform "$(platform)" "$BATS_FILE_TMPDIR/image.tar"
	"$TOP/tools/mkbundle" "$BATS_FILE_TMPDIR/bundle"
	export ROOTFS=$BATS_FILE_TMPDIR/bundle/rootfs
}

teardown_file() {
	reeved_stop
	containerd_stop
}

teardown() {
	local id
	containerd_sweep
	for id in $(rctr tasks ls -q); do
		# What a failed test has left may be in any state: each step is for what is in its own.
		rctr tasks resume "$id" >/dev/null 2>&1 || true
		rctr tasks kill --all --signal KILL "$id" >/dev/null 2>&1 || true
		wait_until 10 both_are "$id" "" STOPPED || true
		rctr tasks rm --force "$id" >/dev/null 2>&1 || true
	done
	for id in $(rctr containers ls -q); do rctr containers rm "$id" >/dev/null 2>&1 || true; done
}

platform() {
	case $(uname -m) in
	x86_64) echo linux/amd64 ;;
	aarch64) echo linux/arm64 ;;
	esac
}

status_of() { # CTR ID
	"$1" tasks ls | awk -v id="$2" '$1 == id { print $3 }'
}

# both_are ID THEIRS OURS: in this state; "" is any.
both_are() {
	[ -z "$2" ] || [ "$(status_of ctr "$1")" = "$2" ] || return 1
	[ -z "$3" ] || [ "$(status_of rctr "$1")" = "$3" ]
}

start_both() { # ID COMMAND...
	both run --detach --runtime "$SHIM_RUNTIME" "$IMAGE" "$@"
	both_are "$1" RUNNING RUNNING
}

@test "MGR-43: run in the foreground tells the output and the status" {
	both run --rm --runtime "$SHIM_RUNTIME" "$IMAGE" r1 sh -c 'echo out; exit 7'
	both run --rm --runtime "$SHIM_RUNTIME" "$IMAGE" r1 sh -c 'echo err >&2'
	both run --rm --runtime "$SHIM_RUNTIME" "$IMAGE" r1 sh -c 'kill -9 $$'
	both run --rm --runtime "$SHIM_RUNTIME" --rootfs "$ROOTFS" r2 sh -c 'echo rootfs; exit 3'
	both run --rm --runtime "$SHIM_RUNTIME" --env A=b --cwd /tmp --label x=y "$IMAGE" r3 sh -c 'echo $A; pwd'
	both run --runtime "$SHIM_RUNTIME" "$IMAGE" r4 true
	both tasks ls
	both containers ls
	both containers rm r4
}

@test "MGR-43: run that cannot is refused in the same words" {
	both run --rm --runtime "$SHIM_RUNTIME" "$IMAGE" f1 /no/such/program
	both run --rm --runtime "$SHIM_RUNTIME" --cwd /etc/passwd "$IMAGE" f2 true
	both run --rm --runtime io.containerd.none.v2 "$IMAGE" f3 true
	both run --rm --runtime /no/such/shim "$IMAGE" f4 true
	both run --rm --runtime "$SHIM_RUNTIME" localhost/none:1 f5 true
	start_both f6 sleep 1000
	both run --rm --runtime "$SHIM_RUNTIME" "$IMAGE" f6 true
	both tasks start f6
	both containers ls -q
	both tasks ls
}

@test "MGR-43: a task is listed, looked into, paused, killed and deleted" {
	both tasks ls
	start_both t1 sleep 1000
	both tasks ls
	both tasks ls -q
	both tasks ps t1
	both tasks pause t1
	both tasks ls
	both tasks exec --exec-id e t1 true
	both tasks resume t1
	both tasks ls
	both tasks metrics t1
	both tasks delete t1
	both containers rm t1
	both tasks kill --signal SIGKILL t1
	wait_until 10 both_are t1 STOPPED STOPPED
	both tasks ls
	both tasks kill t1
	both tasks pause t1
	both tasks exec --exec-id e t1 true
	both tasks delete t1
	both tasks ls
	both tasks delete t1
	both tasks kill t1
	both tasks ps t1
	both tasks metrics t1
	both containers rm t1
	both tasks ps t1
}

@test "MGR-43: delete --force kills first" {
	start_both d1 sleep 1000
	both tasks delete --force d1
	both containers rm d1
}

@test "MGR-43: exec runs in the task and tells its own status" {
	start_both x1 sleep 1000
	both tasks exec --exec-id e1 x1 sh -c 'echo in; exit 5'
	both tasks exec --exec-id e1 x1 sh -c 'kill -15 $$'
	both tasks exec --exec-id e2 x1 /no/such
	both tasks exec --exec-id e3 --cwd /tmp x1 pwd
	both tasks exec --exec-id e4 --user 5 x1 id -u
	both tasks exec --exec-id 'a/b' x1 true
	both tasks exec --exec-id e5 --detach x1 sleep 1000
	both tasks exec --exec-id e5 x1 true
	both tasks ps x1
	both tasks kill --exec-id e5 x1
	both tasks kill --exec-id nope x1
	both tasks exec --exec-id e6 nope true
}

@test "MGR-43: a container is created, started later, and again" {
	both containers create --runtime "$SHIM_RUNTIME" "$IMAGE" s1 sh -c 'exit 4'
	both tasks ps s1
	both tasks start s1
	both tasks ls
	both tasks start s1
	both containers create --runtime "$SHIM_RUNTIME" "$IMAGE" s2 sleep 1000
	both tasks start --detach s2
	both tasks ls
	both tasks start --detach s2
	ctr containers label s2 a=b # it prints them in any order
	rctr containers label s2 a=b
	both containers info s2
	both tasks kill --signal SIGKILL s2
	wait_until 10 both_are s2 STOPPED STOPPED
	both tasks start --detach s2
	both tasks delete s2
	both containers rm s1 s2
}

has_streams() { # ID: a ctr is connected to its output
	local pid
	for pid in $(pids_of '*/ctr'); do
		! readlink "/proc/$pid/fd"/* 2>/dev/null | grep -q "/$1-stdout" || return 0
	done
	return 1
}

# attached CTR DIR: attach; the program ends when it is seen to be connected.
attached() {
	local client status=0
	"$1" tasks attach a1 >"$2/out" 2>&1 </dev/null 3>&- &
	client=$!
	wait_until 20 has_streams a1
	: >"$2/go"
	wait "$client" || status=$?
	echo "status $status" >>"$2/out"
}

@test "MGR-43: attach gets the output and the status" {
	local name dir
	for name in ctr rctr; do
		dir=$BATS_TEST_TMPDIR/$name
		mkdir "$dir"
		"$name" run --detach --runtime "$SHIM_RUNTIME" --mount "type=bind,src=$dir,dst=/w,options=rbind:rw" "$IMAGE" a1 \
			sh -c 'until [ -e /w/go ]; do sleep 0.05; done; echo said; exit 6' </dev/null
		attached "$name" "$dir"
	done
	equal "$(plain <"$BATS_TEST_TMPDIR/rctr/out")" "$(plain <"$BATS_TEST_TMPDIR/ctr/out")"
	contains "$(cat "$BATS_TEST_TMPDIR/rctr/out")" said
	contains "$(cat "$BATS_TEST_TMPDIR/rctr/out")" "status 6"
	both tasks ls
}

@test "MGR-43: a terminal is one, and has a size" {
	local name
	for name in ctr rctr; do
		[ "$name" = ctr ] && set -- || set -- --address "$RD/sock" --namespace "$BESIDE"
		within 60 script -qec "stty rows 33 cols 99; command ctr $* run --rm --tty --runtime $SHIM_RUNTIME $IMAGE y1 sh -c 'until stty size 2>/dev/null | grep -q 99; do :; done; tty; stty size; exit 3'" \
			/dev/null >"$BATS_TEST_TMPDIR/$name" </dev/null || echo "status $?" >>"$BATS_TEST_TMPDIR/$name"
	done
	# script shows the end of its own input, too, whenever it comes.
	shown() { sed -e 's/\^@//g' -e 's/[[:cntrl:]]//g' "$BATS_TEST_TMPDIR/$1"; }
	equal "$(shown rctr)" "$(shown ctr)"
	contains "$(shown rctr)" "33 99"
}

# Of one topic in the order in which they came; what is told by the shim, and what by the daemon, comes on two ways.
events_of() { # TOPIC FILE
	grep " $1" "$2" | sed -E 's/^.*UTC [^ ]+ //' | plain
}

@test "MGR-43: events of a life" {
	local name
	command ctr events >"$BATS_TEST_TMPDIR/ctr" 3>&- &
	local theirs=$!
	CONTAINERD_NAMESPACE=$BESIDE command ctr --address "$RD/sock" events >"$BATS_TEST_TMPDIR/rctr" 3>&- &
	local ours=$!
	listen() {
		ctr containers create "$IMAGE" listening && ctr containers rm listening
		rctr containers create "$IMAGE" listening && rctr containers rm listening
		grep -q listening "$BATS_TEST_TMPDIR/ctr" && grep -q listening "$BATS_TEST_TMPDIR/rctr"
	}
	wait_until 20 listen
	start_both v1 sleep 1000
	both tasks exec --exec-id e1 v1 sh -c 'exit 5'
	both tasks pause v1
	both tasks resume v1
	both tasks kill --signal SIGKILL v1
	wait_until 10 both_are v1 STOPPED STOPPED
	both tasks delete v1
	both containers rm v1
	both run --rm --runtime "$SHIM_RUNTIME" "$IMAGE" v2 false
	# The last one of each way.
	for name in ctr rctr; do
		wait_until 20 grep -q '/tasks/delete.*"v2"' "$BATS_TEST_TMPDIR/$name"
		wait_until 20 grep -q '/containers/delete.*"v2"' "$BATS_TEST_TMPDIR/$name"
	done
	kill "$theirs" "$ours"
	for name in /tasks/ /containers/; do
		equal "$(events_of "$name" "$BATS_TEST_TMPDIR/rctr" | grep -v listening)" "$(events_of "$name" "$BATS_TEST_TMPDIR/ctr" | grep -v listening)" "$name"
	done
	matches "$(cat "$BATS_TEST_TMPDIR/rctr")" "$BESIDE /tasks/exit .*\"exit_status\":137"
}

# ask METHOD BODY: one call, as a client may make that is not ctr; its body by h2.py.
ask() {
	PYTHONPATH=$TOP/tests/integration python3 - "$RD/sock" "$BESIDE" "$@" <<-PY
	import sys
	from h2 import *
	path, ns, method, body = sys.argv[1:]
	sys.exit(Conn(path).ask("/containerd.services." + method, eval(body), ns=ns).status)
	PY
}

collect() {
	rctr leases create --id look >/dev/null
	rctr leases delete --sync look >/dev/null
}

has_snapshot() {
	rctr snapshots ls | grep -q "^$1 "
}

@test "what a running task stands on is not collected, though its container is deleted" {
	local pid
	rctr run --detach --runtime "$SHIM_RUNTIME" "$IMAGE" g1 sleep 1000
	pid=$(rctr tasks ls | awk '$1 == "g1" { print $2 }')
	ask containers.v1.Containers/Delete 'field(1, "g1")'
	collect
	has_snapshot g1 || fail "its snapshot is gone"
	[ -e "/proc/$pid/root/bin/sleep" ] || fail "its files are gone"
	touch "/proc/$pid/root/written"
	# A task without a record is asked for by nobody: there is one again, without a snapshot.
	ask containers.v1.Containers/Create "field(1, field(1, 'g1') + field(4, field(1, '$SHIM_RUNTIME')) + field(5, field(1, 'none') + field(2, '{}')))"
	ask tasks.v1.Tasks/Kill 'field(1, "g1") + field(3, 9) + field(4, 1)'
	wait_until 10 ask tasks.v1.Tasks/Delete 'field(1, "g1")'
	ask containers.v1.Containers/Delete 'field(1, "g1")'
	collect
	run ! has_snapshot g1
}

@test "MGR-43: plugins inspect-runtime: of what is inside, of a shim, and of what is none" {
	# 1.6's ctr has no such command: its row is about the peer, as the runner counts it.
	[ "$CONTAINERD" = 2.1 ] || skip "peer ctr: 2.x alone asks"
	both plugins inspect-runtime --runtime io.containerd.reeve.v2
	contains "$OUT" '"org.reeve.version"'
	both plugins inspect-runtime --runtime "$TOP/out/bin/containerd-shim-reeve-v2"
	contains "$OUT" '"org.reeve.version"'
	both plugins inspect-runtime --runtime nope
	both plugins inspect-runtime --runtime io.containerd.nope.v2
	both plugins inspect-runtime --runtime /bin/false
	# After "proto:" Go writes one blank or another, as each build has it.
	run ! rctr plugins inspect-runtime --runtime /bin/echo
	contains "$output" "failed to unmarshal stdout from [/bin/echo -info] into *types.RuntimeInfo: "
}

@test "nothing is left of it" {
	local what
	containerd_nothing_left
	what=$(find "$RD"/{root,state}/io.containerd.runtime.v2.task/ -mindepth 2 && awk -v d="$RD" 'index($5, d) == 1 { print $5 }' /proc/self/mountinfo)
	equal "$what" "" "left by reeved"
}
