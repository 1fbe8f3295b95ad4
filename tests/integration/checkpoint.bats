#!/usr/bin/env bats
# checkpoint and restore, by the criu of sid.

load lib.bash

setup_file() {
	runtime_setup_file
	PATH="$("$TOP/tools/peers" criu-sid)/bin:$PATH"
	export PATH
}

setup() {
	not_for runc crun -- "criu's way through other runtimes is theirs"
	runtime_setup
	IMAGES=$BATS_TEST_TMPDIR/images
}

teardown() {
	mount --make-rprivate /
	runtime_teardown
}

# A container that counts into a file of its root, from 1 on.
counting() {
	bundle_sh 'trap "exit 9" TERM; i=0; while :; do i=$((i + 1)); echo $i >/count; sleep 0.02; done'
	rt create --bundle "$B" "$ID" </dev/null >/dev/null 2>&1 # criu takes no file of the host's
	rt start "$ID"
	wait_until 10 counted 3
}

counted() { # AT LEAST
	[ "$(cat "$B/rootfs/count" 2>/dev/null || echo 0)" -ge "$1" ]
}

restore() { # [OPTION]...
	within 60 "$RT" --root "$RT_ROOT" restore --bundle "$B" --image-path "$IMAGES" "$@" "$ID" </dev/null >"$B/restored" 2>&1 || {
		local rc=$?
		cat "$B/restored"
		return $rc
	}
}

@test "a checkpoint ends the container, and a restore goes on where it was" {
	counting
	run -0 rt checkpoint --image-path "$IMAGES" "$ID"
	equal "$output" ""
	run -1 rt state "$ID"
	contains "$output" "does not exist"
	run -1 rt delete "$ID"
	contains "$output" "does not exist"
	nothing_left
	jq -e 'length == 3' "$IMAGES/descriptors.json"
	local before
	before=$(cat "$B/rootfs/count")
	echo 0 >"$B/rootfs/count"
	restore -d --pid-file "$B/pid2"
	equal "$(status_of)" running
	equal "$(cat "$B/pid2")" "$(pid_of)"
	wait_until 10 counted $((before + 2))
	run -0 rt exec "$ID" /bin/cat /count </dev/null
	rt kill "$ID" TERM
	wait_until 10 status_is stopped
	rt delete "$ID"
}

# As systemd has it on any machine.
@test "where the host's mounts are shared, a restore goes on, too, and slaves are slaves again" {
	mkdir -p "$BATS_TEST_TMPDIR/d/later"
	mount --make-rshared /
	bundle_sh 'trap "exit 9" TERM; i=0; while :; do i=$((i + 1)); echo $i >/count; sleep 0.02; done' \
		'.mounts += [{"destination": "/p", "type": "bind", "source": $d, "options": ["rbind", "rprivate"]},
		{"destination": "/s", "type": "bind", "source": $d, "options": ["rbind"]}]' --arg d "$BATS_TEST_TMPDIR/d"
	rt create --bundle "$B" "$ID" </dev/null >/dev/null 2>&1
	rt start "$ID"
	wait_until 10 counted 3
	! grep -qE ' / .*master:' "/proc/$(pid_of)/mountinfo" || fail "$(cat "/proc/$(pid_of)/mountinfo")"
	rt checkpoint --image-path "$IMAGES" "$ID"
	: >"$B/rootfs/count"
	restore --detach
	wait_until 10 counted 3
	mount -t tmpfs tmpfs "$BATS_TEST_TMPDIR/d/later"
	touch "$BATS_TEST_TMPDIR/d/later/seen"
	run -0 rt exec "$ID" /bin/ls /s/later /p/later </dev/null
	equal "$output" $'/p/later:\n\n/s/later:\nseen'
	umount "$BATS_TEST_TMPDIR/d/later"
	rt delete --force "$ID"
}

@test "a restore in the foreground ends with the program's status and deletes the container" {
	counting
	rt checkpoint --image-path "$IMAGES" "$ID"
	echo 0 >"$B/rootfs/count"
	"$RT" --root "$RT_ROOT" restore --bundle "$B" --image-path "$IMAGES" -no-subreaper "$ID" </dev/null >"$B/restored" 2>&1 3>&- &
	local job=$!
	wait_until 20 counted 3
	kill -TERM "$job"
	ends_with 9 "$job"
	nothing_left
}

@test "pipes are replaced by those of the restore" {
	bundle_sh 'i=0; while :; do i=$((i + 1)); echo "out $i"; echo "err $i" >&2; sleep 0.02; done'
	rt create --bundle "$B" "$ID" </dev/null 2> >(exec cat >"$B/err1" 3>&-) > >(cat >"$B/out1" 3>&-; : >"$B/end1" 3>&-)
	rt start "$ID"
	wait_until 10 grep -q 'out 3' "$B/out1"
	rt checkpoint --image-path "$IMAGES" "$ID"
	matches "$(jq -c . "$IMAGES/descriptors.json")" '^\["/dev/null","pipe:\[[0-9]+\]","pipe:\[[0-9]+\]"\]$'
	local last
	wait_until 10 test -e "$B/end1" # cat has all of it
	last=$(tail -n 1 "$B/out1")
	rt restore -d --bundle "$B" --image-path "$IMAGES" "$ID" </dev/null 2> >(exec cat >"$B/err2" 3>&-) > >(exec cat >"$B/out2" 3>&-)
	wait_until 10 grep -q "out $((${last#out } + 2))" "$B/out2"
	wait_until 10 grep -q err "$B/err2"
	run -1 grep -x 'out 1' "$B/out2"
}

@test "a container that is left running goes on" {
	counting
	rt checkpoint --leave-running --image-path "$IMAGES" --work-path "$B/work" "$ID"
	equal "$(status_of)" running
	ls "$B/work"/*.log
	equal "$(find "$IMAGES" -name "*.log")" ""
	local before
	before=$(cat "$B/rootfs/count")
	wait_until 10 counted $((before + 3))
}

@test "a dump of memory beforehand is the parent of the checkpoint" {
	counting
	local rc=0
	rt checkpoint --pre-dump --image-path "$IMAGES/one" "$ID" >"$B/out" 2>&1 || rc=$?
	equal "$(status_of)" running
	if [ "$rc" != 0 ]; then # a kernel that does not say which pages were written to
		contains "$(cat "$B/out")" "Tracking memory is not available"
		return 0
	fi
	rt checkpoint --image-path "$IMAGES/two" --parent-path ../one "$ID"
	[ -e "$IMAGES/two/parent/inventory.img" ]
	restore -d --image-path "$IMAGES/two"
	equal "$(status_of)" running
}

@test "a paused container is checkpointed, and stays paused when it is left" {
	counting
	rt pause "$ID"
	rt checkpoint --leave-running --image-path "$IMAGES" "$ID"
	equal "$(status_of)" paused
	rt resume "$ID"
}

@test "a terminal is restored, over the console socket" {
	bundle_sh 'while :; do echo tick; sleep 0.1; done' '.process.terminal = true'
	"$LIB/recvtty" "$B/sock" >"$B/tty" 2>&1 3>&- &
	local first=$!
	wait_until 10 test -S "$B/sock"
	ct_create --console-socket "$B/sock"
	rt start "$ID"
	wait_until 10 grep -q tick "$B/tty"
	rt checkpoint --shell-job --image-path "$IMAGES" "$ID"
	wait "$first" || true
	rm -f "$B/sock"
	"$LIB/recvtty" "$B/sock" >"$B/tty2" 2>&1 3>&- &
	local second=$!
	wait_until 10 test -S "$B/sock"
	restore -d --shell-job --console-socket "$B/sock"
	wait_until 10 grep -q tick "$B/tty2"
	rt delete --force "$ID"
	wait "$second" || true
}

@test "what a checkpoint cannot be is refused, and the container goes on" {
	counting
	: >"$B/file"
	run -1 rt checkpoint --image-path "$B/file" "$ID"
	contains "$output" "$B/file"
	run -1 rt checkpoint --image-path "$IMAGES" --manage-cgroups-mode some "$ID"
	contains "$output" "some"
	run -1 rt checkpoint --image-path "$IMAGES" --empty-ns some "$ID"
	contains "$output" "some"
	run -1 rt checkpoint --image-path "$IMAGES" --network-lock some "$ID"
	contains "$output" "some"
	run -1 rt checkpoint --image-path "$IMAGES" --page-server nowhere "$ID"
	run -1 env PATH=/nonexistent "$RT" --root "$RT_ROOT" checkpoint --image-path "$IMAGES" "$ID"
	contains "$output" "criu"
	run -1 rt checkpoint --image-path "$IMAGES" nosuch
	contains "$output" "does not exist"
	equal "$(status_of)" running
	local before
	before=$(cat "$B/rootfs/count")
	wait_until 10 counted $((before + 3))
	rt kill "$ID" KILL
	wait_until 10 status_is stopped
	run -1 rt checkpoint --image-path "$IMAGES" "$ID"
	contains "$output" "not running"
}

@test "a restore that cannot be leaves nothing, and no other container is harmed" {
	counting
	rt checkpoint --leave-running --image-path "$IMAGES" --network-lock skip "$ID"
	run -1 rt restore --bundle "$B" --image-path "$IMAGES" "$ID"
	contains "$output" "already exists"
	equal "$(status_of)" running
	rt delete --force "$ID"
	run -1 rt restore --bundle "$B" --image-path "$BATS_TEST_TMPDIR/none" "$ID"
	contains "$output" "$BATS_TEST_TMPDIR/none"
	nothing_left
	rm "$IMAGES"/core-*.img
	run -1 rt restore --bundle "$B" --image-path "$IMAGES" -d "$ID"
	contains "$output" "criu failed to restore"
	nothing_left
}

@test "a descriptor hears that memory may be fetched" {
	counting
	mkfifo "$B/status"
	exec 7<>"$B/status"
	"$RT" --root "$RT_ROOT" checkpoint --lazy-pages --page-server 127.0.0.1:27000 --status-fd 7 --image-path "$IMAGES" "$ID" >"$B/out" 2>&1 3>&- &
	local job=$!
	# When nothing comes, the line below says so, and what the program said.
	within 20 dd bs=1 count=1 <&7 2>/dev/null | od -An -tx1 >"$B/heard" || true
	equal "$(tr -d ' ' <"$B/heard")" 00 "what the descriptor heard ($(cat "$B/out"))"
	exec 7>&-
	# Whoever asks for pages goes away again: criu gives up.
	exec 8<>/dev/tcp/127.0.0.1/27000
	exec 8>&-
	wait_until 20 gone "$job"
	wait "$job" || true
	rt delete --force "$ID"
	run -1 rt checkpoint --status-fd 77 --image-path "$IMAGES" nosuch
}

criu_of() { # pids of criu and our helper
	ps -eo pid=,comm= | awk '$2 == "criu" || $2 ~ /^reeve-helper/ { print $1 }'
}

@test "who is killed while memory is fetched leaves no criu, and the container goes on" {
	counting
	mkfifo "$B/status"
	exec 7<>"$B/status"
	"$RT" --root "$RT_ROOT" checkpoint --lazy-pages --page-server 127.0.0.1:27000 --status-fd 7 --image-path "$IMAGES" "$ID" >"$B/out" 2>&1 3>&- &
	local job=$! before
	within 20 dd bs=1 count=1 <&7 >/dev/null 2>&1
	exec 7>&-
	[ -n "$(criu_of)" ]
	kill -KILL "$job"
	wait_until 20 eval '[ -z "$(criu_of)" ]'
	before=$(cat "$B/rootfs/count")
	wait_until 10 counted $((before + 2))
	equal "$(status_of)" running
}

@test "what engines ask before they rely on it" {
	run -0 rt checkpoint --help
	run -0 rt restore --help
	run -1 rt restore --lsm-mount-context
	contains "$output" "flag needs an argument"
	run -0 rt features
	equal "$(jq -r '.annotations["org.opencontainers.runc.checkpoint.enabled"]' <<<"$output")" true
}
