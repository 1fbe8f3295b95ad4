#!/usr/bin/env bats
# Tasks outlive reeved: it is killed under load and started again, and what it answers for must be there, with its pid, its
# exit code and its events. CONTAINERD chooses the version of ctr (containerd.bash).

load lib
load containerd
load reeved

setup_file() {
	[ "$CONTAINERD" = system ] || PATH=$("$TOP/tools/peers" "containerd-$CONTAINERD")/bin:$PATH
	export PATH="$TOP/out/bin:$PATH" ROUNDS=${ROUNDS:-20}
	reeved_up "$BATS_FILE_TMPDIR/reeved"
	LOCAL=
	[ "$CONTAINERD" != 2.1 ] || LOCAL=--local
	"$TOP/tools/mkimage" --name "$IMAGE" --entrypoint '[]' --cmd '["sh"]' "$BATS_FILE_TMPDIR/image.tar" >/dev/null
	# shellcheck disable=SC2086 # nothing, or an option
	rctr images import $LOCAL "$BATS_FILE_TMPDIR/image.tar"
}

teardown_file() {
	reeved_stop
}

setup() {
	W=$BATS_TEST_TMPDIR/w
	mkdir "$W"
}

teardown() {
	local id
	: >"$W/stop"
	for id in $(rctr tasks ls -q); do rctr tasks rm --force "$id" >/dev/null 2>&1 || true; done
	for id in $(rctr containers ls -q); do rctr containers rm "$id" >/dev/null 2>&1 || true; done
	find /run/containerd/fifo -mindepth 1 -delete 2>/dev/null || true # of clients that were cut off
}

# What was started and what serves; the guardian between them stays, as it does when the daemon crashes.
reeved_kill() {
	local worker
	worker=$(reeved_part worker)
	kill -KILL "$(cat "$RD/pid")" "$worker"
	wait_until 10 gone "$(cat "$RD/pid")"
	wait_until 10 gone "$worker"
}

# task ID CODE: one that ends with it when W/ID is there.
task() {
	rctr run --detach --runtime "$SHIM_RUNTIME" --mount "type=bind,src=$W,dst=/w,options=rbind:rw" "$IMAGE" "$1" \
		sh -c "until [ -e /w/$1 ]; do sleep 0.05; done; exit $2" </dev/null
}

row_of() { # ID
	rctr tasks ls | awk -v id="$1" '$1 == id { print $2, $3 }'
}

has_streams() { # ID: a ctr is connected to its output
	local pid
	for pid in $(pids_of '*/ctr'); do
		! readlink "/proc/$pid/fd"/* 2>/dev/null | grep -q "/$1-stdout" || return 0
	done
	return 1
}

is_stopped() { # ID
	[[ "$(row_of "$1")" = *STOPPED ]]
}

# ended ID CODE: it has, and that is told once, by its delete.
ended() {
	wait_until 20 is_stopped "$1" || {
		rctr tasks ls
		tail -n 20 "$RD/log"
		return 1
	}
	run -0 rctr tasks delete "$1"
	matches "$output" "non-zero exit code $2\""
	rctr containers rm "$1"
}

left() {
	find "$RD"/{root,state}/io.containerd.runtime.v2.task -mindepth 2
	find "$RD/root/io.containerd.snapshotter.v1.overlayfs/snapshots" -mindepth 1 -maxdepth 1 | tail -n "+$((LAYERS + 1))"
	find /sys/fs/cgroup -type d -path "*/$CONTAINERD_NAMESPACE/*"
	awk -v d="$RD" 'index($5, d) == 1 { print $5 }' /proc/self/mountinfo
	pids_of "*/containerd-shim-reeve-v2"
	pids_of "/memfd:reeve-guardian*" | grep -vx "$(reeved_part guardian)"
	rctr tasks ls -q
	rctr containers ls -q
}

nothing_is_left() {
	[ -z "$(left)" ]
}

layers() {
	find "$RD/root/io.containerd.snapshotter.v1.overlayfs/snapshots" -mindepth 1 -maxdepth 1 | wc -l
}

# Runs that come and go while the daemon is killed: told is the right code, or that there is no telling.
churn() { # NAME
	local n=0 rc
	until [ -e "$W/stop" ]; do
		n=$((n + 1)) rc=0
		rctr run --rm --runtime "$SHIM_RUNTIME" "$IMAGE" "churn-$1-$n" sh -c 'exit 3' >/dev/null 2>&1 </dev/null || rc=$?
		echo "$rc" >>"$W/codes"
	done
}

@test "tasks keep their pid and their exit code through a restart" {
	local row
	task r1 11
	task r2 12
	task r3 13
	row=$(row_of r1)
	: >"$W/r2"
	wait_until 20 is_stopped r2
	reeved_stop
	: >"$W/r3" # it ends while nobody is there
	reeved_start
	equal "$(row_of r1)" "$row" "the one that runs"
	ended r2 12
	ended r3 13
	rctr tasks exec --exec-id e r1 true
	: >"$W/r1"
	ended r1 11
}

@test "a client that waits hears that the daemon leaves, and may wait again" {
	task w1 21
	rctr tasks attach w1 >"$W/out" 2>&1 3>&- &
	local client=$!
	wait_until 20 has_streams w1
	reeved_stop
	reeved_start
	wait "$client" && fail "the wait has ended well"
	: >"$W/w1"
	ended w1 21
}

@test "kill -9 of reeved, again and again under load: codes, events, nothing left" {
	local i round pids=()
	LAYERS=$(layers)
	for i in a b; do
		churn "$i" 3>&- &
		pids+=("$!")
	done
	task stays 99
	row=$(row_of stays)
	for round in $(seq "$ROUNDS"); do
		task "before-$round" $((round + 100))
		task "down-$round" $((round + 50))
		reeved_kill
		: >"$W/down-$round"
		reeved_start
		command ctr --address "$RD/sock" events >"$W/events-$round" 2>&1 </dev/null 3>&- &
		local events=$!
		equal "$(row_of stays)" "$row" "the task that stays, round $round"
		# A subscription says nothing when it begins.
		hears() { rctr containers label stays "nr=$1" && grep -q containers/update "$W/events-$1"; }
		wait_until 20 hears "$round"
		: >"$W/before-$round"
		ended "before-$round" $((round + 100))
		ended "down-$round" $((round + 50))
		wait_until 20 grep -q "/tasks/delete.*\"before-$round\"" "$W/events-$round"
		grep -q "/tasks/exit.*\"before-$round\".*\"exit_status\":$((round + 100))" "$W/events-$round" || fail "no event of before-$round"
		equal "$(grep -c "/tasks/exit.*\"before-$round\"" "$W/events-$round")" 1 "exits that were told of before-$round"
		kill "$events"
	done
	: >"$W/stop"
	wait "${pids[@]}"
	echo "# runs beside: $(sort "$W/codes" | uniq -c | awk '{ printf "%s of status %s; ", $1, $2 }')" >&3
	equal "$(grep -vxE '3|1|124' "$W/codes")" "" "codes of runs beside"
	: >"$W/stays"
	ended stays 99
	for i in $(rctr tasks ls -q); do rctr tasks rm --force "$i" >/dev/null 2>&1 || true; done
	for i in $(rctr containers ls -q); do rctr containers rm "$i"; done
	for i in $(rctr snapshots ls | awk '$NF == "Active" { print $1 }'); do rctr snapshots rm "$i"; done # of runs that were cut off before their container
	# A shim that does not answer counts as dead after a minute.
	wait_until 120 nothing_is_left || fail "$(left && grep -vE 'event|serving' "$RD/log" | tail -n 40)"
}
