#!/usr/bin/env bats
# Docker with `userns-remap`: root of every container is an ordinary user of the host's. `./dev test integration
# docker-userns` runs this file for Docker 28 by the shim's name and for 20.10 by the runtime's path.

load lib.bash
load docker.bash

IMAGE=localhost/reeve-test
MAP='^ *0 +100000 +65536$'

setup_file() {
	local file
	ORPHANS_BEFORE=" $(ps -o pid= --ppid 1 | paste -sd' ' | tr -s ' ') "
	export ORPHANS_BEFORE
	# The machine's own are not touched: these lie over them, in a mount namespace of the test's.
	echo 'nobody:100000:65536' >"$BATS_FILE_TMPDIR/ids"
	for file in /etc/subuid /etc/subgid; do
		mount --bind "$BATS_FILE_TMPDIR/ids" "$file"
	done
	# dockerd wants its directory to be reached by the user that root becomes.
	chmod o+x "$TMPDIR" "$BATS_RUN_TMPDIR" "$BATS_RUN_TMPDIR/file" "$BATS_FILE_TMPDIR"
	mkdir -m 711 "$BATS_FILE_TMPDIR/dk"
	docker_up "$BATS_FILE_TMPDIR/dk" '."userns-remap" = "65534:65534"'
	"$TOP/tools/mkimage" "$BATS_FILE_TMPDIR/image.tar"
	d load -q -i "$BATS_FILE_TMPDIR/image.tar"
	mount_points >"$BATS_FILE_TMPDIR/mounts"
}

teardown_file() {
	docker_stop
	grep -o " $DK/[^ ]* " /proc/self/mountinfo | sort -ru | xargs -r umount
	umount /etc/subuid /etc/subgid
}

setup() {
	ID=t$BATS_TEST_NUMBER
}

teardown() {
	docker_sweep
	docker_nothing_left
}

@test "root inside is nobody outside, and the program under test has made it so" {
	start_ready
	served
	matches "$(cat "/proc/$(inspect '{{.State.Pid}}')/uid_map")" "$MAP"
	equal "$(stat -c %u "/proc/$(inspect '{{.State.Pid}}')")" 100000
	run -0 d exec "$ID" sh -c 'id -u; cat /proc/self/uid_map'
	equal "${lines[0]}" 0
	matches "${lines[1]}" "$MAP"
	run -0 d exec --user 1000 "$ID" id -u
	equal "$output" 1000
	d stop -t 60 "$ID" >/dev/null
	ended_with 3
}

@test "a volume is the mapped root's, a terminal and a tmpfs are there, a root file system is read-only" {
	mkdir -m 777 "$BATS_TEST_TMPDIR/v"
	chmod o+x "$BATS_RUN_TMPDIR/test" "$BATS_TEST_TMPDIR"
	run -0 run_in --rm --read-only -v "$BATS_TEST_TMPDIR/v:/v" -v "named-$ID:/n" --tmpfs /t "$IMAGE" \
		sh -c 'echo a >/v/a; echo b >/n/b; echo c >/t/c; cat /v/a /n/b /t/c; ! touch /x 2>/dev/null'
	equal "$output" $'a\nb\nc'
	equal "$(stat -c %u "$BATS_TEST_TMPDIR/v/a")" 100000
	d volume rm "named-$ID" >/dev/null
}

@test "a device under another name than the host's" {
	not_for runc -- "binds the host's of that name and finds none"
	run -0 run_in --rm --device /dev/zero:/dev/other "$IMAGE" sh -c 'head -c 3 /dev/other | wc -c'
	equal "$output" 3
}

@test "the host's user namespace, where it is asked for" {
	run -0 run_in --rm --userns host "$IMAGE" cat /proc/self/uid_map
	matches "$output" '^ *0 +0 +4294967295$'
}
