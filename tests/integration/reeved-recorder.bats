#!/usr/bin/env bats
# The exit recorder of reeved on machines of all kinds: without a bpffs, with something else in its place, with a map that is full,
# and where the kernel refuses. A task runs on each of them. Where the kernel refuses anyhow the tests say so, and
# hold reeved to what it then promises: 255, and why.

# Each test is a subshell of its own.
# shellcheck disable=SC2030,SC2031

load lib
load containerd
load reeved

setup_file() {
	"$TOP/tools/mkbundle" "$BATS_FILE_TMPDIR/bundle"
	export BUNDLE=$BATS_FILE_TMPDIR/bundle
}

setup() {
	RD=$BATS_TEST_TMPDIR/r
	bare
}

teardown() {
	local dir
	for dir in "$BATS_TEST_TMPDIR"/r "$BATS_TEST_TMPDIR"/other; do
		RD=$dir
		# A test may have ended it already.
		[ -z "$(reeved_part worker)" ] || ends_killed || true
	done
	umount -l "$BATS_TEST_TMPDIR/own" 2>/dev/null || true # most tests have none
	bare
}

# bare: nothing is mounted on /sys/fs/bpf, here in the namespace of this test.
bare() {
	while mountpoint -q /sys/fs/bpf; do umount -l /sys/fs/bpf; done
}

mounts() {
	awk '$5 == "/sys/fs/bpf"' /proc/self/mountinfo
}

ends_killed() {
	local id
	for id in $(rctr tasks ls -q); do rctr tasks kill --all --signal KILL "$id" || true; done >/dev/null 2>&1
	reeved_kill
}

# begin ID SCRIPT: a detached task.
begin() {
	local file=$BATS_TEST_TMPDIR/$1.json
	jq --arg root "$BUNDLE/rootfs" --arg script "$2" \
		'.root.path = $root | .root.readonly = false | .process.args = ["sh", "-c", $script]' "$BUNDLE/config.json" >"$file"
	rctr run -d --config "$file" "$1" >/dev/null 3>&-
}

# end ID STATUS: it has ended with that.
end() {
	local got
	wait_until 20 is_status "$1" STOPPED
	got=$(rctr tasks rm "$1" 2>&1 | sed -n 's/.*exit code \([0-9]*\).*/\1/p')
	equal "${got:-0}" "$2" "status of $1"
	rctr containers rm "$1"
}

finding() {
	{ reeve doctor --root "$RD/root" --state "$RD/state" --format json || true; } |
		jq -r '.findings[] | select(.section == "exit recorder") | "\(.kind) \(.text)"'
}

is_on() {
	[[ "$(finding)" = "ok on ("* ]]
}

# task_lives: one runs, execs and is told truly, whatever the recorder is.
task_lives() {
	begin t1 'trap "exit 3" USR1; while :; do sleep 0.05; done'
	run -7 rctr tasks exec --exec-id x t1 sh -c 'exit 7'
	wait_until 10 traps "$(pid_of t1)"
	rctr tasks kill -s USR1 t1
	end t1 3
}

traps() { # PID: SIGUSR1
	local caught
	caught=$(awk '/^SigCgt/ { print $2 }' "/proc/$1/status")
	[ $((0x$caught >> 9 & 1)) = 1 ]
}

# killed_meanwhile: a task ends while nothing of reeved is there; what its status is told to be.
killed_meanwhile() {
	local pid
	begin t1 'sleep 1000'
	pid=$(pid_of t1)
	reeved_kill
	kill -KILL "$pid"
	wait_until 10 gone "$pid"
	reeved_start
	end t1 "$1"
}

@test "where no bpffs is mounted, one is while there is something to record" {
	local line
	equal "$(mounts)" ""
	reeved_up "$RD"
	if is_on; then
		line=$(mounts)
		equal "$(grep -c . <<<"$line")" 1 "mounts"
		contains "$line" "nosuid,nodev,noexec"
		contains "$line" " - bpf reeve "
		equal "$(stat -L -c %a /sys/fs/bpf | tail -c 4)" 700 "mode"
		killed_meanwhile 137
		! grep -q ': lost' "$RD/log" || fail "$(cat "$RD/log")"
	else
		echo "# $(finding)" >&3
		killed_meanwhile 255
	fi
	reeved_stop
	wait_until 10 not_served
	equal "$(mounts)" "" "what a daemon that is over leaves"
	# As often as wanted.
	reeved_start
	task_lives
	reeved_stop
}

not_served() {
	[ -z "$(reeved_part guardian)" ]
}

@test "a task that outlives its daemon keeps the recorder, and the machine's bpffs is nobody's to unmount" {
	mount -t bpf -o mode=0700 theirs /sys/fs/bpf 2>/dev/null || skip "no bpffs can be mounted"
	reeved_up "$RD"
	begin t1 'sleep 1000'
	reeved_stop
	is_on || finding | grep -q off
	reeved_start
	rctr tasks kill -s KILL t1
	end t1 137
	reeved_stop
	wait_until 10 not_served
	contains "$(mounts)" " - bpf theirs "
	equal "$(find /sys/fs/bpf -mindepth 1 -name 'reeved*')" "" "what is left in it"
}

@test "two daemons that start at once share one mount, and each has its own in it" {
	local first=$RD other=$BATS_TEST_TMPDIR/other
	for RD in "$first" "$other"; do
		mkdir -p "$RD"
		"$TOP/out/bin/reeved" --root "$RD/root" --state "$RD/state" --address "$RD/sock" >"$RD/log" 2>&1 </dev/null 3>&- &
		echo $! >"$RD/pid"
	done
	for RD in "$first" "$other"; do
		export RD
		wait_until 20 rctr version
	done
	RD=$first
	if is_on; then
		equal "$(mounts | grep -c .)" 1 "mounts"
		equal "$(find /sys/fs/bpf -mindepth 1 -maxdepth 1 -name 'reeved-*' | grep -c .)" 2 "directories"
	fi
	task_lives
	reeved_stop
	wait_until 10 not_served
	RD=$other
	is_on || finding | grep -q off
	task_lives
	reeved_stop
	wait_until 10 not_served
	equal "$(mounts)" ""
}

@test "MGR-41: without a bpffs tasks run, and it is said why the recorder is off" {
	mount -t tmpfs tmpfs /sys/fs/bpf
	reeved_up "$RD"
	contains "$(finding)" "missing off: at '/sys/fs/bpf' is neither a bpffs nor the directory on which one belongs"
	contains "$(cat "$RD/log")" "exit recorder: off: at '/sys/fs/bpf'"
	task_lives
	killed_meanwhile 255
	contains "$(cat "$RD/log")" "the exit recorder was off"
	equal "$(mounts | grep -c .)" 1 "mounts"
	reeved_stop
}

@test "a bpffs of its own is where exits.bpffs says, and goes with the daemon" {
	local own=$BATS_TEST_TMPDIR/own
	mkdir -p "$RD"
	printf 'address = "%s/sock"\nroot = "%s/root"\nstate = "%s/state"\n[exits]\nbpffs = "%s"\n' "$RD" "$RD" "$RD" "$own" >"$RD/reeved.toml"
	"$TOP/out/bin/reeved" --config "$RD/reeved.toml" >"$RD/log" 2>&1 </dev/null 3>&- &
	echo $! >"$RD/pid"
	wait_until 20 rctr version
	if grep -q 'exit recorder: on' "$RD/log"; then mountpoint -q "$own"; fi
	equal "$(mounts)" "" "the machine's"
	task_lives
	reeved_stop
	wait_until 10 not_served
	! mountpoint -q "$own" || fail "it is still mounted"
}

# What `reeve-helper` does for reeved, with a map of another size.
preload() { # DIRECTORY ENTRIES
	python3 - "$TOP/out/bin/reeve-helper" "dir=$1" "entries=$2" <<-'PY'
		import socket, struct, subprocess, sys
		ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
		helper = subprocess.Popen([sys.argv[1], "recorder"] + sys.argv[2:], stdin=theirs)
		theirs.close()
		news = ours.recv(4096)
		helper.wait()
		sys.exit(struct.unpack("i", news[:4])[0] < 0)
	PY
}

@test "MGR-40: where the map is full a task runs all the same, and that is logged" {
	local own=$BATS_TEST_TMPDIR/own
	preload "$own" 2 || skip "the kernel does not permit the recorder"
	mkdir -p "$RD"
	printf 'address = "%s/sock"\nroot = "%s/root"\nstate = "%s/state"\n[exits]\nbpffs = "%s"\n' "$RD" "$RD" "$RD" "$own" >"$RD/reeved.toml"
	"$TOP/out/bin/reeved" --config "$RD/reeved.toml" >"$RD/log" 2>&1 </dev/null 3>&- &
	echo $! >"$RD/pid"
	wait_until 20 rctr version
	contains "$(cat "$RD/log")" "exit recorder: on (0 armed of 2)"
	begin a 'sleep 1000'
	begin b 'sleep 1000'
	! grep -q 'map is full' "$RD/log" || fail "it is not full yet"
	local pid
	begin c 'sleep 1000'
	pid=$(pid_of c)
	contains "$(cat "$RD/log")" "arm the exit recorder for process $pid: its map is full (2 entries)"
	task_lives
	# When there is room again, the next one is armed.
	rctr tasks kill -s KILL a
	end a 137
	: >"$RD/log"
	begin d 'sleep 1000'
	! grep -q 'map is full' "$RD/log" || fail "there is room, and yet: $(tail -n 5 "$RD/log")"
	# The layers above still tell.
	rctr tasks kill -s KILL c
	end c 137
	for pid in b d; do
		rctr tasks kill -s KILL "$pid"
		end "$pid" 137
	done
	reeved_stop
	wait_until 10 not_served
}

@test "MGR-41: without CAP_BPF and CAP_PERFMON tasks run" {
	mkdir -p "$RD"
	setpriv --bounding-set=-bpf,-perfmon "$TOP/out/bin/reeved" --root "$RD/root" --state "$RD/state" --address "$RD/sock" >"$RD/log" 2>&1 </dev/null 3>&- &
	echo $! >"$RD/pid"
	wait_until 20 rctr version
	matches "$(finding)" '^(ok on|missing off)'
	task_lives
	reeved_stop
}

@test "MGR-41: where bpf(2) is refused tasks run on cgroup v1, and it is said why the recorder is off" {
	mountpoint -q /sys/fs/cgroup/devices || skip "devices are limited by bpf(2) on cgroup v2"
	mkdir -p "$RD"
	python3 "$TOP/tests/integration/without_bpf.py" "$TOP/out/bin/reeved" --root "$RD/root" --state "$RD/state" --address "$RD/sock" >"$RD/log" 2>&1 </dev/null 3>&- &
	echo $! >"$RD/pid"
	wait_until 20 rctr version
	matches "$(finding)" "^missing off: .*(ermitted|kernel)"
	task_lives
	reeved_stop
}

@test "MGR-41: on a machine with cgroup v1 alone tasks run" {
	local dir
	mountpoint -q /sys/fs/cgroup/memory || skip "this machine has v2 alone"
	dir=$(awk '{ for (i = 7; $i != "-"; i++); if ($(i + 1) == "cgroup2") print $5 }' /proc/self/mountinfo)
	[ -n "$dir" ] || skip "this machine has v1 alone, and every test holds for it"
	umount "$dir"
	reeved_up "$RD"
	task_lives
	killed_meanwhile "$(is_on && echo 137 || echo 255)"
	reeved_stop
	mount -t cgroup2 cgroup2 "$dir"
}
