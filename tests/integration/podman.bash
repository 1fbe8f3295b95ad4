# shellcheck shell=bash
# podman of a given version with conmon, all that is its own below a directory of the test's. Sourced after lib.bash.
#
#   PODMAN_VERSION  4 (the system's, with the system's conmon) or 5 (that of sid, with sid's)
#   RUNTIME         reeve; or runc, crun (with 5: runc-sid, crun-sid), to see that a test holds for them too

PODMAN_VERSION=${PODMAN_VERSION:-4}
export PODMAN_VERSION
IMAGE=localhost/reeve-test
APP=localhost/reeve-app

# p ARGUMENT...: podman, which must not hand bats' own descriptor on to conmon, nor wait for ever.
p() {
	within "${PODMAN_TIMEOUT:-60}" "$PODMAN" "$@" 3>&-
}

# It does not hold for this version of podman, for this reason.
only_podman() { # VERSION REASON
	[ "$PODMAN_VERSION" = "$1" ] || skip "peer podman $PODMAN_VERSION: $2"
}

# While podman uses its storage it mounts it on itself: not ours to count.
mount_points() {
	cut -d' ' -f5,9 /proc/self/mountinfo | grep -v "^$BATS_FILE_TMPDIR/.*/overlay " | sort
}

# To be called from setup_file: which podman, and what stands beside it.
podman_find() {
	local peer
	[ "$PODMAN_VERSION" = 4 ] || [ "$RUNTIME" != crun ] || skip "peer crun 1.8: does not know the version of podman 5's configs"
	TOOLS=$("$TOP/tools/peers" oci-bookworm)/bin PODMAN=podman CONMON=conmon HELPERS=
	CRIU=$("$TOP/tools/peers" criu-sid)/bin
	if [ "$PODMAN_VERSION" = 5 ]; then
		peer=$("$TOP/tools/peers" oci-sid)/bin
		PODMAN=$peer/podman CONMON=$peer/conmon HELPERS=$peer
	fi
	CONMON=$(command -v "$CONMON")
	PATH=$PATH:$TOOLS:$CRIU
	export TOOLS PODMAN CONMON HELPERS PATH PODMAN_IGNORE_CGROUPSV1_WARNING=1
}

# podman_configure DIRECTORY [LINE]...: podman's files are in there; further lines for [engine].
podman_configure() {
	local dir=$1
	shift
	mkdir -p "$dir/hooks"
	# A container's hard limits cannot be above the machine's, and Debian's podman takes systemd for granted. podman 4.3's
	# pods of Kubernetes confuse soft and hard limits.
	cat >"$dir/containers.conf" <<-CONF
		[containers]
		default_ulimits = ["nofile=4096:4096", "nproc=1024:1024"]
		netns = "none"
		log_driver = "k8s-file"
		init_path = "$TOOLS/catatonit"
		[engine]
		cgroup_manager = "cgroupfs"
		events_logger = "file"
		tmp_dir = "$dir/tmp"
		runtime = "$KIND"
		runtime_supports_json = ["$KIND"]
		runtime_supports_nocgroup = ["$KIND"]
		conmon_path = ["$CONMON"]
		hooks_dir = ["$dir/hooks"]
		helper_binaries_dir = [${HELPERS:+\"$HELPERS\", }"$TOOLS"]
		$(printf '%s\n' "$@")
		[engine.runtimes]
		$KIND = ["$RT"]
		[network]
		firewall_driver = "none"
	CONF
	cat >"$dir/storage.conf" <<-CONF
		[storage]
		driver = "overlay"
		graphroot = "$dir/root"
		runroot = "$dir/runroot"
	CONF
	export CONTAINERS_CONF=$dir/containers.conf CONTAINERS_STORAGE_CONF=$dir/storage.conf
}

# To be called from setup_file: the images of the tests, and what there was before them.
podman_setup_file() {
	STORE=$BATS_FILE_TMPDIR/store
	export STORE
	podman_find
	podman_configure "$STORE"
	"$TOP/tools/mkimage" "$STORE/image.tar"
	"$TOP/tools/mkimage" --name "$APP:latest" --user app --workdir /home/app --env GREETING=hello \
		--entrypoint '["/bin/sh", "-c", "echo $GREETING from $(id -un):$(id -gn) in $(pwd), $0"]' --cmd '["as told"]' "$STORE/app.tar"
	p load -q -i "$STORE/image.tar"
	p load -q -i "$STORE/app.tar"
	# What podman and ip would mount when they first need it, and who has which ids.
	# Its locks are in /dev/shm, by a name that another podman on the machine has too.
	mount -t tmpfs -o mode=1777 tmpfs /dev/shm
	mkdir -p /run/netns
	mount --bind /run/netns /run/netns && mount --make-shared /run/netns
	echo containers:300000:100000 >"$STORE/subid"
	mount --bind "$STORE/subid" /etc/subuid && mount --bind "$STORE/subid" /etc/subgid
	ORPHANS_BEFORE=" $(ps -o pid= --ppid 1 | paste -sd' ' | tr -s ' ') "
	export ORPHANS_BEFORE
}

# What podman itself leaves mounted.
podman_teardown_file() {
	grep -o " $BATS_FILE_TMPDIR/[^ ]* " /proc/self/mountinfo | sort -ru | xargs -r umount
}

podman_setup() {
	ID=t$BATS_TEST_NUMBER
	export RT_ROOT=/run/$KIND
	T=$BATS_TEST_TMPDIR
	export TEST_CGROUPS="*/libpod_parent/libpod-*"
	mount_points >"$T/mounts"
	# conmon 2.1.6 leaves its note of an OOM kill where podman was started.
	cd "$T" || return 1
}

podman_teardown() {
	p pod rm -f -a -t 0 >/dev/null
	p rm -f -a -t 0 >/dev/null
	nothing_left
}

# --- containers -------------------------------------------------------------------------------------------------

# inspect FORMAT [CONTAINER]
inspect() {
	p inspect --format "$1" "${2:-$ID}"
}

# status_of CONTAINER, as podman sees it after asking the runtime.
status_of() {
	inspect '{{.State.Status}}' "$1"
}

status_is() { # CONTAINER STATUS
	[ "$(status_of "$1")" = "$2" ]
}

# ended CONTAINER STATUS: it has come to its end by itself.
ended() {
	wait_until 20 status_is "$1" exited
	equal "$(inspect '{{.State.ExitCode}}' "$1")" "$2" "exit code of $1"
}

logs_have() { # TEXT [CONTAINER]
	p logs "${2:-$ID}" 2>&1 | grep -q -- "$1"
}

# start_ready [OPTION]...: a container ID that ends with 3 when it is told to end, once it is ready for that.
start_ready() {
	p run -d --name "$ID" "$@" $IMAGE sh -c 'trap "exit 3" TERM; echo ready; while :; do sleep 0.05; done' >/dev/null
	wait_until 10 logs_have ready
}

cgroup_of() {
	echo "/libpod_parent/libpod-$(inspect '{{.Id}}' "$1")"
}

# once ARGUMENT...: the output of a container that does nothing else, in $output.
once() {
	run -0 p run --rm "$@"
}
