#!/usr/bin/env bats
# reeved as clients see it: the same ctr asks it and a containerd of the same version, and must be told the same.
# CONTAINERD chooses the version (containerd.bash).

load lib
load containerd
load reeved

setup_file() {
	containerd_up "$BATS_FILE_TMPDIR/containerd"
	reeved_up "$BATS_FILE_TMPDIR/reeved"
	# What ctr wants to know of a container without an image.
	"$TOP/tools/mkbundle" "$BATS_FILE_TMPDIR/bundle"
	export CONFIG=$BATS_FILE_TMPDIR/bundle/config.json
}

teardown_file() {
	reeved_stop
	containerd_stop
}

@test "version and server" {
	run -0 rctr version
	matches "$output" 'Server:.*Version:.*UUID: [0-9a-f]{8}-'
	local uuid=$output
	run -0 rctr version
	equal "$output" "$uuid" "the uuid"
}

@test "plugins have the names of containerd's" {
	local type id rest
	run -0 rctr plugins ls
	contains "$output" "healthcheck"
	while read -r type id rest; do
		[ "$type" != TYPE ] || continue
		ctr plugins ls | grep -q "^$type *$id " || {
			# 2.x renamed two, and brought the transfer of images with its streams.
			[[ $CONTAINERD != 1.6 || $type.$id =~ streaming|transfer ]] ||
				fail "containerd has no plugin $type $id"
		}
	done <<<"$output"
	both plugins ls id==version
	both plugins ls "type~=^io.containerd.event,id!=x"
}

@test "namespaces live and die as containerd's" {
	both namespaces create one a=b
	both namespaces create one
	both namespaces ls -q
	both namespaces label one c=d a=
	both namespaces ls
	both namespaces create ..
	both namespaces create "$(printf 'a%.0s' {1..77})"
	both namespaces create two "$(printf 'a%.0s' {1..5000})=b"
	both namespaces rm one
	both namespaces rm one
	both namespaces ls -q
}

@test "containers are made, listed, labelled and removed as containerd's" {
	both containers create --config "$CONFIG" c1
	both containers create --config "$CONFIG" --label x=y c2
	both containers create --config "$CONFIG" c1
	both containers ls
	both containers ls -q
	both containers ls labels.x==y
	both containers ls "id~=|^c[12]$|,runtime.name!=x"
	both containers ls "id=c1"
	both containers label c1 k=v
	both containers label c1 k=
	both containers info c1
	both containers info nope
	both containers create --config "$CONFIG" a/b
	both namespaces rm "$CONTAINERD_NAMESPACE"
	both containers rm c1 c2 c3
	both containers ls
	both namespaces rm "$CONTAINERD_NAMESPACE"
}

@test "leases are kept, and forgotten when they end" {
	both leases create --id l1 a=b
	both leases create --id l1
	both leases ls
	both leases ls -q
	both leases delete l1
	both leases delete l1
	both leases create --id short --expires 1ms
	wait_until 5 eval '[ -z "$(rctr leases ls -q)" ]'
	both namespaces ls -q
	rctr leases create --id again
	rctr leases delete again
	rctr namespaces rm "$CONTAINERD_NAMESPACE"
	ctr leases delete short || ! ctr leases ls -q | grep -q short # it may be gone by itself
	ctr namespaces rm "$CONTAINERD_NAMESPACE"
}

@test "events come to those whose filter lets them" {
	rctr events >"$BATS_TEST_TMPDIR/all" 3>&- &
	local all=$!
	rctr events 'topic~=|^/containers/|,event.id==e1' >"$BATS_TEST_TMPDIR/some" 3>&- &
	local some=$!
	# A subscription says nothing when it begins: tell until both have heard.
	heard() {
		rctr containers create --config "$CONFIG" e1
		rctr containers rm e1
		grep -q /containers/delete "$BATS_TEST_TMPDIR/all" && grep -q /containers/delete "$BATS_TEST_TMPDIR/some"
	}
	wait_until 20 heard
	rctr containers create --config "$CONFIG" e2
	rctr containers label e2 x=y
	rctr containers rm e2
	rctr namespaces create after
	rctr namespaces rm after
	wait_until 10 grep -q /namespaces/delete "$BATS_TEST_TMPDIR/all"
	kill "$all" "$some"
	matches "$(cat "$BATS_TEST_TMPDIR/all")" '/containers/update \{"id":"e2".*"labels":\{"x":"y"\}'
	[[ "$(cat "$BATS_TEST_TMPDIR/some")" != *e2* ]] || fail "the filter let e2 through"
	[[ "$(cat "$BATS_TEST_TMPDIR/some")" != *namespaces* ]] || fail "the filter let a namespace through"
}

@test "what was told is there after kill -9, and nothing else" {
	rctr namespaces create kept a=b
	rctr containers create --config "$CONFIG" k1
	reeved_kill
	reeved_start
	run -0 rctr namespaces ls -q
	contains "$output" kept
	run -0 rctr containers ls -q
	equal "$output" k1
	rctr containers rm k1
	rctr namespaces rm kept
}

@test "a second daemon keeps out of the first one's directory" {
	run -1 within 10 reeved --root "$RD/root" --state "$RD/state" --address "$BATS_TEST_TMPDIR/sock"
	contains "$output" "another daemon has '$RD/state'"
	[ ! -e "$BATS_TEST_TMPDIR/sock" ]
	rctr version
}

@test "a damaged store is put aside and what can be read is kept" {
	rctr namespaces create d1
	reeved_stop
	[ ! -e "$RD/sock" ] || fail "the socket is still there"
	dd if=/dev/urandom of="$RD/root/meta.db" bs=64 count=1 conv=notrunc status=none
	reeved_start
	grep -q "the store was damaged: .* records were kept" "$RD/log"
	[ -e "$RD/root/meta.db.damaged" ]
	rctr namespaces create d2
	rctr namespaces rm d2
}

@test "bad arguments are refused by name" {
	run -1 reeved --nonsense
	contains "$output" "unknown option '--nonsense'"
	run -1 reeved --root relative
	contains "$output" "root 'relative' is no absolute path"
	run -1 reeved --address
	contains "$output" "option '--address' needs a value"
	run -1 reeved extra
	contains "$output" "unexpected argument 'extra'"
	run -0 reeved --version
	run -0 reeved --help
	contains "$output" --address
}

@test "bad clients get an end and harm nobody" {
	within 60 python3 "$TOP/tests/integration/reeved_bad_input.py" "$RD/sock"
	rctr version
	equal "$(grep -c . "/proc/$(cat "$RD/pid")/comm")" 1
}
