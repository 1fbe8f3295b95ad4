#!/usr/bin/env bats
# The gRPC door under load, and under clients that mean harm (MGR-46..51). reeved_door.py says what each test does; all of
# them meet the same daemon, so that what one leaves behind is in the way of the next.

load lib
load containerd
load reeved

setup_file() {
	reeved_up "$BATS_FILE_TMPDIR/reeved"
}

teardown_file() {
	[ ! -s "$RD/pid" ] || gone "$(cat "$RD/pid")" || reeved_stop
}

door() { # TEST [ARGUMENT]...
	within 170 python3 "$TOP/tests/integration/reeved_door.py" "$RD/sock" "$(reeved_serving)" "$@"
}

@test "MGR-46: 10,000 calls wait at a time, for less than 2 KiB each" {
	door many
}

@test "MGR-47: who does not read events is cut off at 16 MiB, others miss none" {
	door slow_bytes
}

@test "MGR-47: who does not read events is cut off at 64k of them" {
	door slow_events
}

@test "MGR-47: twenty who do not read do not get twenty shares" {
	door slow_many
}

@test "MGR-48: a message of 16 MiB is taken in frames of any size, and one more byte is refused" {
	door largest
}

@test "MGR-49: calls are given up, and connections closed, after any byte" {
	door resets
}

@test "MGR-50: floods hold little and keep nobody from his answer" {
	door floods
}

@test "MGR-50: headers and frames of any bytes" {
	door fuzz
}

@test "MGR-51: texts of errors arrive as they are" {
	door texts
}

@test "each plugin of the list can be asked for by its name" {
	door plugins
}

@test "what takes long is done by a helper, and others are answered meanwhile" {
	local dir=$BATS_TEST_TMPDIR pid
	mkdir "$dir/bin" "$dir/d"
	cp "$TOP/out/bin/reeved" "$dir/bin/reeved"
	# In place of the helper one that says that it is there, waits until it may, and becomes the helper.
	cat >"$dir/bin/reeve-helper" <<-SH
		#!/bin/sh
		touch "$dir/gate.waits"
		until [ -e "$dir/gate" ]; do sleep 0.02; done
		exec "$TOP/out/bin/reeve-helper" "\$@"
	SH
	chmod +x "$dir/bin/reeve-helper"
	"$dir/bin/reeved" --root "$dir/d/root" --state "$dir/d/state" --address "$dir/d/sock" >"$dir/log" 2>&1 3>&- &
	pid=$!
	wait_until 10 ctr --address "$dir/d/sock" version
	within 100 python3 "$TOP/tests/integration/reeved_door.py" "$dir/d/sock" "$pid" helpers "$dir/gate"
	kill "$pid"
	wait_until 10 gone "$pid"
}

@test "who goes on with a big write keeps nobody waiting" {
	door resume "$RD/root/io.containerd.content.v1.content/ingest"
}

@test "MGR-49: who leaves says so, ends streams and answers what was asked" {
	door drain
	wait_until 10 gone "$(cat "$RD/pid")"
	[ ! -e "$RD/sock" ] || fail "the socket is still there"
	reeved_start
}
