# shellcheck shell=bash
# run: build, then show a container by `reeve` alone, by reeved, and under an unmodified containerd if there is one (tools/demo).

# What no package can give; what packages give, setup_groups installs.
run_requirements() {
	local release major minor
	[ "$(id -u)" = 0 ] || die "containers are made as root here: sudo ./dev run"
	release=$(uname -r)
	IFS=.- read -r major minor _ <<<"$release"
	[ "$((major * 1000 + minor))" -ge 5014 ] || die "Linux $release is too old: reeve needs 5.14"
	unshare --mount --pid --fork --net --ipc --uts --cgroup true 2>/dev/null ||
		die "this process may not make namespaces. In a container? Give it CAP_SYS_ADMIN and no seccomp filter (--privileged), or use a virtual machine"
	awk '$3 == "cgroup" || $3 == "cgroup2" { found = 1 } END { exit !found }' /proc/self/mounts ||
		die "no cgroups are mounted: mount -t cgroup2 cgroup2 /sys/fs/cgroup"
}

cmd_run() {
	local start=$SECONDS built
	run_requirements
	setup_groups build run
	# shellcheck source=tools/dev/build.bash
	. tools/dev/build.bash
	# On a fresh machine the tests and fuzzers would take as long again.
	build_tree src/main/reeve src/main/containerd-shim-reeve-v2 src/main/reeved src/main/reeve-helper tests/lib/nsinit tests/lib/reeved_client
	built=$((SECONDS - start))
	cat <<-TEXT
		This is reeve, which runs containers. What follows makes a small image and runs it by \`reeve\`; then by reeved, a
		daemon with containerd's API, which is killed meanwhile; then, where containerd is installed, under containerd
		through containerd-shim-reeve-v2, and shows what containerd is told and where the time of a start goes.
		It has mounts, processes, network and cgroups of its own: nothing of it stays.
		(Built in out/bin/ within $built s. \$W is a directory for all of this; ctr stands for
		ctr -a \$W/containerd.sock, client for a small client of reeved, tests/lib/reeved_client.)
	TEXT
	tests/integration/enter tools/demo || die "the show stopped early; what it printed last says why"
	printf '\nAll of it is gone again. %d s in all. Next: ./dev test, ./dev bench, out/bin/reeve --help\n' $((SECONDS - start))
}
