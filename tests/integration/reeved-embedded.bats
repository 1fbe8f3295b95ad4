#!/usr/bin/env bats
# Tasks inside of reeved, and what becomes of them when its processes are killed, stopped or replaced. The numbers are those of
# the invariants that each test holds.

load lib
load containerd
load reeved

setup_file() {
	reeved_up "$BATS_FILE_TMPDIR/reeved"
	"$TOP/tools/mkbundle" "$BATS_FILE_TMPDIR/bundle"
	export BUNDLE=$BATS_FILE_TMPDIR/bundle
}

teardown_file() {
	[ -z "$(reeved_part guardian)" ] || reeved_stop
}

teardown() {
	local id
	for id in $(rctr tasks ls -q); do
		# What a failed test has left may be in any state: each step is for what is in its own.
		rctr tasks kill --all --signal KILL "$id" >/dev/null 2>&1 || true
		wait_until 10 is_status "$id" STOPPED || true
		rctr tasks rm --force "$id" >/dev/null 2>&1 || true
	done
	for id in $(rctr containers ls -q); do rctr containers rm "$id" >/dev/null 2>&1 || true; done
}

# config SCRIPT: a config.json that runs it; its path.
config() {
	local file=$BATS_TEST_TMPDIR/config-$RANDOM$RANDOM.json
	jq --arg root "$BUNDLE/rootfs" --arg script "$1" \
		'.root.path = $root | .root.readonly = false | .process.args = ["sh", "-c", $script]' "$BUNDLE/config.json" >"$file"
	echo "$file"
}

# begin ID SCRIPT [OPTION...]: a detached task.
begin() {
	local id=$1 file
	file=$(config "$2")
	shift 2
	rctr run -d "$@" --config "$file" "$id" >/dev/null 3>&-
}

# exit_of ID: delete it; the exit code that this tells.
exit_of() {
	local said
	said=$(rctr tasks rm "$1" 2>&1) || {
		echo "$said"
		return 0
	}
	case $said in
	*"exit code "*) grep -o 'exit code [0-9]*' <<<"$said" | grep -o '[0-9]*$' ;;
	*) echo 0 ;;
	esac
}

# kill_worker: and wait until there is another.
kill_worker() {
	local old
	old=$(reeved_part worker)
	kill -KILL "$old"
	wait_until 10 worker_is_not "$old"
}

worker_is_not() {
	local now
	now=$(reeved_part worker)
	[ -n "$now" ] && [ "$now" != "$1" ]
}

@test "a task has no process of ours for itself" {
	begin t1 'sleep 1000'
	equal "$(status_of t1)" RUNNING
	equal "$(awk '{ print $4 }' "/proc/$(pid_of t1)/stat")" "$(reeved_part guardian)" "the parent"
	equal "$(tr ' ' '\n' <"/proc/$(reeved_part guardian)/task/$(reeved_part guardian)/children" | grep -c .)" 2 \
		"children of the guardian"
	rctr tasks kill -s KILL t1
	wait_until 10 is_status t1 STOPPED
	equal "$(exit_of t1)" 137
	equal "$(rctr tasks ls -q)" ""
}

@test "a shim is used where a runtime is named by its path" {
	begin t1 'sleep 1000' --runtime "$TOP/out/bin/containerd-shim-reeve-v2"
	[ "$(awk '{ print $4 }' "/proc/$(pid_of t1)/stat")" != "$(reeved_part guardian)" ]
	rctr tasks kill -s KILL t1
	wait_until 10 is_status t1 STOPPED
	equal "$(exit_of t1)" 137
}

@test "MGR-32: the exit status is what waitpid tells" {
	local status
	for status in 0 1 42 255; do
		begin "e$status" "exit $status"
		wait_until 10 is_status "e$status" STOPPED
		equal "$(exit_of "e$status")" "$status"
		rctr containers rm "e$status"
	done
	# Whom its own signal can kill is no first process of a pid namespace: an exec.
	begin init 'sleep 1000'
	for status in 1 2 6 9 11 15; do
		run -$((128 + status)) rctr tasks exec --exec-id "s$status" init sh -c "kill -$status \$\$; sleep 1000"
	done
}

@test "MGR-33: killed workers take no task and no exit along" {
	local i
	begin t1 'sleep 1000'
	for i in 1 2 3; do
		kill_worker
		equal "$(status_of t1)" RUNNING
	done
	begin t2 'exit 3'
	kill_worker
	wait_until 10 is_status t2 STOPPED
	equal "$(exit_of t2)" 3
	run -5 rctr tasks exec --exec-id x t1 sh -c 'exit 5'
	rctr tasks kill -s TERM t1
	rctr tasks kill -s KILL t1
	kill_worker
	wait_until 10 is_status t1 STOPPED
	equal "$(exit_of t1)" 137
}

@test "MGR-33: an exit while there is no worker is told by the next" {
	local worker first
	begin t1 'sleep 1000'
	begin t2 'sleep 1000'
	first=$(pid_of t1)
	worker=$(reeved_part worker)
	kill -STOP "$worker"
	kill -KILL "$first"
	kill -KILL "$worker"
	wait_until 10 worker_is_not "$worker"
	wait_until 10 is_status t1 STOPPED
	equal "$(exit_of t1)" 137
	equal "$(status_of t2)" RUNNING
}

@test "MGR-34: a killed guardian ends the daemon in the open; the next start finds what lives, and how the dead ended" {
	local t1 t2
	begin t1 'sleep 1000'
	begin t2 'while [ ! -e /tmp/go ]; do sleep 0.05; done; exit 6'
	t1=$(pid_of t1) t2=$(pid_of t2)
	kill -KILL "$(reeved_part guardian)"
	wait_until 10 gone "$(cat "$RD/pid")"
	kill -0 "$t1"
	kill -0 "$t2"
	reeved_start
	equal "$(pid_of t1) $(status_of t1)" "$t1 RUNNING"
	equal "$(pid_of t2) $(status_of t2)" "$t2 RUNNING"
	touch "/proc/$t2/root/tmp/go"
	wait_until 10 is_status t2 STOPPED
	[ "$(pidfd_tells)" = no ] || equal "$(exit_of t2)" 6
	run -4 rctr tasks exec --exec-id x t1 sh -c 'exit 4'
	kill_worker
	equal "$(status_of t1)" RUNNING
	rctr tasks kill -s KILL t1
	wait_until 10 is_status t1 STOPPED
	[ "$(pidfd_tells)" = no ] || equal "$(exit_of t1)" 137
}

# Whether a pidfd tells how a process ended that is another one's child (Linux 6.15).
pidfd_tells() {
	[ "$(printf '6.15\n%s\n' "$(uname -r)" | sort -V | head -n 1)" = 6.15 ] && echo yes || echo no
}

@test "MGR-35: both killed: no task that lives is lost, and what nobody saw is 255 with a reason or what the kernel recorded" {
	local t1 t2
	begin t1 'sleep 1000'
	begin t2 'sleep 1000'
	t1=$(pid_of t1) t2=$(pid_of t2)
	reeved_kill
	kill -KILL "$t2"
	wait_until 10 gone "$t2"
	reeved_start
	equal "$(pid_of t1) $(status_of t1)" "$t1 RUNNING"
	wait_until 10 is_status t2 STOPPED
	if grep -q "exit recorder: on" "$RD/log"; then
		equal "$(exit_of t2)" 137
		run ! grep "process $t2: lost" "$RD/log"
	else
		equal "$(exit_of t2)" 255
		grep "process $t2: lost: it ended while nobody looked, and the exit recorder was off: " "$RD/log"
	fi
	rctr tasks kill -s KILL t1
	wait_until 10 is_status t1 STOPPED
}

@test "a stop leaves tasks alone, and a start goes on with them" {
	local guardian pid
	begin t1 'sleep 1000'
	begin t2 'while [ ! -e /tmp/stop ]; do sleep 0.05; done; exit 12'
	pid=$(pid_of t1) guardian=$(reeved_part guardian)
	local second
	second=$(pid_of t2)
	reeved_stop
	equal "$(reeved_part worker)" ""
	equal "$(reeved_part guardian)" "$guardian"
	[ ! -e "$RD/sock" ]
	kill -0 "$pid"
	touch "/proc/$second/root/tmp/stop"
	wait_until 10 gone "$second"
	kill -TERM "$guardian" # not while there are tasks
	reeved_start
	equal "$(reeved_part guardian)" "$guardian"
	equal "$(pid_of t1) $(status_of t1)" "$pid RUNNING"
	equal "$(exit_of t2)" 12
	rctr tasks kill -s KILL t1
	wait_until 10 is_status t1 STOPPED
	equal "$(exit_of t1)" 137
	rctr containers rm t1 t2
	reeved_stop
	# It reaps the worker, whose end the front has seen, and leaves then.
	wait_until 10 reeved_unguarded
	reeved_start
}

@test "MGR-39: replaced in place, by another build and back, with tasks at work" {
	local guardian i pid
	begin t1 'i=0; while :; do i=$((i+1)); sleep 0.01; done'
	pid=$(pid_of t1) guardian=$(reeved_part guardian)
	cp "$TOP/out/bin/reeved" "$BATS_TEST_TMPDIR/reeved"
	echo another build >>"$BATS_TEST_TMPDIR/reeved"
	for i in 1 2 3; do
		kill -KILL "$(cat "$RD/pid")" # a service manager that has lost it starts it again
		wait_until 10 gone "$(cat "$RD/pid")"
		local old
		old=$(reeved_part worker)
		REEVED=$TOP/out/bin/reeved
		[ $((i % 2)) = 0 ] || REEVED=$BATS_TEST_TMPDIR/reeved
		reeved_start
		wait_until 10 worker_is_not "$old"
		equal "$(readlink "/proc/$(reeved_part worker)/exe")" "$(readlink -f "$REEVED")" "its program"
		equal "$(reeved_part guardian)" "$guardian"
		equal "$(pid_of t1) $(status_of t1)" "$pid RUNNING"
		run -7 rctr tasks exec --exec-id "x$i" t1 sh -c 'exit 7'
	done
	# SIGHUP: what is installed now, and nobody's connection fails.
	old=$(reeved_part worker)
	kill -HUP "$(cat "$RD/pid")"
	for i in 1 2 3 4 5; do rctr version >/dev/null; done
	wait_until 10 worker_is_not "$old"
	equal "$(pid_of t1) $(status_of t1)" "$pid RUNNING"
	kill -0 "$(cat "$RD/pid")"
	unset REEVED
}

@test "MGR-42: execs survive a restart and keep their exit codes" {
	local i client
	begin t1 'sleep 1000'
	for i in 1 2 3; do
		rctr tasks exec -d --exec-id "x$i" t1 sh -c "while [ ! -e /tmp/go$i ]; do sleep 0.05; done; exit 2$i"
	done
	wait_until 10 eval '[ "$(rctr tasks ps t1 | wc -l)" -ge 5 ]'
	kill_worker
	for i in 1 2 3; do
		run -0 rctr tasks ps t1
		contains "$output" "x$i"
	done
	(rctr events >"$BATS_TEST_TMPDIR/events" 2>/dev/null 3>&-) &
	client=$!
	wait_until 10 eval 'rctr namespaces label default seen=$RANDOM; [ -s $BATS_TEST_TMPDIR/events ]'
	touch "/proc/$(pid_of t1)/root/tmp/go"{1,2,3}
	for i in 1 2 3; do
		wait_until 10 grep -q "\"id\":\"x$i\".*\"exit_status\":2$i" "$BATS_TEST_TMPDIR/events"
	done
	# It may have ended with its connection.
	kill "$client" 2>/dev/null || true
}
