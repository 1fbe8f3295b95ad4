#!/usr/bin/env bats
# reeved as a service of systemd, by the units that are delivered, at the places that hold when nothing is configured; and the
# exit recorder, which tells what nobody could have seen. Only for tests/integration/guest: it needs a machine of its own.

load ../integration/lib.bash
load ../integration/containerd.bash
load ../integration/reeved.bash

SERVICE=reeved.service

setup_file() {
	export UNITS=/run/systemd/system
	sed "s#@bindir@#$TOP/out/bin#" "$TOP/packaging/reeved.service.in" >"$UNITS/$SERVICE"
	cp "$TOP/packaging/reeved.socket" "$UNITS/"
	# systemd's own path is none of a tree that is not installed
	mkdir -p "$UNITS/$SERVICE.d"
	printf '[Service]\nEnvironment="PATH=%s"\n' "$PATH" >"$UNITS/$SERVICE.d/path.conf"
	systemctl daemon-reload
	"$TOP/tools/mkbundle" "$BATS_FILE_TMPDIR/bundle"
	export BUNDLE=$BATS_FILE_TMPDIR/bundle
}

teardown_file() {
	rm -r "${UNITS:?}/$SERVICE" "$UNITS/reeved.socket" "$UNITS/$SERVICE.d"
	systemctl daemon-reload
}

setup() {
	RD=/run/reeved
	export RD
}

teardown() {
	local id
	journalctl --no-pager --quiet --unit "$SERVICE" --lines 40 || true
	for id in $(rctr tasks ls -q 2>/dev/null); do
		# What a failed test has left may be in any state: each step is for what is in its own.
		rctr tasks kill --all --signal KILL "$id" >/dev/null 2>&1 || true
		wait_until 10 is_status "$id" STOPPED || true
		rctr tasks rm --force "$id" >/dev/null 2>&1 || true
	done
	for id in $(rctr containers ls -q 2>/dev/null); do rctr containers rm "$id" >/dev/null 2>&1 || true; done
	systemctl stop reeved.socket "$SERVICE"
	# One that has not failed is refused.
	systemctl reset-failed "$SERVICE" 2>/dev/null || true
	rm -f "$UNITS/$SERVICE.d/test.conf" /etc/reeve/reeved.toml
	systemctl daemon-reload
	equal "$(ours)" "" "processes of the daemon"
}

rctr() {
	within "${CTR_TIMEOUT:-60}" ctr --address "$RD/reeved.sock" "$@"
}

show() { # PROPERTY [UNIT]
	systemctl show -P "$1" "${2:-$SERVICE}"
}

# part guardian|worker: the process below the one that systemd has started.
part() {
	local pid
	for pid in $(pgrep -f 'reeved worker'); do
		case $1/$(cat "/proc/$pid/comm" 2>/dev/null) in
		guardian/reeve-guardian | worker/reeved) echo "$pid" ;;
		esac
	done
}

ours() {
	pids_of "$TOP/out/bin/reeved"
	part guardian
}

part_is_not() { # PART PID
	local now
	now=$(part "$1")
	[ -n "$now" ] && [ "$now" != "$2" ]
}

main_is_not() { # PID
	[ "$(show MainPID)" != "$1" ] && is_up
}

is_up() {
	[ "$(show ActiveState)" = active ]
}

cgroup_of() {
	sed -n 's/^0:://p' "/proc/$1/cgroup"
}

# Where systemd puts what it starts: from 254 on below the unit's cgroup.
group() {
	local sub
	sub=$(show DelegateSubgroup)
	echo "/system.slice/$SERVICE${sub:+/$sub}"
}

# begin ID SCRIPT [OPTION...]: a detached task.
begin() {
	local id=$1 file=$BATS_TEST_TMPDIR/$1.json
	jq --arg root "$BUNDLE/rootfs" --arg script "$2" \
		'.root.path = $root | .root.readonly = false | .process.args = ["sh", "-c", $script]' "$BUNDLE/config.json" >"$file"
	shift 2
	rctr run -d "$@" --config "$file" "$id" </dev/null >/dev/null 3>&-
}

# One that ends with this code when it is told to by end_of. All have one root file system.
begin_until() { # ID CODE
	begin "$1" "until [ -e /tmp/$BATS_TEST_NUMBER-$1 ]; do sleep 0.05; done; exit $2"
}

end_of() { # ID PID
	touch "$BUNDLE/rootfs/tmp/$BATS_TEST_NUMBER-$1"
	wait_until 20 gone "$2"
}

# ended ID CODE: it has, and its delete says so.
ended() {
	wait_until 20 is_status "$1" STOPPED
	run rctr tasks rm "$1"
	contains "$output" "exit code $2"
}

with() { # TEXT: for the unit
	printf '[Service]\n%s\n' "$1" >"$UNITS/$SERVICE.d/test.conf"
	systemctl daemon-reload
}

@test "started when it serves; its processes are in the unit and have their scores" {
	systemctl start "$SERVICE"
	rctr version
	equal "$(show ActiveState) $(show SubState) $(show NRestarts)" "active running 0"
	equal "$(cat "/proc/$(show MainPID)/comm")" reeved
	equal "$(cat "/proc/$(part guardian)/oom_score_adj")" -999 "the guardian's score"
	equal "$(cat "/proc/$(part worker)/oom_score_adj")" 0 "the worker's score"
	for pid in $(show MainPID) $(part guardian) $(part worker); do
		equal "$(cgroup_of "$pid")" "$(group)" "the cgroup of $pid"
	done
	systemctl stop "$SERVICE"
	equal "$(show ActiveState) $(show Result)" "inactive success"
	equal "$(ours)" "" "processes after the stop"
	[ ! -e "$RD/reeved.sock" ]
}

@test "restarted by systemd: tasks go on, and their ends are told" {
	local pid
	systemctl start "$SERVICE"
	begin_until t1 11
	begin_until t2 12
	pid=$(pid_of t1)
	systemctl restart "$SERVICE"
	equal "$(pid_of t1) $(status_of t1)" "$pid RUNNING"
	run -5 rctr tasks exec --exec-id x t1 sh -c 'exit 5'
	systemctl daemon-reload
	systemctl daemon-reexec
	is_up
	pid=$(pid_of t2)
	systemctl stop "$SERVICE"
	end_of t2 "$pid" # while nobody is there
	systemctl start "$SERVICE"
	ended t2 12
	end_of t1 "$(pid_of t1)"
	ended t1 11
}

@test "reloaded by systemd: the worker is replaced, and nothing else" {
	local main guardian worker pid
	systemctl start "$SERVICE"
	begin_until t1 10
	pid=$(pid_of t1) main=$(show MainPID) guardian=$(part guardian) worker=$(part worker)
	systemctl reload "$SERVICE"
	wait_until 20 part_is_not worker "$worker"
	wait_until 20 is_up
	equal "$(show MainPID) $(show NRestarts) $(part guardian)" "$main 0 $guardian"
	equal "$(pid_of t1) $(status_of t1)" "$pid RUNNING"
	run -6 rctr tasks exec --exec-id x t1 sh -c 'exit 6'
	end_of t1 "$pid"
	ended t1 10
}

@test "a worker that is killed is no matter of systemd's" {
	local main worker pid
	systemctl start "$SERVICE"
	begin_until t1 13
	pid=$(pid_of t1) main=$(show MainPID) worker=$(part worker)
	kill -KILL "$worker"
	wait_until 20 part_is_not worker "$worker"
	equal "$(pid_of t1) $(status_of t1)" "$pid RUNNING"
	equal "$(show MainPID) $(show NRestarts) $(show ActiveState)" "$main 0 active"
	end_of t1 "$pid"
	ended t1 13
}

@test "the process that systemd has started is killed: it is started again, and takes over what there is" {
	local main guardian pid
	systemctl start "$SERVICE"
	begin_until t1 14
	pid=$(pid_of t1) main=$(show MainPID) guardian=$(part guardian)
	kill -KILL "$main"
	wait_until 30 main_is_not "$main"
	equal "$(show NRestarts)" 1
	equal "$(part guardian)" "$guardian"
	equal "$(pid_of t1) $(status_of t1)" "$pid RUNNING"
	end_of t1 "$pid"
	ended t1 14
}

@test "systemd's watchdog hears the worker, and a worker that is stuck is ended by its own" {
	local main worker
	with "WatchdogSec=60"
	systemctl start "$SERVICE"
	fed() { [ "$(show WatchdogTimestampMonotonic)" -gt "$1" ]; }
	wait_until 20 fed "$(show WatchdogTimestampMonotonic)"
	wait_until 20 fed "$(show WatchdogTimestampMonotonic)"
	systemctl stop "$SERVICE"
	with ""
	mkdir -p /etc/reeve
	# long, for a machine that is busy is not stuck
	printf '[worker]\nwatchdog_seconds = 15\n' >/etc/reeve/reeved.toml
	systemctl start "$SERVICE"
	main=$(show MainPID) worker=$(part worker)
	begin_until t1 15
	kill -STOP "$worker"
	wait_until 20 grep -q '^ShdPnd:\s*[0-9a-f]*[2367abef][0-9a-f]$' "/proc/$worker/status"
	kill -CONT "$worker"
	wait_until 20 part_is_not worker "$worker"
	equal "$(show MainPID) $(show NRestarts)" "$main 0"
	end_of t1 "$(pid_of t1)"
	ended t1 15
}

@test "the worker's memory is limited, the guardian's is not, and the unit can be restarted" {
	local worker pid
	mkdir -p /etc/reeve
	printf '[worker]\nmemory_max_bytes = 268435456\n' >/etc/reeve/reeved.toml
	systemctl start "$SERVICE"
	begin_until t1 9
	pid=$(pid_of t1) worker=$(part worker)
	equal "$(cgroup_of "$(part guardian)")" "$(group)"
	equal "$(cgroup_of "$(show MainPID)")" "$(group)"
	if [ -z "$(show DelegateSubgroup)" ]; then
		equal "$(cgroup_of "$worker")" "$(group)"
		run reeve doctor
		contains "$output" "the worker's memory is not limited: reeved runs in cgroup"
	else
		equal "$(cgroup_of "$worker")" "/system.slice/$SERVICE/worker"
		equal "$(cat "/sys/fs/cgroup/system.slice/$SERVICE/worker/memory.max")" 268435456
		run reeve doctor
		contains "$output" "the worker's memory is limited to 268435456 bytes"
	fi
	kill -KILL "$worker"
	wait_until 20 part_is_not worker "$worker"
	equal "$(pid_of t1) $(status_of t1)" "$pid RUNNING" # the worker answers: it is where it belongs
	[ -z "$(show DelegateSubgroup)" ] || equal "$(cgroup_of "$(part worker)")" "/system.slice/$SERVICE/worker"
	systemctl restart "$SERVICE"
	equal "$(pid_of t1) $(status_of t1)" "$pid RUNNING"
	systemctl reload "$SERVICE"
	wait_until 20 is_up
	equal "$(cgroup_of "$(show MainPID)")" "$(group)"
	end_of t1 "$pid"
	ended t1 9
}

@test "by its sockets: a call starts it, and they outlive it" {
	local pid
	systemctl start reeved.socket
	equal "$(show ActiveState)" inactive
	rctr version
	wait_until 20 is_up # it may serve before systemd has heard that it does
	begin_until t1 16
	pid=$(pid_of t1)
	systemctl stop "$SERVICE"
	[ -S "$RD/reeved.sock" ] && [ -S "$RD/reeved.sock.ttrpc" ]
	equal "$(pid_of t1) $(status_of t1)" "$pid RUNNING" # and is there again
	wait_until 20 is_up
	end_of t1 "$pid"
	ended t1 16
}

recorder_is_on() {
	# Its status tells of every finding, which are other tests' business.
	{ reeve doctor --format json || true; } | jq -e '.findings[] | select(.section == "exit recorder" and .kind == "ok") | .text | startswith("on (")'
}

@test "the exit recorder tells what ended while nobody of ours was there" {
	local t1 t2 t3 pids
	with "Restart=no"
	systemctl start "$SERVICE"
	# the kernels that this runs on permit it; it is loaded beside the start
	wait_until 20 recorder_is_on || fail "$(reeve doctor)"
	begin_until t1 17
	begin_until t2 18
	begin_until t3 19
	t1=$(pid_of t1) t2=$(pid_of t2) t3=$(pid_of t3)
	pids="$(show MainPID) $(part guardian) $(part worker)"
	# Stopped, none of them leaves for want of another one before its own end comes.
	# shellcheck disable=SC2086 # words
	kill -STOP $pids
	# shellcheck disable=SC2086
	kill -KILL $pids
	wait_until 20 eval '[ -z "$(ours)" ]'
	wait_until 20 eval '[ "$(show ActiveState)" = failed ]'
	end_of t1 "$t1"
	kill -KILL "$t2"
	wait_until 20 gone "$t2"
	systemctl start "$SERVICE"
	equal "$(pid_of t3) $(status_of t3)" "$t3 RUNNING"
	ended t1 17
	ended t2 137
	end_of t3 "$t3" # whose parent is systemd
	ended t3 19
}
