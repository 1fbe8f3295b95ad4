#!/usr/bin/env bats
# Unmodified podman as an ordinary user, in a user namespace of podman's own with the ranges of /etc/subuid: the runtime
# is called as root of that namespace, without a right on the machine.
# podman 4.3 alone: that of sid lies where root's cache is, where no user comes.
# shellcheck disable=SC2154 # output, lines: bats

load lib.bash
load podman.bash

IMAGE=localhost/reeve-test
H=/run/test/home # of a user who can reach nothing of what root has
WHO=4242

# p ARGUMENT...: podman, as the user
p() {
	(cd "$H" && setpriv --reuid $WHO --regid $WHO --clear-groups env -i PATH=/run/test/programs:/usr/sbin:/usr/bin:/sbin:/bin HOME=$H USER=tester \
		XDG_RUNTIME_DIR=$H/run TMPDIR=$H PODMAN_IGNORE_CGROUPSV1_WARNING=1 CONTAINERS_CONF=$H/containers.conf CONTAINERS_STORAGE_CONF=$H/storage.conf \
		timeout -k 5 $((60 * TEST_SLOW)) "$PODMAN" "$@" 3>&-)
}

# Files of the machine that this test's namespaces show otherwise.
show_as() { # FILE LINE...
	local copy
	copy=$STORE/$(basename "$1")
	cp "$1" "$copy"
	printf '%s\n' "${@:2}" >>"$copy"
	mount --bind "$copy" "$1"
}

setup_file() {
	STORE=$BATS_FILE_TMPDIR/store
	mkdir "$STORE"
	export STORE
	podman_find
	show_as /etc/passwd "tester:x:$WHO:$WHO::$H:/bin/sh"
	show_as /etc/group "tester:x:$WHO:"
	show_as /etc/subuid "tester:500000:65536"
	show_as /etc/subgid "tester:500000:65536"
	mount -t tmpfs -o mode=1777 tmpfs /dev/shm
	mount --make-rshared /
	mkdir -p "$H/run" /run/test/programs
	chmod 755 /run/test "$H"
	cp "$RT" "$TOP/out/bin/reeve-helper" "$TOOLS/newuidmap" "$TOOLS/newgidmap" "$TOOLS/catatonit" /run/test/programs/
	chmod u+s /run/test/programs/new?idmap
	PODMAN=$(command -v "$PODMAN")
	cat >"$H/containers.conf" <<-CONF
		[containers]
		netns = "none"
		log_driver = "k8s-file"
		init_path = "/run/test/programs/catatonit"
		[engine]
		cgroup_manager = "cgroupfs"
		events_logger = "file"
		runtime = "$KIND"
		runtime_supports_json = ["$KIND"]
		runtime_supports_nocgroup = ["$KIND"]
		conmon_path = ["$CONMON"]
		helper_binaries_dir = ["${HELPERS:-/run/test/programs}", "/run/test/programs"]
		[engine.runtimes]
		$KIND = ["/run/test/programs/${RT##*/}"]
	CONF
	printf '[storage]\ndriver = "overlay"\n' >"$H/storage.conf"
	"$TOP/tools/mkimage" "$H/image.tar"
	chown -R $WHO:$WHO "$H"
	chmod 700 "$H/run"
	p load -q -i "$H/image.tar"
	# podman's own process that keeps its namespaces is there now, and stays.
	ORPHANS_BEFORE=" $(ps -o pid= --ppid 1 | paste -sd' ' | tr -s ' ') "
	export ORPHANS_BEFORE PODMAN
}

setup() {
	ID=t$BATS_TEST_NUMBER
	T=$BATS_TEST_TMPDIR
	export RT_ROOT=$H/run/$KIND
	mount_points >"$T/mounts"
}

teardown() {
	p pod rm -f -a -t 0 >/dev/null
	p rm -f -a -t 0 >/dev/null
	nothing_left
}

@test "it is a user's podman, and the runtime under test runs its containers" {
	run -0 --separate-stderr p info --format '{{.Host.Security.Rootless}} {{.Host.OCIRuntime.Path}} {{.Host.OCIRuntime.Version}}'
	matches "$output" "^true /run/test/programs/$KIND $KIND version "
	start_ready
	equal "$(stat -c %u "/proc/$(inspect '{{.State.Pid}}')")" $WHO
	equal "$(find "$RT_ROOT" -mindepth 1 -maxdepth 1 ! -name '.*' | wc -l)" 1 "state directories"
	equal "$(stat -c %u "$RT_ROOT")" $WHO
}

@test "run passes streams and statuses on, with and without a terminal" {
	run -7 --separate-stderr p run --rm $IMAGE sh -c 'echo out; echo err >&2; exit 7'
	equal "$output" out
	equal "$stderr" err
	equal "$(p run --rm -i $IMAGE wc -c < <(head -c 3000000 /dev/zero))" 3000000
	run -127 p run --rm $IMAGE nonesuch
	run -126 p run --rm $IMAGE /etc/motd
	run -6 p run --rm -t $IMAGE sh -c 'tty; exit 6'
	equal "$(tr -d '\r' <<<"$output")" /dev/pts/0
}

@test "the life of a container: exec, top, logs, stop, start, kill, restart" {
	start_ready --init
	run -5 p exec -u app -w /tmp -e A=b "$ID" sh -c 'echo $(id -u) $(pwd) $A; exit 5'
	equal "$output" "1000 /tmp b"
	run -4 p exec -t "$ID" sh -c 'tty; exit 4'
	p exec -d "$ID" sleep 1234
	wait_until 10 eval "p top $ID args | grep -q 'sleep 1234'"
	p stop -t 60 "$ID" >/dev/null
	equal "$(inspect '{{.State.Status}} {{.State.ExitCode}}')" "exited 3"
	p start "$ID" >/dev/null
	wait_until 10 eval "[ \$(p logs $ID | grep -c ready) = 2 ]"
	p kill "$ID" >/dev/null
	ended "$ID" 137
	p restart "$ID" >/dev/null
	wait_until 10 eval "[ \$(p logs $ID | grep -c ready) = 3 ]"
	# A container needs a cgroup to be paused, and on cgroup v1 a user has none to give.
	is_v2 || { run -125 p pause "$ID" && contains "$output" "cgroup"; }
}

@test "ids: root is the user, the others are of the range; keep-id, nomap, and a map of one's own" {
	run -0 p run --rm $IMAGE sh -c 'id -u; tr -s " " </proc/self/uid_map; touch /x; stat -c %u /x /home/app'
	equal "$output" $'0\n 0 '$WHO$' 1\n 1 500000 65536\n0\n1000'
	run -0 p run --rm --userns keep-id $IMAGE sh -c 'id -u; id -un; cat /proc/self/uid_map | tr -s " " | tr "\n" ,'
	equal "$output" "$WHO"$'\ntester\n 0 1 '"$WHO, $WHO 0 1, $((WHO + 1)) $((WHO + 1)) $((65536 - WHO)),"
	run -0 p run --rm --userns nomap $IMAGE sh -c 'id -u; tr -s " " </proc/self/uid_map'
	equal "$output" $'0\n 0 1 65536'
	run -0 p run --rm --uidmap 0:1:2000 --gidmap 0:1:2000 -u app $IMAGE sh -c 'id -u; id -G'
	equal "$output" $'1000\n1000 29 44'
}

@test "volumes, tmpfs, devices, limits, capabilities, read-only, privileged" {
	mkdir "$T/v"
	chown $WHO:$WHO "$T/v"
	chmod 755 "$T" "$BATS_RUN_TMPDIR" "$BATS_RUN_TMPDIR/test"
	run -0 p run --rm -v "$T/v:/v" -v "$T/v:/ro:ro" --tmpfs /t:size=1m --shm-size 2m --hostname foo --device /dev/zero:/dev/mine --ulimit nofile=100:200 \
		--cap-drop all --read-only $IMAGE sh -c 'touch /ro/x 2>/dev/null || touch /v/y; df -k /t | tail -n 1 | tr -s " " | cut -d" " -f2; hostname
			head -c 3 /dev/mine | wc -c; ulimit -n; grep CapEff /proc/self/status; touch /x 2>/dev/null || echo no'
	equal "$output" $'1024\nfoo\n3\n100\nCapEff:\t0000000000000000\nno'
	equal "$(stat -c %u "$T/v/y")" $WHO
	run -0 p run --rm --privileged $IMAGE sh -c 'ls /dev | wc -l; grep -c . /proc/keys >/dev/null; echo so'
	contains "$output" so
	run -0 p run --rm --security-opt seccomp=unconfined --security-opt no-new-privileges $IMAGE grep -E '^(NoNewPrivs|Seccomp):' /proc/self/status
	equal "$output" $'NoNewPrivs:\t1\nSeccomp:\t0'
	p run --rm -v "$ID:/data" $IMAGE sh -c 'echo kept >/data/f'
	equal "$(p run --rm -v "$ID:/data" $IMAGE cat /data/f)" kept
	p volume rm "$ID" >/dev/null
}

@test "namespaces of the host, of others, and of a pod" {
	local ns
	for ns in network pid uts; do
		run -0 p run --rm --$ns host $IMAGE readlink "/proc/self/ns/${ns/network/net}"
		equal "$output" "$(readlink "/proc/self/ns/${ns/network/net}")"
	done
	start_ready
	run -0 p run --rm --pid "container:$ID" --network "container:$ID" $IMAGE sh -c 'ps -o args | grep -c "^sh -c trap"; ls /sys/class/net'
	equal "$output" $'1\nlo'
	p pod create --name "$ID-pod" --share ipc,uts,net,pid --infra-image $IMAGE --infra-command 'sleep 1234' >/dev/null
	# start is over before the program's first instruction
	run -0 p run --rm --pod "$ID-pod" $IMAGE sh -c 'until ps -o args | grep "^sleep 1234"; do sleep 0.02; done'
	equal "$output" "sleep 1234"
}

@test "a health check, cgroups that are not wanted, six at a time" {
	start_ready --cgroups disabled --health-cmd 'test -e /healthy' --health-interval disable --health-retries 1
	run -1 p healthcheck run "$ID"
	p exec "$ID" touch /healthy
	run -0 p healthcheck run "$ID"
	local i jobs=()
	for i in 1 2 3 4 5 6; do
		p run --rm $IMAGE sh -c "echo $i; exit $i" >"$T/$i" 2>&1 &
		jobs+=($!)
	done
	for i in 1 2 3 4 5 6; do
		ends_with "$i" "${jobs[i - 1]}"
		equal "$(cat "$T/$i")" "$i"
	done
}
