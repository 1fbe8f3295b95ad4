#!/usr/bin/env bats
# `reeve doctor`: what the machine lacks, and whether all is well with reeved, by what it has on the disk.

load lib
load containerd
load reeved

setup() {
	RD=$BATS_TEST_TMPDIR/r
	mkdir -p "$RD"
}

teardown() {
	# A test may have ended it already.
	[ ! -e "$RD/pid" ] || kill -KILL "$(cat "$RD/pid")" 2>/dev/null || true
}

# doctor: findings in $output as "KIND SECTION: TEXT", the exit status in $status.
doctor() {
	printf 'address = "%s"\n[exits]\nrecorder = false\n' "$RD/sock" >"$RD/doctor.toml"
	run within 60 reeve doctor --config "$RD/doctor.toml" --root "$RD/root" --state "$RD/state" --format json
	[ "$status" -le 1 ] || fail "$output"
	[ "$(jq .ok <<<"$output")" = "$([ "$status" = 0 ] && echo true || echo false)" ] || fail "$output"
	output=$(jq -r '.findings[] | "\(.kind) \(.section): \(.text)"' <<<"$output")
}

# wrong PART: something is wrong, and that is told.
wrong() {
	equal "$status" 1 "the exit status"
	contains "$(grep ^wrong <<<"$output")" "$1"
}

# About reeved: what the machine is like decides the rest of the exit status.
well() {
	local bad
	# No such line is what is wanted.
	bad=$(grep -E '^wrong (reeved|store|restarts|left over)' <<<"$output" || true)
	equal "$bad" ""
}

@test "the machine: kernel, cgroups and capabilities, with what is missing and its cost" {
	doctor
	contains "$output" "ok kernel: Linux $(uname -r)"
	matches "$output" 'ok cgroups: layout: (v1|hybrid|v2)'
	matches "$output" '(ok|missing) capabilities: CAP_BPF'
	run reeve doctor --root "$RD/root" --state "$RD/state" --format json
	equal "$(jq '[.findings[] | select(.kind == "missing" and .section != "exit recorder") | select(.cost == null)] | length' <<<"$output")" 0 "what is missing without its cost"
	# Without a capability, that is what it says.
	run setpriv --bounding-set=-sys_resource,-mknod "$TOP/out/bin/reeve" doctor --root "$RD/root" --state "$RD/state"
	matches "$output" 'missing  CAP_MKNOD'
	matches "$output" 'nodes are bound from the host'
}

@test "no reeved, a running one, one that was stopped" {
	doctor
	contains "$output" "note reeved: there never was one with root '$RD/root'"
	well
	reeved_up "$RD"
	rctr namespaces create one
	doctor
	contains "$output" "ok reeved: it runs, with root '$RD/root'"
	contains "$output" "ok store: '$RD/root/meta.db' is sound"
	contains "$output" "note exit recorder: off: switched off" || contains "$output" "missing exit recorder: off: switched off"
	contains "$output" "ok restarts: none"
	contains "$output" "ok left over: nothing"
	well
	rctr version
	reeved_stop
	doctor
	contains "$output" "note reeved: it does not run"
	contains "$output" "ok store:"
	well
}

@test "text says the same, and its exit status" {
	run reeve doctor --root "$RD/root" --state "$RD/state"
	matches "$output" '^kernel'
	matches "$output" 'nothing is wrong|something is wrong'
	run -1 reeve doctor --format xml
	contains "$output" "unknown format 'xml'"
	run -1 reeve doctor --root relative
	contains "$output" "root 'relative' is no absolute path"
}

@test "a store that is damaged is found without a daemon, and what was put aside is remembered" {
	reeved_up "$RD"
	rctr namespaces create one
	reeved_stop
	dd if=/dev/urandom of="$RD/root/meta.db" bs=64 count=1 conv=notrunc status=none
	doctor
	wrong "store '$RD/root/meta.db'"
	reeved_start
	reeved_stop
	doctor
	contains "$output" "ok store: '$RD/root/meta.db' is sound"
	wrong "a damaged store was put aside: '$RD/root/meta.db.damaged'"
	rm "$RD/root/meta.db.damaged"
	doctor
	well
}

@test "a file that is no store, and one that cannot be read" {
	mkdir -p "$RD/root"
	echo "this is not a store, and long enough to be none: ...................................................." >"$RD/root/meta.db"
	doctor
	wrong "not a database"
}

@test "crashes are told with their backtrace, until they are dealt with" {
	reeved_up "$RD"
	local worker
	worker=$(reeved_serving)
	kill -SEGV "$worker"
	wait_until 10 gone "$worker"
	wait_until 10 reeved_crash
	doctor
	equal "$status" 1 "the exit status"
	# The one that comes after it, by a guardian or by hand.
	! gone "$(cat "$RD/pid")" || reeved_start
	wait_until 10 test -s "$RD/state/restarts"
	doctor
	wrong "the worker was started again 1 time"
	run reeve doctor --root "$RD/root" --state "$RD/state"
	matches "$output" 'signal 11'
	matches "$output" 'reeved\+0x[0-9a-f]+'
	rm "$RD/state/restarts"
	doctor
	well
}

@test "a guardian that was killed is told once, with and without its worker, and a stop is not told" {
	reeved_up "$RD"
	kill -KILL "$(reeved_part guardian)"
	wait_until 10 gone "$(cat "$RD/pid")"
	doctor
	wrong "the guardian died 1 time"
	matches "$output" 'note restarts: [^ ]+Z: the guardian was killed'
	reeved_start
	doctor
	wrong "the guardian died 1 time"
	rm "$RD/state/restarts"
	reeved_kill
	reeved_start
	doctor
	wrong "the guardian died 1 time"
	matches "$output" 'the guardian was gone, and its worker with it'
	[[ $output != *"the worker was started again"* ]] || fail "$output"
	grep -q 'the guardian before is gone, and its worker with it' "$RD/log"
	rm "$RD/state/restarts"
	reeved_stop
	reeved_start
	doctor
	contains "$output" "ok restarts: none"
	well
}

@test "a guardian that holds tasks after a stop: its death is told, a reboot is not" {
	reeved_up "$RD"
	"$TOP/tools/mkbundle" "$RD/bundle"
	rctr run --detach --rootfs --runtime io.containerd.reeve.v2 "$RD/bundle/rootfs" t1 sleep 1000
	reeved_stop
	doctor
	contains "$output" "ok restarts: none"
	kill -KILL "$(reeved_part guardian)"
	wait_until 10 reeved_unguarded
	reeved_start
	doctor
	wrong "the guardian died 1 time"
	rm "$RD/state/restarts"
	reeved_kill
	sed -i 's/^[^ ]*/another-boot/' "$RD/state/guardian"
	reeved_start
	doctor
	contains "$output" "ok restarts: none"
	rctr tasks kill -s KILL t1
	wait_until 10 task_gone
	reeved_stop
}

task_gone() {
	rctr tasks delete t1
}

@test "bundles without a container, and what crashes have left" {
	local tasks=io.containerd.runtime.v2.task
	reeved_up "$RD"
	mkdir -p "$RD/state/$tasks/n1/orphan" "$RD/root/$tasks/n1/orphan"
	doctor
	wrong "bundle '$RD/state/n1/orphan'"
	reeved_stop
	rmdir "$RD/state/$tasks/n1/orphan"
	mkdir -p "$RD/state/$tasks/n1/.half"
	doctor
	wrong "bundle '$RD/state/n1/.half'"
	wrong "work directory '$RD/root/n1/orphan'"
	# The next start removes both.
	reeved_start
	doctor
	contains "$output" "ok left over: nothing"
	well
}
