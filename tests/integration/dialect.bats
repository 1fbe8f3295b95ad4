#!/usr/bin/env bats
# Called through a link named runc or crun: the answers that clients look at, beside those of the peers themselves.

load lib.bash

setup_file() {
	runtime_setup_file
}

setup() {
	not_for runc crun -- "of reeve's own"
	runtime_setup
	mkdir "$BATS_TEST_TMPDIR/bin"
	ln -s "$RT" "$BATS_TEST_TMPDIR/bin/runc"
	ln -s "$RT" "$BATS_TEST_TMPDIR/bin/crun"
	AS_RUNC=$BATS_TEST_TMPDIR/bin/runc AS_CRUN=$BATS_TEST_TMPDIR/bin/crun
	PEERS=$("$TOP/tools/peers" oci-sid)/bin
}

teardown() {
	runtime_teardown
}

# alike NAME ARGUMENT...: ours by that name and the peer end with the same status. What they said is in ours and theirs.
alike() {
	local name=$1 a=0 b=0
	shift
	"$BATS_TEST_TMPDIR/bin/$name" --root "$RT_ROOT" "$@" >"$B/ours" 2>&1 </dev/null || a=$?
	"$PEERS/$name" --root "$BATS_TEST_TMPDIR/peer" "$@" >"$B/theirs" 2>&1 </dev/null || b=$?
	equal "$a" "$b" "status of $name $* ($(cat "$B/ours"); $(cat "$B/theirs"))"
}

@test "the version is a line that clients of each take" {
	local name
	for name in runc crun; do
		run -0 "$BATS_TEST_TMPDIR/bin/$name" --version
		matches "${lines[0]}" "^$name version [0-9]+\.[0-9]+(\.[0-9]+)?$"
		matches "$output" $'\ncommit: reeve-'
		matches "$output" $'\nspec: 1\.'
		equal "$("$BATS_TEST_TMPDIR/bin/$name" --version | sed -n 's/^\(.* version\) .*/\1/p')" \
			"$("$PEERS/$name" --version | sed -n 's/^\(.* version\) .*/\1/p')"
	done
	contains "$("$AS_CRUN" --version)" "rundir: /"
	contains "$("$AS_CRUN" -V)" "+SECCOMP"
	contains "$("$AS_RUNC" --help)" "usage: runc "
	contains "$("$AS_RUNC" help run)" "usage: runc run "
}

@test "exit statuses are those of the one that it is called" {
	mkdir -p "$B" "$RT_ROOT" "$BATS_TEST_TMPDIR/peer"
	chmod 700 "$RT_ROOT"
	local name
	for name in runc crun; do
		alike "$name" nosuch
		alike "$name" --bogus
		alike "$name" list --bogus
		alike "$name" state
		alike "$name" state nosuch
		contains "$(cat "$B/ours")" "does not exist"
		alike "$name" exec nosuch true
		alike "$name" delete nosuch
		alike "$name" delete --force nosuch
		alike "$name" kill nosuch
		alike "$name" pause nosuch
		alike "$name" create --bundle /nonexistent x
		alike "$name" list --format json
		equal "$(tr -d '\n' <"$B/ours")" "$(tr -d '\n' <"$B/theirs")" "list of $name"
		alike "$name" --help
		alike "$name" run --help
	done
	alike crun delete --regex '^nosuch'
	alike crun update --memory=10m nosuch
}

@test "as runc a failure is a record, as crun it is a line" {
	run -1 "$AS_RUNC" --root "$RT_ROOT" state nosuch
	matches "$output" '^time="[^"]+" level=error msg="container does not exist'
	run -1 "$AS_RUNC" --root "$RT_ROOT" create --bundle /nonexistent x
	contains "$output" 'msg="runc create failed: '
	run -1 "$AS_CRUN" --root "$RT_ROOT" state nosuch
	matches "$output" '^container does not exist'
	run -1 "$AS_CRUN" --root "$RT_ROOT" --log-format=json state nosuch
	equal "$(jq -r .level <<<"$output")" error
	run -1 "$AS_RUNC" --log "$BATS_TEST_TMPDIR/log" --log-format json --root "$RT_ROOT" state nosuch
	matches "$output" '^container does not exist'
	equal "$(jq -r .level "$BATS_TEST_TMPDIR/log")" error
	run -1 "$RT" --root "$RT_ROOT" state nosuch
	matches "$output" '^reeve: container does not exist'
}

life_by() { # PROGRAM
	local ID=by-${1##*/} rt=("$1" --root "$RT_ROOT")
	bundle_sh 'echo ready; while :; do sleep 0.05; done'
	"${rt[@]}" create --bundle "$B" "$ID" </dev/null >"$B/stdout" 2>&1
	"${rt[@]}" start "$ID"
	run -7 "${rt[@]}" exec "$ID" /bin/sh -c 'exit 7' </dev/null
	equal "$("${rt[@]}" list --quiet)" "$ID"
	"${rt[@]}" pause "$ID"
	"${rt[@]}" resume "$ID"
	"${rt[@]}" kill "$ID" KILL
	wait_until 10 status_is stopped
	"${rt[@]}" delete "$ID"
}

@test "the life of a container by each name" {
	life_by "$AS_RUNC"
	life_by "$AS_CRUN"
}

@test "as crun, the help of a command begins as crun's" {
	local command
	for command in checkpoint create delete exec features kill list mounts pause ps restore resume run spec start state update; do
		run -0 "$AS_CRUN" "$command" --help
		equal "${lines[0]}" "$("$PEERS/crun" "$command" --help | head -n 1)"
		contains "$output" "--help"
	done
}

@test "as crun, fewer descriptors may be there than are to be kept" {
	bundle_sh 'cat <&3; ls /proc/self/fd'
	echo three >"$B/3"
	local as
	for as in "$AS_CRUN" "$PEERS/crun"; do
		run -0 "$as" --root "$BATS_TEST_TMPDIR/root-${as%/crun}" run --preserve-fds 4 --bundle "$B" "$ID" </dev/null 3<"$B/3" 4<&- 5<&- 6<&-
		equal "$output" $'three\n0\n1\n2\n3\n4'
	done
	run -1 "$AS_RUNC" --root "$RT_ROOT" run --preserve-fds 4 --bundle "$B" "$ID" </dev/null 3<"$B/3" 4<&- 5<&- 6<&-
	contains "$output" "descriptor 4"
}

@test "as crun, pause and resume may be said twice, ps prints pids, list has other heads" {
	ct_sleep
	run -0 "$AS_CRUN" --root "$RT_ROOT" resume "$ID"
	run -0 "$AS_CRUN" --root "$RT_ROOT" pause "$ID"
	run -0 "$AS_CRUN" --root "$RT_ROOT" pause "$ID"
	run -0 "$AS_CRUN" --root "$RT_ROOT" resume "$ID"
	run -1 rt resume "$ID"
	run -0 "$AS_CRUN" --root "$RT_ROOT" ps "$ID"
	equal "${lines[0]}" PID
	matches "${lines[1]}" '^[0-9]+$'
	run -0 "$AS_CRUN" --root "$RT_ROOT" list
	matches "${lines[0]}" '^NAME +PID +STATUS +BUNDLE PATH +CREATED +OWNER *$'
}

@test "the list of the peers' options is what they say" {
	. "$TOP/tests/lib/peer_options.bash"
	local found
	found=$({ peer_options runc "$PEERS/runc"; peer_options crun "$PEERS/crun"; } | LC_ALL=C sort -u)
	diff <(echo "$found") "$TOP/tests/lib/peer-options"
}

@test "kill and delete by a regular expression" {
	local id
	for id in one-a one-b two-a; do
		bundle '.linux.cgroupsPath = $p | .process.args = ["/bin/sleep", "100"]' --arg p "/test/$id"
		rt create --bundle "$B" "$id" </dev/null >"$B/out" 2>&1
	done
	run -1 rt kill --regex '(' KILL
	contains "$output" "regular expression"
	rt kill -r '^one' KILL
	wait_until 10 status_is_of one-a stopped
	wait_until 10 status_is_of one-b stopped
	status_is_of two-a created
	rt delete --regex '^one-.$'
	equal "$(rt list -q)" two-a
	rt start two-a
	run -1 rt delete -r two
	contains "$output" "not stopped"
	rt delete -fr 'w'
	equal "$(rt list -q)" ""
	run -0 rt delete --regex 'x'
}

status_is_of() {
	[ "$(rt state "$1" | jq -r .status)" = "$2" ]
}

@test "a log may go to a file by another word, to the journal and to syslog" {
	run -1 rt --log "file:$BATS_TEST_TMPDIR/log" state nosuch
	contains "$(cat "$BATS_TEST_TMPDIR/log")" 'level=error msg="container does not exist'
	mkdir -p /run/systemd/journal
	cat >"$BATS_TEST_TMPDIR/receive.py" <<-'PY'
		import socket, sys
		s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
		s.bind(sys.argv[1])
		print(s.recv(4096).decode())
	PY
	python3 "$BATS_TEST_TMPDIR/receive.py" /run/systemd/journal/socket >"$BATS_TEST_TMPDIR/got" 3>&- &
	local job=$!
	wait_until 10 test -S /run/systemd/journal/socket
	run -1 rt --log journald:me state nosuch
	wait "$job"
	equal "$(grep -v '^MESSAGE=container does not exist' "$BATS_TEST_TMPDIR/got")" $'PRIORITY=3\nSYSLOG_IDENTIFIER=me'
	rm /run/systemd/journal/socket
	run -1 rt --log journald:me list
	contains "$output" "open log 'journald:me'"
}

@test "debug lines go to the log, or to standard error with level=" {
	bundle '.process.args = ["/bin/true"]'
	run -0 --separate-stderr rt --debug run --bundle "$B" "$ID" </dev/null
	matches "$stderr" 'time="[^"]+" level=debug msg="reeve run"'
	run -0 --separate-stderr rt --debug --log "$B/log" --log-format json run --bundle "$B" "$ID" </dev/null
	equal "$stderr" ""
	jq -e 'select(.level == "debug") | .time | fromdateiso8601? // true' "$B/log" >/dev/null
	run -0 rt --debug --log "$B/log2" state --help
}
