#!/usr/bin/env bats
# A store of reeved that is damaged, gone, or on a disk that is full: what is lost is told, what can be kept is, and
# containers that run are known.

load lib
load containerd
load reeved

setup() {
	RD=$BATS_TEST_TMPDIR/r
	"$TOP/tools/mkbundle" "$BATS_TEST_TMPDIR/bundle"
	ROOTFS=$BATS_TEST_TMPDIR/bundle/rootfs
	export CONTAINERD_NAMESPACE=store
	MOUNTED=
}

teardown() {
	local id
	for id in $(rctr tasks ls -q 2>/dev/null); do rctr tasks kill -s KILL "$id" && wait_until 10 stopped "$id" && rctr tasks rm "$id"; done
	[ ! -e "$RD/pid" ] || {
		kill -TERM "$(cat "$RD/pid")" 2>/dev/null || true
		wait_until 20 gone "$(cat "$RD/pid")"
	}
	[ -z "$MOUNTED" ] || umount "$MOUNTED"
}

stopped() {
	rctr tasks ls | grep -q "^$1 .*STOPPED"
}

# alive ID: a container that runs.
alive() {
	rctr run -d --rootfs --runtime io.containerd.reeve.v2 --label a=b "$ROOTFS" "$1" sleep 1000 </dev/null >/dev/null 3>&-
}

# What there is of a container that the store has lost: its task, which can be ended, and its spec and runtime.
known_again() { # ID
	run -0 rctr containers info "$1"
	equal "$(jq -r '.Runtime.Name' <<<"$output")" io.containerd.reeve.v2 "the runtime"
	equal "$(jq -r '.Spec.process.args | join(" ")' <<<"$output")" "sleep 1000" "the spec"
	matches "$(rctr tasks ls)" "$1 .*RUNNING"
	contains "$(cat "$RD/log")" "container '$1' of namespace 'store': its record was lost, and is made anew"
	rctr tasks exec --exec-id again "$1" true
	rctr tasks kill -s KILL "$1"
	wait_until 10 stopped "$1"
	rctr tasks rm "$1" || true # tells the status of the killed one
	rctr containers rm "$1"
	run -0 rctr containers ls -q
	equal "$output" ""
}

# settle: nobody has the store, and all of it is in one file.
settle() {
	reeved_stop
	wait_until 10 flock -n "$RD/root/lock" true
	python3 -B -c 'import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute("PRAGMA wal_checkpoint(TRUNCATE)")' "$RD/root/meta.db"
	[ ! -s "$RD/root/meta.db-wal" ] || fail "the log of the store is not empty"
}

@test "a store that is gone is made anew from the bundles of what runs" {
	reeved_up "$RD"
	alive c1
	settle
	rm "$RD"/root/meta.db*
	reeved_start
	contains "$(cat "$RD/log")" "the store was missing or empty, and there are 1 bundles"
	known_again c1
	run -1 reeve doctor --root "$RD/root" --state "$RD/state"
	matches "$output" "meta.db.damaged"
}

@test "an empty file is no store" {
	reeved_up "$RD"
	alive c1
	settle
	rm "$RD"/root/meta.db*
	: >"$RD/root/meta.db"
	reeved_start
	known_again c1
}

@test "a store that is cut off keeps what can be read, and the rest comes from bundles" {
	reeved_up "$RD"
	alive c1
	settle
	truncate -s 5000 "$RD/root/meta.db"
	reeved_start
	contains "$(cat "$RD/log")" "the store was damaged"
	[ -e "$RD/root/meta.db.damaged" ]
	known_again c1
}

@test "a bit that changed in a record is found, and that record alone made anew" {
	reeved_up "$RD"
	alive c1
	rctr containers create --config "$BATS_TEST_TMPDIR/bundle/config.json" c2
	settle
	# In the spec of c1, which the store has once.
	python3 -B - "$RD/root/meta.db" <<-'PY'
		import sys
		data = open(sys.argv[1], "rb").read()
		at = data.find(b'"sleep"')
		assert at > 0
		with open(sys.argv[1], "r+b") as f:
		    f.seek(at + 1)
		    f.write(bytes([data[at + 1] ^ 1]))
	PY
	run -1 reeve doctor --root "$RD/root" --state "$RD/state"
	matches "$output" "record 'c1' of namespace 'store' is damaged"
	reeved_start
	run -0 rctr containers ls -q
	equal "$output" "$(printf 'c1\nc2')"
	rctr containers rm c2
	known_again c1
	[ ! -e "$RD/root/meta.db.damaged" ] || fail "the whole store was put aside"
}

@test "a container that was removed is not made anew from a bundle" {
	reeved_up "$RD"
	rctr containers create --config "$BATS_TEST_TMPDIR/bundle/config.json" c1
	rctr containers rm c1
	mkdir -p "$RD/state/io.containerd.runtime.v2.task/store/c1"
	cp "$BATS_TEST_TMPDIR/bundle/config.json" "$RD/state/io.containerd.runtime.v2.task/store/c1/"
	reeved_stop
	reeved_start
	run -0 rctr containers ls -q
	equal "$output" ""
}

# full DIR: not a byte more fits on its tmpfs; freed by `rm DIR/fill`.
fill() {
	dd if=/dev/zero of="$1/fill" bs=64k status=none 2>/dev/null || true
	dd if=/dev/zero of="$1/fill2" bs=512 status=none 2>/dev/null || true
}

@test "a disk that is full: changes are refused as a whole, reading goes on, and all is well when there is room" {
	mkdir -p "$RD/root"
	mount -t tmpfs -o size=8m tmpfs "$RD/root"
	MOUNTED=$RD/root
	reeved_up "$RD"
	rctr containers create --config "$BATS_TEST_TMPDIR/bundle/config.json" before
	fill "$RD/root"
	local i refused=0
	for i in $(seq 1 400); do
		run rctr containers create --config "$BATS_TEST_TMPDIR/bundle/config.json" "c$i"
		[ "$status" = 0 ] || {
			refused=$i
			break
		}
	done
	[ "$refused" != 0 ] || fail "400 containers went on a disk that is full"
	matches "$output" 'full|space'
	# What was refused is not there, what was not is; and so after a restart on the full disk.
	run -0 rctr containers ls -q
	equal "$(grep -c . <<<"$output")" "$refused" "containers"
	[[ "$output" != *"c$refused"$'\n'* ]] || fail "what was refused is there"
	head -c 3000000 /dev/urandom >"$BATS_TEST_TMPDIR/blob"
	run -1 rctr content ingest --expected-size 3000000 ref-1 <"$BATS_TEST_TMPDIR/blob"
	matches "$output" 'space|full'
	run -0 rctr content ls -q
	equal "$output" ""
	rm "$RD/root/fill" "$RD/root/fill2"
	rctr containers create --config "$BATS_TEST_TMPDIR/bundle/config.json" after
	# Its end is checked by its digest; nothing names it, so that it may be collected at once.
	local digest
	digest=sha256:$(sha256sum "$BATS_TEST_TMPDIR/blob" | cut -d' ' -f1)
	run -0 rctr content ingest --expected-size 3000000 --expected-digest "$digest" ref-1 <"$BATS_TEST_TMPDIR/blob"
	reeved_stop
	reeved_start
	equal "$(rctr containers ls -q | wc -l)" "$((refused + 1))" "containers after a restart"
	run reeve doctor --root "$RD/root" --state "$RD/state"
	matches "$output" "ok +'$RD/root/meta.db' is sound"
}
