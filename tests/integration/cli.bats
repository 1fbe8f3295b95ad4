#!/usr/bin/env bats
# What is reeve's own on the command line, and the corners of what all runtimes do: abbreviated ids, damaged state,
# bad paths that leave nothing behind, terminals under load, sockets.

load lib.bash

setup_file() {
	runtime_setup_file
}

setup() {
	not_for runc crun -- "of reeve's own"
	runtime_setup
}

teardown() {
	runtime_teardown
}

nothing_made() {
	run -1 rt state "$ID"
	contains "$output" "container does not exist"
	nothing_left
}

# --- ids and state ----------------------------------------------------------------------------------------------

@test "the beginning of an id will do, but only on request, and four characters of it where it destroys" {
	bundle '.process.args = ["/bin/sleep", "100"]'
	rt create --bundle "$B" alpha-one </dev/null >"$B/out" 2>&1
	jq '.linux.cgroupsPath = "/test/two"' "$B/config.json" >"$B/c" && mv "$B/c" "$B/config.json"
	rt create --bundle "$B" alpha-two </dev/null >"$B/out" 2>&1
	run -1 rt state alpha-o
	equal "$(rt --id-prefix state alpha-o | jq -r .id)" alpha-one
	run -1 rt --id-prefix state alpha
	contains "$output" '"alpha-one", "alpha-two"'
	run -1 rt --id-prefix delete alp
	rt --id-prefix delete alpha-t
	equal "$(rt list --quiet)" alpha-one
	rt --id-prefix delete alph
}

@test "a damaged record is named, listed around, and removed by force" {
	bundle '.process.args = ["/bin/sleep", "100"]'
	ct_create
	mkdir -m 700 "$RT_ROOT/broken"
	echo '{"v":1}' >"$RT_ROOT/broken/state"
	run -1 rt state broken
	contains "$output" "damaged"
	run -0 --separate-stderr rt list --quiet
	equal "$output" "$ID"
	contains "$stderr" "'broken' is damaged"
	run -1 rt delete broken
	rt delete --force broken
	[ ! -e "$RT_ROOT/broken" ]
	# One whose processes live is not forgotten.
	cp "$RT_ROOT/$ID/state" "$B/good"
	echo x >"$RT_ROOT/$ID/state"
	run -1 rt delete --force "$ID"
	contains "$output" "are left in its cgroup"
	cp "$B/good" "$RT_ROOT/$ID/state"
}

@test "what a killed create left before it had a name is swept" {
	mkdir -m 700 "$RT_ROOT"
	mkdir -p "$RT_ROOT/.tmp.0123456789abcdef" "$RT_ROOT/.del.0123456789abcdef/x"
	rt delete --force nosuch
	equal "$(ls -A "$RT_ROOT")" ""
}

@test "a root that others can write, or that is a link or the root directory, is refused" {
	mkdir -m 777 "$BATS_TEST_TMPDIR/open"
	run -1 "$RT" --root "$BATS_TEST_TMPDIR/open" list
	contains "$output" "writable for everybody"
	mkdir -m 700 "$RT_ROOT"
	ln -s "$RT_ROOT" "$BATS_TEST_TMPDIR/link"
	run -1 "$RT" --root "$BATS_TEST_TMPDIR/link" list
	run -1 "$RT" --root / list
	run -1 "$RT" --root "" list
	run -1 "$RT" --root "$BATS_TEST_TMPDIR/none" list
}

# --- bad paths leave nothing ------------------------------------------------------------------------------------

@test "a pid file, console socket or pidfd socket that cannot be leaves no container" {
	bundle '.process.args = ["/bin/sleep", "100"]'
	ct_refused --pid-file "$B/no/such/pid"
	contains "$output" "pid file"
	nothing_made
	mkdir "$B/dir"
	ct_refused --pid-file "$B/dir"
	nothing_made
	ct_refused --pidfd-socket "$B/none"
	nothing_made
	bundle '.process.terminal = true | .process.args = ["/bin/sleep", "100"]'
	ct_refused --console-socket "$B/none"
	contains "$output" "console socket"
	nothing_made
}

@test "a log that cannot be opened is told on standard error" {
	run -1 rt --log "$B/no/such/log" list
	contains "$output" "open log"
}

@test "descriptors that are to be kept must be there" {
	bundle
	ct_refused --preserve-fds 3 3<&- 4<&- 5<&-
	contains "$output" "descriptor 3"
	nothing_made
}

@test "a run whose program is not there ends with 1 and leaves nothing" {
	bundle '.process.args = ["nosuchprogram"]'
	run -1 ct_run
	matches "$output" 'run failed: .*executable file .*not found in \$PATH'
	nothing_made
}

# --- run and exec -----------------------------------------------------------------------------------------------

@test "run does without cgroups when told to" {
	bundle_sh 'cat /proc/self/cgroup; exit 3'
	run -3 rt --cgroup-manager disabled run --bundle "$B" "$ID" </dev/null
	[[ "$output" != *"/test/$ID"* ]] || fail "$output"
}

@test "run without a pid namespace reaps and removes what its program leaves" {
	bundle_sh 'sleep 1000 & sleep 1000 & exit 4' '.linux.namespaces |= map(select(.type != "pid"))'
	run -4 ct_run
	nothing_left
}

@test "signals of a terminal's job reach the program once" {
	bundle_sh 'trap "echo got" USR1; trap "exit 5" INT; echo ready; while :; do sleep 0.05; done'
	"$RT" --root "$RT_ROOT" run --bundle "$B" "$ID" </dev/null >"$B/stdout" 2>&1 3>&- &
	local job=$!
	wait_until 10 grep -q ready "$B/stdout"
	kill -USR1 "$job"
	wait_until 10 grep -q got "$B/stdout"
	kill -INT "$job"
	ends_with 5 "$job"
	equal "$(grep -c got "$B/stdout")" 1
}

@test "a pidfd socket gets a pidfd of the process" {
	bundle '.process.args = ["/bin/sleep", "100"]'
	cat >"$B/receive.py" <<-'PY'
		import os, socket, sys
		s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
		s.bind(sys.argv[1] + ".new"); s.listen(1); os.rename(sys.argv[1] + ".new", sys.argv[1])
		c, _ = s.accept()
		data, fds, _, _ = socket.recv_fds(c, 100, 4)
		for line in open(f"/proc/self/fdinfo/{fds[0]}"):
		    if line.startswith("Pid:"): print(line.split()[1])
	PY
	python3 "$B/receive.py" "$B/sock" >"$B/got" 2>&1 3>&- &
	local job=$!
	wait_until 10 test -S "$B/sock"
	ct_create --pidfd-socket "$B/sock"
	wait "$job"
	equal "$(cat "$B/got")" "$(pid_of)"
	rt delete --force "$ID"
	# crun's annotation names one, too
	bundle '.process.args = ["/bin/sleep", "100"] | .annotations = {"run.oci.pidfd_receiver": $s}' --arg s "$B/other"
	python3 "$B/receive.py" "$B/other" >"$B/got" 2>&1 3>&- &
	job=$!
	wait_until 10 test -S "$B/other"
	ct_create
	wait "$job"
	equal "$(cat "$B/got")" "$(pid_of)"
}

@test "sockets of a service manager reach the program, if they are meant for it" {
	bundle_sh 'echo "$LISTEN_FDS $LISTEN_PID"; cat <&3'
	echo hello >"$B/3"
	run -0 bash -c 'export LISTEN_FDS=1; LISTEN_PID=$BASHPID exec "$@"' - "$RT" --root "$RT_ROOT" run --bundle "$B" "$ID" 3<"$B/3" </dev/null
	equal "$output" $'1 1\nhello'
	bundle_sh 'echo "-$LISTEN_FDS-"; ls /proc/self/fd'
	run -0 env LISTEN_FDS=1 LISTEN_PID=1 "$RT" --root "$RT_ROOT" run --bundle "$B" "$ID" 3<"$B/3" </dev/null
	equal "${output//$'\n'/ }" "-- 0 1 2 3"
}

# in_terminal COMMAND: as at a keyboard that says nothing.
in_terminal() {
	mkfifo "$BATS_TEST_TMPDIR/keyboard"
	exec 7<>"$BATS_TEST_TMPDIR/keyboard"
	(set -o pipefail && script -qec "$1" /dev/null <&7 | tr -d '\r')
}

@test "a terminal loses nothing of a megabyte, also to a slow reader" {
	bundle_sh 'stty -opost; seq 150000' '.process.terminal = true'
	rt run --bundle "$B" "$ID" </dev/null 2>"$B/stderr" | { sleep 0.3; md5sum; } >"$B/sum"
	equal "$(cat "$B/sum")" "$(seq 150000 | md5sum)"
}

@test "a terminal's lines go to a pipe as the program ends them" {
	bundle_sh 'echo one; echo two' '.process.terminal = true'
	rt run --bundle "$B" "$ID" </dev/null 2>"$B/stderr" | od -c >"$B/got"
	printf 'one\ntwo\n' | od -c | diff - "$B/got"
	ct_sleep
	rt exec -t "$ID" /bin/echo three </dev/null 2>"$B/stderr" | od -c >"$B/got"
	printf 'three\n' | od -c | diff - "$B/got"
}

@test "a terminal passes input on, and end of file by its key" {
	bundle_sh 'stty -echo -onlcr; echo ready; wc -c' '.process.terminal = true'
	mkfifo "$B/keys"
	"$RT" --root "$RT_ROOT" run --bundle "$B" "$ID" <"$B/keys" >"$B/stdout" 2>&1 3>&- &
	local job=$!
	exec 7>"$B/keys"
	wait_until 10 grep -q ready "$B/stdout"
	printf 'hello\n\004' >&7
	ends_with 0 "$job"
	exec 7>&-
	equal "$(tail -n 1 "$B/stdout" | tr -d ' \r')" 6
}

@test "a terminal whose reader has gone does not hold the program" {
	bundle_sh 'seq 100000; exit 6' '.process.terminal = true'
	rt run --bundle "$B" "$ID" </dev/null 2>"$B/stderr" | head -n 1 >"$B/stdout"
	equal "$(tr -d '\r' <"$B/stdout")" 1
	nothing_left
}

@test "exec with a terminal gives the person's terminal back" {
	ct_sleep
	run -0 in_terminal "stty -a >'$B/before'; '$RT' --root '$RT_ROOT' exec -t '$ID' /bin/sh -c 'exit 0'; stty -a >'$B/after'"
	cmp "$B/before" "$B/after"
}

# On a hybrid machine the executor of the first is in the v2 cgroup from its start, that of the second is not.
@test "exec is in every cgroup that init is in" {
	local option
	ct_sleep
	for option in "" --ignore-paused; do
		# shellcheck disable=SC2086 # none is no word
		equal "$(rt exec $option "$ID" /bin/cat /proc/self/cgroup </dev/null)" \
			"$(rt exec "$ID" /bin/cat /proc/1/cgroup </dev/null)"
	done
}

@test "exec starts also where its executor cannot begin in the cgroup" {
	ct_sleep
	run -0 --separate-stderr strace -o "$B/trace" -e inject=clone3:error=EAGAIN:when=1 \
		"$RT" --root "$RT_ROOT" exec "$ID" /bin/cat /proc/self/cgroup </dev/null
	equal "$output" "$(rt exec "$ID" /bin/cat /proc/1/cgroup </dev/null)"
	[ ! -d /sys/fs/cgroup/unified ] || grep -q 'clone3(.*CLONE_INTO_CGROUP.*INJECTED' "$B/trace"
}

@test "exec is put in cgroups below the container's, also of single controllers" {
	ct_sleep
	if is_v2; then
		mkdir "/sys/fs/cgroup/test/$ID/sub"
		equal "$(rt exec --cgroup sub "$ID" /bin/cat /proc/self/cgroup </dev/null)" "0::/test/$ID/sub"
		run -255 rt exec --cgroup pids:sub "$ID" /bin/true </dev/null
		contains "$output" "unknown controller 'pids'"
		return 0
	fi
	local dir
	for dir in /sys/fs/cgroup/*/test/"$ID"; do mkdir "$dir/sub"; done
	rt exec "$ID" /bin/cat /proc/self/cgroup </dev/null >"$B/plain"
	rt exec --cgroup /sub "$ID" /bin/cat /proc/self/cgroup </dev/null >"$B/all"
	equal "$(sed -n 's/.*:pids://p' "$B/all")" "$(sed -n 's/.*:pids://p' "$B/plain" | sed 's|/*$|/sub|')"
	equal "$(grep -c '/sub$' "$B/all")" "$(grep -c . "$B/all")"
	rt exec --cgroup pids,memory:sub --cgroup freezer: "$ID" /bin/cat /proc/self/cgroup </dev/null >"$B/some"
	equal "$(grep '/sub$' "$B/some" | cut -d: -f2 | sort | paste -sd' ')" "memory pids"
	run -255 rt exec --cgroup nosuch:sub "$ID" /bin/true </dev/null
	contains "$output" "unknown controller 'nosuch'"
	run -255 rt exec --cgroup one --cgroup two "$ID" /bin/true </dev/null
	contains "$output" "must name its controllers"
	run -255 rt exec --cgroup pids:../x "$ID" /bin/true </dev/null
	contains "$output" "bad sub cgroup path: pids:../x is not a sub cgroup path"
	run -255 rt exec --cgroup pids:none "$ID" /bin/true </dev/null
	for dir in /sys/fs/cgroup/*/test/"$ID"/sub; do wait_until 5 rmdir "$dir"; done
}

@test "a hundred execs leave no process and no descriptor" {
	ct_sleep
	local i
	for i in $(seq 100); do
		rt exec "$ID" /bin/true </dev/null || fail "exec $i"
	done
	wait_until 10 eval "[ \$(rt ps --format json $ID | jq length) -le 2 ]"
}

# --- commands ---------------------------------------------------------------------------------------------------

@test "ps takes options of ps" {
	ct_sleep
	run -0 rt ps "$ID" -o pid,comm -e
	matches "${lines[0]}" 'PID +COMMAND'
	contains "$output" "$(pid_of) "
	run -1 rt ps "$ID" -o comm -e
	contains "$output" "PID field"
	run -1 rt ps --format xml "$ID"
}

@test "update refuses what is no number and changes nothing" {
	bundle '.process.args = ["/bin/sleep", "100"] | .linux.resources.pids = {"limit": 100}'
	ct_create
	local flag
	for flag in --pids-limit=x --memory=1.5x --cpu-quota=- --cpu-share=-1 --blkio-weight=70000 --cpuset-cpus=a-b; do
		run -1 rt update --pids-limit=77 "$flag" "$ID"
	done
	equal "$(cg pids pids.max pids.max)" 100
	echo '{"pids": ' >"$B/res"
	run -1 rt update --resources "$B/res" "$ID"
	equal "$(cg pids pids.max pids.max)" 100
}

@test "an unknown command ends with 3, bad usage with 1" {
	run -3 rt nosuch
	run -1 rt state
	run -1 rt state a b
	run -1 rt create --bundle
	contains "$output" "flag needs an argument"
	run -1 rt create --nosuch x
	run -1 rt kill
}

@test "list shows nothing of a default root that was never made" {
	run -0 env -u XDG_RUNTIME_DIR "$RT" list --format json
	equal "$output" null
}
