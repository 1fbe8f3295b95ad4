#!/usr/bin/env bats
# Mounts into a container that runs, and out of it: `mounts add` and `mounts remove`, as crun has them.
# shellcheck disable=SC2154 # output, status: bats

load lib.bash

setup_file() {
	runtime_setup_file
}

setup() {
	not_for runc -- "runc has no such command"
	not_for old-crun -- "crun 1.8 has no such command"
	runtime_setup
	SRC=$BATS_TEST_TMPDIR/src
	mkdir "$SRC"
	echo text >"$SRC/file"
}

teardown() {
	runtime_teardown
}

# mounts ADD-OR-REMOVE JSON: a list with $src as the source.
mounts() {
	jq -n --arg src "$SRC" "$2" >"$BATS_TEST_TMPDIR/mounts.json"
	rt mounts "$1" "$ID" "$BATS_TEST_TMPDIR/mounts.json"
}

# Where the last mount of the container is.
last() {
	rt exec "$ID" cat /proc/self/mountinfo | tail -n 1 | cut -d' ' -f5
}

@test "mounts are added to a container that runs, and removed" {
	ct_sleep
	mounts add '[{"destination": "/new/dir", "type": "bind", "source": $src, "options": ["bind", "ro"]},
		{"destination": "/t", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "size=64k"]},
		{"destination": "/f", "type": "bind", "source": ($src + "/file"), "options": ["bind"]}]'
	run -0 rt exec "$ID" cat /new/dir/file /f
	equal "${lines[*]}" "text text"
	run -1 rt exec "$ID" touch /new/dir/other
	contains "$output" "Read-only"
	rt exec "$ID" touch /t/other
	mounts remove '[{"destination": "/t"}, {"destination": "/f"}, {"destination": "/new/dir"}]'
	run -1 rt exec "$ID" cat /new/dir/file
	run -1 rt exec "$ID" ls /t/other
	equal "$(cat "$SRC/file")" text
}

@test "a mount is added to one that was added before it" {
	ct_sleep
	mounts add '[{"destination": "/t", "type": "tmpfs", "source": "tmpfs"}, {"destination": "/t/in", "type": "bind", "source": $src, "options": ["bind"]}]'
	equal "$(rt exec "$ID" cat /t/in/file)" text
}

@test "a new procfs is the container's" {
	ct_sleep
	mounts add '[{"destination": "/p", "type": "proc", "source": "proc"}]'
	run -0 rt exec "$ID" sh -c 'tr "\0" " " </p/1/cmdline; echo; ls -d /p/[0-9]* | wc -l'
	contains "$output" "echo ready"
	[ "${lines[-1]}" -lt 10 ]
}

@test "mounts are added where a user namespace maps ids" {
	ct_sleep '.linux.namespaces += [{"type": "user"}] | .linux.uidMappings = [{"containerID": 0, "hostID": 100000, "size": 65536}] | .linux.gidMappings = .linux.uidMappings
		| .root.readonly = false | .mounts += [{"destination": "/tmp", "type": "tmpfs", "source": "tmpfs"}]'
	mounts add '[{"destination": "/tmp/b", "type": "bind", "source": $src, "options": ["bind"]}, {"destination": "/tmp/t", "type": "tmpfs", "source": "tmpfs"}]'
	run -0 rt exec "$ID" stat -c %u /tmp/b/file /tmp/t /tmp/b
	equal "${lines[*]}" "65534 0 65534"
	mounts remove '[{"destination": "/tmp/b"}]'
	run -1 rt exec "$ID" cat /tmp/b/file
}

@test "mounts are added while a container is paused, and before it is started" {
	bundle_sh 'cat /t/file >/out; while :; do sleep 0.05; done'
	ct_create
	mounts add '[{"destination": "/t", "type": "bind", "source": $src, "options": ["bind"]}]'
	rt start "$ID"
	wait_until 10 grep -q text "$B/rootfs/out"
	rt pause "$ID"
	mounts add '[{"destination": "/u", "type": "bind", "source": $src, "options": ["bind"]}]'
	rt resume "$ID"
	equal "$(rt exec "$ID" cat /u/file)" text
}

@test "of mounts one of which fails none stays" {
	not_for crun -- "crun leaves those before it"
	ct_sleep
	local before
	before=$(last)
	run -1 mounts add '[{"destination": "/a", "type": "tmpfs", "source": "tmpfs"}, {"destination": "/b", "type": "bind", "source": $src, "options": ["bind"]},
		{"destination": "/c", "type": "tmpfs", "source": "tmpfs", "options": ["no_such_option=1"]}]'
	contains "$output" "mount 'tmpfs' at '/c'"
	equal "$(last)" "$before"
}

@test "what cannot be mounted into a container that runs is named" {
	not_for crun -- "in other words"
	ct_sleep
	no_mount() { # LIST TEXT
		run -1 mounts add "$1"
		contains "$output" "$2"
	}
	no_mount '[{"destination": "/a", "type": "tmpfs", "options": ["remount"]}]' "mounts[0]: a remount is for a container that is being created"
	no_mount '[{"destination": "/a", "type": "tmpfs", "options": ["tmpcopyup"]}]' "mounts[0]: tmpcopyup is for"
	no_mount '[{"destination": "/a", "type": "cgroup"}]' "mounts[0]: a cgroup mount is for"
	no_mount '[{"destination": "/", "type": "tmpfs"}]' "mounts[0].destination: '/' is the root"
	no_mount '[{"destination": "/proc/1", "type": "tmpfs"}]' "mounts[0].destination: '/proc/1' is inside /proc"
	no_mount '[{"destination": "/a"}]' "mounts[0].type: missing"
	no_mount '{"mount": []}' "mounts: missing"
	no_mount '[{"destination": "/a", "type": "bind", "source": "/no/such/dir", "options": ["bind"]}]' "open mount source '/no/such/dir': No such file or directory"
	run -1 mounts remove '[{"destination": "/"}]'
	contains "$output" "mounts[0].destination: '/' is the root"
	run -1 mounts remove '[{"destination": "/etc"}]'
	contains "$output" "unmount '/etc': nothing is mounted there"
	run -1 rt mounts change "$ID" /dev/null
	contains "$output" '"mounts" takes add or remove, not "change"'
}

@test "mounts wants a container that runs" {
	bundle
	run -1 mounts add '[]'
	contains "$output" "does not exist"
	bundle_sh true
	ct_start
	wait_until 10 status_is stopped
	run -1 mounts add '[{"destination": "/a", "type": "tmpfs"}]'
	contains "$output" "container not running"
}

@test "a container cannot lead a mount out of itself, nor choose what is unmounted" {
	not_for crun -- "what it does there is its own affair"
	ct_sleep
	# shellcheck disable=SC2016 # the container's
	rt exec "$ID" sh -c 'ln -s ../../../../../../../.. /up; ln -s /sys /way; ln -s /proc/1/root /magic; ln -s /sys/firmware /end'
	mounts add '[{"destination": "/up/inside", "type": "tmpfs", "source": "tmpfs"}]'
	[ -d "$B/rootfs/inside" ]
	[ ! -e /inside ]
	run -1 mounts add '[{"destination": "/magic/x", "type": "tmpfs", "source": "tmpfs"}]'
	rt exec "$ID" sh -c 'ln -s /proc/self /p'
	run -1 mounts add '[{"destination": "/p/attr", "type": "tmpfs", "source": "tmpfs"}]'
	run -1 mounts remove '[{"destination": "/way/firmware"}]'
	run -1 mounts remove '[{"destination": "/end"}]'
	rt exec "$ID" grep -q ' /sys/firmware ' /proc/self/mountinfo
}

@test "names that a container swaps all the time lead nowhere else" {
	bundle_sh 'mkdir /d; ln -s / /l; echo ready; while :; do mv /d /e; mv /l /d; mv /d /l; mv /e /d; done'
	ct_start
	wait_until 10 grep -q ready "$B/stdout"
	# Each may be refused while the other side swaps names; what counts is where it did not go.
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		mounts add '[{"destination": "/d/x", "type": "tmpfs", "source": "tmpfs"}]' || true
		mounts remove '[{"destination": "/d/x"}]' || true
	done
	[ ! -e /x ]
}

@test "while a mount is made nobody in the container sees who makes it" {
	not_for crun -- "crun's is inside"
	bundle_sh 'echo ready; while :; do for p in /proc/[0-9]*; do read -r n <$p/comm && [ "$n" = reeve-exec ] && echo seen; done; done 2>/dev/null'
	ct_start
	wait_until 10 grep -q ready "$B/stdout"
	for n in 1 2 3 4 5 6 7 8; do
		mounts add '[{"destination": "/m'$n'", "type": "bind", "source": $src, "options": ["bind"]}]'
	done
	run ! grep seen "$B/stdout"
}
