#!/usr/bin/env bats
# Unmodified buildah over the runtime under test: that of Debian 12 (PODMAN_VERSION=4) and that of sid (5). It starts
# the runtime itself, without conmon: create, start, state until it is stopped, delete.
# shellcheck disable=SC2154 # output, lines: bats

load lib.bash
load podman.bash

IMAGE=localhost/reeve-test

# b COMMAND ARGUMENT...: buildah
b() {
	within 60 "$BUILDAH" "$@" 3>&-
}

setup_file() {
	podman_setup_file
	BUILDAH=$TOOLS/buildah
	[ "$PODMAN_VERSION" = 4 ] || BUILDAH=$("$TOP/tools/peers" buildah-sid)/bin/buildah
	export BUILDAH BUILDAH_RUNTIME=$RT BUILDAH_ISOLATION=oci
	# By name, too, and once by the default of the configuration: podman's.
	! p run --rm $IMAGE true || [ -d "/run/$KIND" ]
}

teardown_file() {
	podman_teardown_file
}

setup() {
	podman_setup
	export TEST_CGROUPS="*/buildah-*"
	WORK=$(b from "$IMAGE")
}

teardown() {
	b rm -a >/dev/null
	nothing_left
}

# inside ARGUMENT...: run in the working container.
inside() {
	b run --runtime "$RT" --isolation oci "$@"
}

@test "a build runs its commands by the runtime under test" {
	local ran=$T/ran
	printf '#!/bin/sh\necho "$*" >>%s\nexec %s "$@"\n' "$ran" "$RT" >"$T/runtime"
	chmod +x "$T/runtime"
	mkdir "$T/context"
	echo context >"$T/context/f"
	cat >"$T/Containerfile" <<-'BUILD'
		FROM localhost/reeve-test
		ARG V=1
		ENV E=$V
		RUN echo "made $E by $(id -u)" >/made && mkdir /d && chown 5:6 /d
		USER app
		WORKDIR /home/app
		RUN echo "$(id -un) $(pwd)" >who
		RUN ["/bin/sh", "-c", "echo exec >>who"]
		RUN --mount=type=tmpfs,target=/t --mount=type=bind,source=f,target=/f cat /f >>who && grep -c " /t tmpfs" /proc/mounts >>who
		RUN exit 0 | cat
	BUILD
	b build --runtime "$T/runtime" --isolation oci --build-arg V=2 -q -t "localhost/$ID" -f "$T/Containerfile" "$T/context" >"$T/out" 2>&1 || fail "$(cat "$T/out")"
	equal "$(grep -cw create "$ran") $(grep -cw delete "$ran")" "5 5"
	run -0 p run --rm "localhost/$ID" sh -c 'cat /made who; stat -c %u:%g /d; id -un; echo $E'
	equal "$output" $'made 2 by 0\napp /home/app\nexec\ncontext\n1\n5:6\napp\n2'
	b rmi "localhost/$ID" >/dev/null
}

@test "a build that fails ends as its command did, and leaves nothing" {
	run -3 b build --runtime "$RT" --layers=false -f - "$T" <<<$'FROM localhost/reeve-test\nRUN echo here; exit 3\n'
	contains "$output" here
	run b build --runtime "$RT" --layers=false -f - "$T" <<<$'FROM localhost/reeve-test\nRUN ["/nonesuch"]\n'
	[ "$status" != 0 ]
	contains "${output,,}" "no such file or directory"
}

@test "a build with limits, another seccomp profile, and a user namespace" {
	run -0 b build --runtime "$RT" --layers=false --memory 32m --ulimit nofile=100:200 --shm-size 2m --cap-drop all -f - "$T" <<-'BUILD'
		FROM localhost/reeve-test
		RUN ulimit -n; ulimit -Hn; df -k /dev/shm | tail -n 1 | tr -s " " | cut -d" " -f2; grep CapEff /proc/self/status
		RUN d=$(sed -n "s/^[0-9]*:memory://p" /proc/self/cgroup); cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup$d/memory.max 2>/dev/null; true
	BUILD
	contains "$output" $'\n100\n200\n2048\nCapEff:\t0000000000000000\n'
	run -0 b build --runtime "$RT" --layers=false --security-opt seccomp=unconfined --userns-uid-map 0:100000:2000 --userns-gid-map 0:100000:2000 -f - "$T" <<-'BUILD'
		FROM localhost/reeve-test
		RUN tr -s " " </proc/self/uid_map; grep Seccomp: /proc/self/status; touch /x; stat -c %u /x
	BUILD
	contains "$output" $' 0 100000 2000\nSeccomp:\t0\n0\n'
}

@test "run passes input, output and the status on" {
	run -0 --separate-stderr inside "$WORK" sh -c 'echo out; echo err >&2'
	equal "$output" out
	equal "$stderr" err
	run -7 inside "$WORK" sh -c 'exit 7'
	run -137 inside "$WORK" sh -c 'sh -c "kill -KILL \$\$"; exit $?'
	equal "$(inside "$WORK" wc -c < <(head -c 3000000 /dev/zero))" 3000000
	equal "$(inside "$WORK" sh -c 'head -c 3000000 /dev/zero | tr "\0" x' | sha256sum)" "$(head -c 3000000 /dev/zero | tr '\0' x | sha256sum)"
	run -0 inside -t "$WORK" tty
	equal "$(tr -d '\r' <<<"$output")" /dev/pts/0
	run -1 inside "$WORK" nonesuch
	contains "${output//\\}" 'exec: "nonesuch": executable file not found in $PATH' || [ "$KIND" = crun ]
	run inside "$WORK" /etc/motd
	[ "$status" != 0 ]
	contains "${output,,}" "permission denied" || [ "$KIND" = crun ]
}

@test "run with user, directory, volumes, capabilities, names and namespaces" {
	mkdir "$T/v"
	echo in >"$T/v/f"
	run -0 inside --user app:audio --workingdir /home/app --env A=b -v "$T/v:/v:ro" --mount type=tmpfs,dst=/t,tmpfs-size=1m --hostname foo --cap-add CAP_NET_RAW "$WORK" \
		sh -c 'id -un; id -gn; pwd; echo $A; cat /v/f; touch /v/x 2>/dev/null || df -k /t | tail -n 1 | tr -s " " | cut -d" " -f2; hostname'
	equal "$output" $'app\naudio\n/home/app\nb\nin\n1024\nfoo'
	run -0 inside --network host --pid host --uts host --ipc host "$WORK" sh -c 'for n in net pid uts ipc; do readlink /proc/self/ns/$n; done'
	equal "$output" "$(for n in net pid uts ipc; do readlink "/proc/self/ns/$n"; done)"
	run -0 inside --network none "$WORK" sh -c 'ls /sys/class/net; readlink /proc/self/ns/pid'
	equal "${lines[0]}" lo
	[ "${lines[1]}" != "$(readlink /proc/self/ns/pid)" ]
	b config --cmd '["/bin/sh"]' --author me "$WORK"
	inside "$WORK" touch /kept
	b commit -q "$WORK" "localhost/$ID" >/dev/null
	run -0 p run --rm "localhost/$ID" ls /kept
	b rmi "localhost/$ID" >/dev/null
}

@test "isolation chroot goes without the runtime, and does the same" {
	run -0 b run --runtime /nonesuch --isolation chroot "$WORK" sh -c 'echo so; exit 0'
	equal "$output" so
	run -0 inside "$WORK" sh -c 'echo so; exit 0'
	equal "$output" so
	run b run --runtime /nonesuch --isolation oci "$WORK" true
	[ "$status" != 0 ]
	contains "$output" /nonesuch
}
