#!/usr/bin/env bats
# The systemd cgroup driver, on a machine that systemd runs: units and their properties, beside what runc and crun make of
# the same bundle. Only for tests/integration/guest.

load ../integration/lib.bash

setup_file() {
	runtime_setup_file
	export ON_MACHINE=1
}

setup() {
	runtime_setup
	UNIT=reeve-$ID.scope
	export TEST_CGROUPS="*/sys/fs/cgroup*/reeve-*$ID*"
}

teardown() {
	local bad=0
	runtime_teardown || bad=1
	no_unit 'reeve-*' || bad=1
	return $bad
}

# The driver, in every command that makes a container.
rt() {
	within 60 "$RT" --root "$RT_ROOT" --systemd-cgroup "$@"
}

# The same without the flag, which is for making alone.
plain() {
	within 60 "$RT" --root "$RT_ROOT" "$@"
}

no_unit() { # PATTERN
	local left
	left=$(systemctl list-units --all --no-legend --plain "$1")
	[ -z "$left" ] || fail "units: $left"
}

show() { # PROPERTY [UNIT]
	systemctl show -P "$1" "${2:-$UNIT}"
}

scope() { # FILTER: for a config
	echo ".linux.cgroupsPath = \"system.slice:reeve:$ID\" | ${1:-.}"
}

cgroup_of() { # PID
	sed -n 's/^0:://p' "/proc/$1/cgroup"
}

file() { # NAME [CGROUP]
	cat "/sys/fs/cgroup${2:-/system.slice/$UNIT}/$1"
}

limits='.linux.resources |= (. // {}) + {cpu: {quota: 50000, period: 100000, shares: 512, cpus: "0"},
	memory: {limit: 67108864, reservation: 33554432, swap: 67108864}, pids: {limit: 33}, blockIO: {weight: 500},
	devices: [{allow: false, access: "rwm"}, {allow: true, type: "c", major: 1, minor: 5, access: "r"}]}'

files_hold() {
	equal "$(file cpu.max)" "50000 100000"
	equal "$(file cpu.weight)" 59
	equal "$(file cpuset.cpus)" 0
	equal "$(file memory.max)" 67108864
	equal "$(file memory.low)" 33554432
	equal "$(file memory.swap.max)" 0
	equal "$(file pids.max)" 33
}

@test "a scope in its slice, with the limits as properties and exact in the files" {
	local pid
	ct_sleep "$(scope "$limits")"
	pid=$(pid_of)
	equal "$(cgroup_of "$pid")" "/system.slice/$UNIT"
	file cgroup.procs | grep -qx "$pid"
	equal "$(show ActiveState)" active
	equal "$(show Slice)" system.slice
	equal "$(show Delegate)" yes
	equal "$(show Description)" "reeve container $ID ($RT_ROOT)"
	equal "$(show DefaultDependencies)" no
	equal "$(show CPUWeight)" 59
	equal "$(show CPUQuotaPerSecUSec)" 500ms
	equal "$(show CPUQuotaPeriodUSec)" 100ms
	equal "$(show AllowedCPUs)" 0
	equal "$(show MemoryMax)" 67108864
	equal "$(show MemoryLow)" 33554432
	equal "$(show MemorySwapMax)" 0
	equal "$(show TasksMax)" 33
	equal "$(show IOWeight)" 4950
	equal "$(show DevicePolicy)" strict
	contains "$(show DeviceAllow)" "/dev/char/1:5 rwm"
	files_hold
	systemctl daemon-reload
	systemctl daemon-reexec
	[ "$(show ActiveState)" = active ]
	files_hold
	run -0 plain exec "$ID" /bin/sh -c 'cat /proc/self/cgroup; head -c 1 /dev/zero | wc -c' </dev/null
	equal "${lines[0]}" "0::/" "the cgroup of an exec, from inside"
	equal "${lines[1]}" 1
	plain pause "$ID"
	equal "$(status_of "$ID")" paused
	plain resume "$ID"
	plain kill "$ID" KILL
	wait_until 10 status_is stopped
	plain delete "$ID"
	no_unit "$UNIT"
}

@test "properties are those of the peers for the same bundle" {
	local peer got ours p
	bundle_sh 'exec sleep 1000' "$(scope "$limits")"
	props() { # UNIT
		for p in Slice Delegate CPUWeight CPUQuotaPerSecUSec CPUQuotaPeriodUSec AllowedCPUs MemoryMax MemoryLow MemorySwapMax \
			TasksMax DevicePolicy MemoryAccounting CPUAccounting IOAccounting TasksAccounting KillMode CollectMode; do
			echo "$p=$(show "$p" "$1")"
		done
	}
	ct_start
	ours=$(props "$UNIT")
	plain delete --force "$ID"
	jq '.ociVersion = "1.0.2"' "$B/config.json" >"$B/old" && mv "$B/old" "$B/config.json"
	for peer in runc crun; do
		"$peer" --root "$RT_ROOT-$peer" --systemd-cgroup run --detach --bundle "$B" "$ID" </dev/null >"$B/stdout" 2>&1 || fail "$(cat "$B/stdout")"
		got=$(props "$UNIT")
		"$peer" --root "$RT_ROOT-$peer" delete --force "$ID"
		wait_until 10 no_unit "$UNIT"
		echo "--- $peer"
		diff <(echo "$got") <(echo "$ours") >"$BATS_TEST_TMPDIR/diff" || true
		cat "$BATS_TEST_TMPDIR/diff"
		case $peer in
		# Those of the system count shares in the old way; runc's takes no swap for no limit of swap, crun's sets a part of
		# this only in the files.
		crun) ! grep -E '^[<>]' "$BATS_TEST_TMPDIR/diff" | grep -vE 'CPUWeight|CPUQuota|AllowedCPUs|MemoryLow|MemorySwapMax|TasksMax|MemoryMax|DevicePolicy|CollectMode|IOAccounting' ;;
		runc) ! grep -E '^[<>]' "$BATS_TEST_TMPDIR/diff" | grep -vE 'CPUWeight|MemorySwapMax' ;;
		esac
	done
}

@test "a quota that is no whole percent of a CPU is exact in the file, and rounded up as a property" {
	bundle_sh 'exec sleep 1000' "$(scope '.linux.resources.cpu = {quota: 33333, period: 100000}')"
	ct_start
	equal "$(show CPUQuotaPerSecUSec)" 340ms
	equal "$(file cpu.max)" "33333 100000"
	plain delete --force "$ID"
}

@test "crun's annotation for a cgroup below the scope" {
	bundle_sh 'exec sleep 1000' "$(scope '.annotations = {"run.oci.systemd.subgroup": "container"} | .linux.resources.pids.limit = 33')"
	ct_start
	equal "$(cgroup_of "$(pid_of)")" "/system.slice/$UNIT/container"
	equal "$(show TasksMax)" 33
	equal "$(file pids.max "/system.slice/$UNIT/container")" 33
	plain delete --force "$ID"
	refused "$(scope '.annotations = {"run.oci.systemd.subgroup": "../x"}')"
	contains "$output" "annotation 'run.oci.systemd.subgroup': '../x' is not the name of a cgroup"
}

@test "crun's annotation for a cgroup below, which is the processes' own; by us and by crun" {
	local deep='.annotations = {"run.oci.systemd.subgroup": "container", "run.oci.delegate-cgroup": "/pay/load"} | .linux.resources.pids.limit = 33'
	local pid base=/system.slice/$UNIT/container by
	for by in crun ours; do
		bundle_sh 'cat /proc/self/cgroup; exec sleep 1000' "$(scope "$deep | .ociVersion = \"1.0.2\"")"
		case $by in
		ours) ct_start ;;
		crun) crun --root "$BATS_TEST_TMPDIR/crun" --systemd-cgroup run --detach --bundle "$B" "$ID" </dev/null >"$B/stdout" 2>&1 || fail "$(cat "$B/stdout")" ;;
		esac
		wait_until 30 grep -q 0:: "$B/stdout"
		equal "$(grep ^0:: "$B/stdout")" 0::/pay/load "the cgroup from inside, $by"
		equal "$(file pids.max "$base")" 33
		equal "$(file pids.max "$base/pay/load")" max
		contains " $(file cgroup.subtree_control "$base") " " pids "
		contains " $(file cgroup.subtree_control "$base") " " memory "
		[ "$by" != crun ] || crun --root "$BATS_TEST_TMPDIR/crun" delete --force "$ID"
	done
	pid=$(pid_of)
	equal "$(cgroup_of "$pid")" "$base/pay/load"
	run -0 plain exec "$ID" /bin/sh -c 'cat /proc/self/cgroup' </dev/null
	equal "$output" 0::/pay/load
	plain pause "$ID"
	equal "$(status_of "$ID")" paused
	plain resume "$ID"
	equal "$(plain ps --format json "$ID" | jq -c .)" "[$pid]"
	plain delete --force "$ID"
	no_unit "$UNIT"
	refused "$(scope '.annotations = {"run.oci.delegate-cgroup": "../x"}')"
	contains "$output" "annotation 'run.oci.delegate-cgroup': cgroup '../x' is not a path below the container's"
}

@test "an exec is where init is, when that has gone below and keeps controllers there" {
	bundle_sh 'mkdir /sys/fs/cgroup/init && echo 0 >/sys/fs/cgroup/init/cgroup.procs && echo +memory >/sys/fs/cgroup/cgroup.subtree_control && echo moved; exec sleep 1000' \
		"$(scope '.mounts |= map(if .type == "cgroup" then .options -= ["ro"] else . end)')"
	ct_start
	wait_until 30 grep -q moved "$B/stdout"
	equal "$(cgroup_of "$(pid_of)")" "/system.slice/$UNIT/init"
	run -0 plain exec "$ID" /bin/sh -c 'cat /proc/self/cgroup' </dev/null
	equal "$output" 0::/init
	plain delete --force "$ID"
}

@test "names: defaults, dialects, slices within slices" {
	local dir=$BATS_TEST_TMPDIR/bin name
	mkdir "$dir"
	bundle_sh 'exec sleep 1000' '.linux.cgroupsPath = ""'
	ct_start
	equal "$(cgroup_of "$(pid_of)")" "/system.slice/reeve-$ID.scope"
	plain delete --force "$ID"
	for name in runc crun; do
		ln "$RT" "$dir/$name" 2>/dev/null || cp "$RT" "$dir/$name"
		cp "${RT%/*}/reeve-helper" "$dir/"
		case $name in runc) set -- --systemd-cgroup ;; crun) set -- --cgroup-manager=systemd ;; esac
		"$dir/$name" --root "$RT_ROOT" "$@" run --detach --bundle "$B" "$ID" </dev/null >"$B/stdout" 2>&1 || fail "$(cat "$B/stdout")"
		case $name in
		runc) equal "$(cgroup_of "$(pid_of)")" "/system.slice/runc-$ID.scope" ;;
		crun) equal "$(cgroup_of "$(pid_of)")" "/system.slice/crun-$ID.scope/container" ;;
		esac
		plain delete --force "$ID"
		no_unit "$name-*"
	done
	bundle_sh 'exec sleep 1000' '.linux.cgroupsPath = "" | .annotations = {"run.oci.systemd.subgroup": ""}'
	"$dir/crun" --root "$RT_ROOT" --systemd-cgroup run --detach --bundle "$B" "$ID" </dev/null >"$B/stdout" 2>&1 || fail "$(cat "$B/stdout")"
	equal "$(cgroup_of "$(pid_of)")" "/system.slice/crun-$ID.scope"
	plain delete --force "$ID"
	bundle_sh 'exec sleep 1000' ".linux.cgroupsPath = \"reeve-a-b$ID.slice:reeve:$ID\""
	ct_start
	equal "$(cgroup_of "$(pid_of)")" "/reeve.slice/reeve-a.slice/reeve-a-b$ID.slice/$UNIT"
	plain delete --force "$ID"
	systemctl stop reeve.slice
	refused '.linux.cgroupsPath = "/default/abc"'
	contains "$output" 'expected cgroupsPath to be of format "slice:prefix:name"'
	refused '.linux.cgroupsPath = "a/b.slice:x:y"'
	contains "$output" "linux.cgroupsPath: 'a/b.slice' is not the name of a slice"
}

@test "a name in .slice is a slice, which goes with its container" {
	bundle_sh 'exec sleep 1000' ".linux.cgroupsPath = \"system.slice:x:reeve-$ID.slice\" | .linux.resources.pids.limit = 17"
	ct_start
	equal "$(cgroup_of "$(pid_of)")" "/reeve.slice/reeve-$ID.slice"
	equal "$(show TasksMax "reeve-$ID.slice")" 17
	plain kill "$ID" KILL
	wait_until 10 status_is stopped
	equal "$(show ActiveState "reeve-$ID.slice")" active
	plain delete "$ID"
	equal "$(show ActiveState "reeve-$ID.slice")" inactive
	systemctl stop reeve.slice
}

@test "a unit of that name that lives is left alone, one that has failed gives way" {
	local pid
	bundle_sh 'exec sleep 1000' "$(scope)"
	systemd-run --scope --quiet --unit "reeve-$ID" sleep 1000 3>&- &
	pid=$!
	wait_until 10 systemctl is-active --quiet "$UNIT"
	ct_refused
	contains "$output" "unit '$UNIT' exists already"
	kill -0 "$pid"
	equal "$(show ActiveState)" active
	kill "$pid"
	wait_until 10 no_unit "$UNIT"
	# what is on its way out is waited for
	systemd-run --quiet --unit "reeve-$ID.service" --slice system.slice false
	wait_until 10 systemctl is-failed --quiet "reeve-$ID.service"
	systemctl reset-failed "reeve-$ID.service"
	ct_start
	plain delete --force "$ID"
}

@test "delete does not stop a later unit of the same name" {
	local pid
	bundle_sh 'exec sleep 1000' "$(scope)"
	ct_start
	plain kill "$ID" KILL
	wait_until 10 status_is stopped
	wait_until 10 no_unit "$UNIT"
	systemd-run --scope --quiet --unit "reeve-$ID" sleep 1000 3>&- &
	pid=$!
	wait_until 10 systemctl is-active --quiet "$UNIT"
	plain delete "$ID" || true
	kill -0 "$pid" || fail "another's process was killed"
	equal "$(show ActiveState)" active
	kill "$pid"
	wait_until 10 no_unit "$UNIT"
}

@test "run ends with its program, and so does the unit" {
	bundle_sh 'cat /proc/self/cgroup; exit 7' "$(scope)"
	run -7 ct_run
	contains "$output" "0::/"
	no_unit "$UNIT"
	bundle '.process.args = ["/no/such"] | '"$(scope)"
	run ct_run
	[ "$status" != 0 ]
	contains "$output" "no such file or directory"
	no_unit "$UNIT"
}

@test "one process is a limit that holds, and does not keep the first one out" {
	bundle_sh 'cat /proc/self/cgroup >/dev/null & wait; echo done' "$(scope '.linux.resources.pids.limit = 1')"
	run ct_run
	contains "$output" "can't fork"
}

@test "over the message bus, where systemd's own socket is not to be had" {
	systemctl start dbus.socket dbus.service
	# nobody listens at what hides it
	over_bus() { unshare -m sh -c 'mount --bind /dev/null /run/systemd/private && exec "$@"' _ "$RT" --root "$RT_ROOT" "$@"; }
	bundle_sh 'exec sleep 1000' "$(scope '.linux.resources.pids.limit = 33')"
	over_bus --systemd-cgroup run --detach --bundle "$B" "$ID" </dev/null >"$B/stdout" 2>&1 || fail "$(cat "$B/stdout")"
	equal "$(cgroup_of "$(pid_of)")" "/system.slice/$UNIT"
	equal "$(show TasksMax)" 33
	over_bus update --pids-limit 44 "$ID"
	equal "$(show TasksMax)" 44
	over_bus delete --force "$ID"
	no_unit "$UNIT"
}

# killed N COMMAND...: killed at its N-th system call; delete --force then leaves nothing. False: it met none.
killed() {
	local met
	"$LIB/killat" -o "$BATS_TEST_TMPDIR/met" "$1" "$RT" --root "$RT_ROOT" --systemd-cgroup "${@:2}" \
		</dev/null >"$BATS_TEST_TMPDIR/out" 2>&1 || true
	met=$(<"$BATS_TEST_TMPDIR/met")
	plain delete --force "$ID" >"$BATS_TEST_TMPDIR/delete" 2>&1 || fail "call $1 ($met): delete: $(cat "$BATS_TEST_TMPDIR/delete")"
	wait_until 10 no_unit "$UNIT" || fail "call $1 ($met)"
	nothing_left || fail "call $1 ($met)"
	[ "$met" != none ]
}

@test "create that is killed anywhere leaves nothing that delete --force does not remove" {
	local n points=0
	bundle_sh 'exec sleep 1000' "$(scope "$limits")"
	for ((n = 1; ; n += ${CRASH_STEP:-7})); do
		killed "$n" create --bundle "$B" "$ID" || break
		points=$((points + 1))
	done
	echo "# $points points" >&3
	[ "$points" -gt 10 ]
}

@test "start, update, exec and delete that are killed anywhere leave nothing that delete --force does not remove" {
	local n points command
	bundle_sh 'exec sleep 1000' "$(scope "$limits")"
	for command in "start $ID" "update --pids-limit 44 $ID" "exec $ID true" "delete --force $ID"; do
		points=0
		for ((n = 1; ; n += ${CRASH_STEP:-13})); do
			ct_create
			[[ $command = start* ]] || rt start "$ID"
			# shellcheck disable=SC2086 # they are words
			killed "$n" $command || break
			points=$((points + 1))
		done
		echo "# ${command%% *}: $points points" >&3
		[ "$points" -gt 2 ]
	done
}

@test "update changes properties and files, all or nothing, and both outlive a reload" {
	bundle_sh 'exec sleep 1000' "$(scope "$limits")"
	ct_start
	plain update --memory 100M --memory-swap 200M --pids-limit 44 --cpu-quota 20000 --cpuset-cpus 0-1 "$ID"
	updated() {
		equal "$(show MemoryMax)" 104857600
		equal "$(show MemorySwapMax)" 104857600
		equal "$(show TasksMax)" 44
		equal "$(show CPUQuotaPerSecUSec)" 200ms
		equal "$(show CPUWeight)" 59
		equal "$(show AllowedCPUs)" 0-1
		equal "$(file memory.max)" 104857600
		equal "$(file memory.swap.max)" 104857600
		equal "$(file pids.max)" 44
		equal "$(file cpu.max)" "20000 100000"
		equal "$(file cpuset.cpus)" 0-1
	}
	updated
	systemctl daemon-reload
	updated
	systemctl daemon-reexec
	[ "$(show ActiveState)" = active ]
	updated
	plain update --cpu-quota 12345 "$ID"
	equal "$(file cpu.max)" "12345 100000"
	equal "$(show CPUQuotaPerSecUSec)" 130ms
	plain update --cpu-quota 20000 "$ID"
	# The last one is what the kernel refuses: those before it are taken back, and systemd hears of none.
	run -1 plain update --memory 50M --memory-swap 60M --pids-limit 55 --cpuset-cpus 77 "$ID"
	updated
	plain update --pids-limit -1 --memory -1 "$ID"
	equal "$(show TasksMax)" infinity
	equal "$(file pids.max)" max
	equal "$(show MemoryMax)" infinity
	plain delete --force "$ID"
}

@test "annotations set properties of the list, all others are refused" {
	bundle_sh 'exec sleep 1000' "$(scope '.annotations = {"org.systemd.property.TimeoutStopSec": "uint64 7",
		"org.systemd.property.CollectMode": "'"'inactive-or-failed'"'", "org.systemd.property.MemoryHigh": "33554432",
		"org.systemd.property.TasksMax": "@t 99", "org.systemd.property.AllowedCPUs": "[byte 0x01]"}')"
	ct_start
	equal "$(show TimeoutStopUSec)" 7s
	equal "$(show CollectMode)" inactive-or-failed
	equal "$(show MemoryHigh)" 33554432
	equal "$(show TasksMax)" 99
	equal "$(show AllowedCPUs)" 0
	equal "$(file memory.high)" 33554432
	plain delete --force "$ID"
	refused "$(scope '.annotations = {"org.systemd.property.ExecStartPre": "[('"'/bin/touch', ['touch', '/tmp/pwned']"', false)]"}')"
	contains "$output" "annotation 'org.systemd.property.ExecStartPre': a container may not set this property of its unit"
	[ ! -e /tmp/pwned ]
	refused "$(scope '.annotations = {"org.systemd.property.User": "'"'nobody'"'"}')"
	contains "$output" "org.systemd.property.User"
	refused "$(scope '.annotations = {"org.systemd.property.TasksMax": "many"}')"
	contains "$output" "'many' is not a value of the type 't'"
	# which without the driver are nobody's business
	bundle '.process.args = ["/bin/true"] | .annotations = {"org.systemd.property.User": "x"}'
	run -0 plain run --bundle "$B" "$ID" </dev/null
}

@test "checkpoint and restore, into a scope again" {
	local pid
	[ -n "$(command -v criu)" ] || skip "no criu"
	bundle_sh 'i=0; while :; do i=$((i + 1)); echo $i >/count; sleep 0.05; done' "$(scope '.linux.resources.pids.limit = 33')"
	rt create --bundle "$B" "$ID" </dev/null >/dev/null 2>&1
	rt start "$ID"
	wait_until 10 test -s "$B/rootfs/count"
	plain checkpoint --image-path "$BATS_TEST_TMPDIR/images" "$ID" || { tail -n 20 "$BATS_TEST_TMPDIR/images/dump.log"; false; }
	no_unit "$UNIT"
	: >"$B/rootfs/count"
	rt restore --detach --bundle "$B" --image-path "$BATS_TEST_TMPDIR/images" "$ID" </dev/null >"$B/restored" 2>&1 || fail "$(cat "$B/restored")"
	wait_until 10 test -s "$B/rootfs/count"
	pid=$(pid_of)
	equal "$(cgroup_of "$pid")" "/system.slice/$UNIT"
	equal "$(show TasksMax)" 33
	! grep -q reeve-helper /proc/[0-9]*/comm || fail "the helper has not left"
	plain delete --force "$ID"
	no_unit "$UNIT"
}

@test "a writable cgroup file system of its own: the container's root may make groups, not raise limits" {
	local how ours='.linux.uidMappings = [{containerID: 0, hostID: 100000, size: 1000}] | .linux.gidMappings = .linux.uidMappings
		| .linux.namespaces += [{type: "user"}, {type: "cgroup"}] | .linux.namespaces |= unique_by(.type)
		| .mounts |= map(if .type == "cgroup" then .options -= ["ro"] else . end) | .linux.resources.pids.limit = 33'
	for how in systemd cgroupfs; do
		bundle_sh 'cd /sys/fs/cgroup && mkdir sub && echo $$ >sub/cgroup.procs && cat /proc/self/cgroup && echo +pids >cgroup.subtree_control &&
			echo 5 >sub/pids.max && cat sub/pids.max; echo 99 >pids.max; exec sleep 1000' "$(scope "$ours")"
		if [ "$how" = cgroupfs ]; then
			jq --arg path "/reeve-test-$ID" '.linux.cgroupsPath = $path' "$B/config.json" >"$B/c"
			mv "$B/c" "$B/config.json"
		fi
		chmod 755 "$BATS_TEST_TMPDIR" "$BATS_FILE_TMPDIR"
		chown -R 100000:100000 "$B/rootfs"
		within 60 "$RT" --root "$RT_ROOT" --cgroup-manager "$how" run --detach --bundle "$B" "$ID" </dev/null >"$B/stdout" 2>&1 || fail "$(cat "$B/stdout")"
		wait_until 10 grep -q denied "$B/stdout"
		cat "$B/stdout"
		grep -qx '0::/sub' "$B/stdout"
		grep -qx 5 "$B/stdout"
		plain delete --force "$ID"
	done
	# read-only, or with the host's cgroup namespace: it stays root's
	bundle_sh 'exec sleep 1000' "$(scope "$ours"' | .mounts |= map(if .type == "cgroup" then .options += ["ro"] else . end)')"
	chown -R 100000:100000 "$B/rootfs"
	ct_start
	equal "$(stat -c %u "/sys/fs/cgroup/system.slice/$UNIT")" 0
	plain delete --force "$ID"
}

# --- who is not root --------------------------------------------------------------------------------------------

RUN=/run/user/65534
ROOTLESS='.linux.namespaces |= (map(select(.type != "network")) + [{"type": "user"}, {"type": "cgroup"}] | unique_by(.type))
	| .linux.uidMappings = [{"containerID": 0, "hostID": 65534, "size": 1}] | .linux.gidMappings = .linux.uidMappings
	| .linux.resources = {pids: {limit: 33}, memory: {limit: 67108864}} | .process.user = {"uid": 0, "gid": 0}
	| .mounts |= map(if .destination == "/sys" then {"destination": "/sys", "type": "none", "source": "/sys", "options": ["rbind", "nosuid", "noexec", "nodev", "ro"]} else . end)'

# A manager of nobody's, as user@.service is one.
user_manager() {
	mkdir -p "$RUN" && chown 65534:65534 "$RUN" && chmod 700 "$RUN"
	cat >/run/systemd/system/reeve-user.service <<-UNIT
		[Service]
		User=nobody
		Type=notify
		Slice=user-65534.slice
		Delegate=cpu cpuset io memory pids
		Environment=XDG_RUNTIME_DIR=$RUN HOME=$RUN
		ExecStart=/usr/lib/systemd/systemd --user
		KillMode=mixed
	UNIT
	systemctl daemon-reload
	systemctl start reeve-user.service || { systemctl status reeve-user.service && false; }
}

user_manager_end() {
	systemctl stop reeve-user.service
	rm /run/systemd/system/reeve-user.service
	systemctl daemon-reload
}

as_nobody() {
	setpriv --reuid 65534 --regid 65534 --clear-groups env XDG_RUNTIME_DIR="$RUN" PATH="$PATH" timeout -k 5 60 "$@"
}

# In a unit of nobody's manager, as a login has one; its output is in $B/said.
from_unit() {
	as_nobody systemd-run --user --quiet --collect -p Type=oneshot -p "StandardOutput=append:$B/said" -p "StandardError=append:$B/said" -- "$@"
}

@test "a user's container is a scope of the user's manager" {
	local cgroup slice=/user.slice/user-65534.slice/reeve-user.service/user.slice
	chmod 755 "$BATS_TEST_TMPDIR" "$BATS_FILE_TMPDIR" "$BATS_RUN_TMPDIR" "$BATS_RUN_TMPDIR/test"
	cp "$RT" "${RT%/*}/reeve-helper" "$BATS_TEST_TMPDIR/" # where nobody can go
	RT=$BATS_TEST_TMPDIR/reeve
	bundle_sh 'exec sleep 1000' "$ROOTLESS | .linux.cgroupsPath = \":reeve:$ID\""
	chown -R 65534:65534 "$B"
	user_manager
	from_unit "$RT" --root "$RUN/reeve" --systemd-cgroup run --detach --bundle "$B" "$ID" || fail "$(cat "$B/said")"
	cgroup=$(cgroup_of "$(as_nobody "$RT" --root "$RUN/reeve" state "$ID" | jq -r .pid)")
	equal "$cgroup" "$slice/$UNIT"
	equal "$(as_nobody systemctl --user show -P TasksMax "$UNIT")" 33
	equal "$(file pids.max "$cgroup")" 33
	equal "$(file memory.max "$cgroup")" 67108864
	from_unit "$RT" --root "$RUN/reeve" exec "$ID" /bin/sh -c 'cat /proc/self/cgroup; id -u' || fail "$(cat "$B/said")"
	grep -qx "0::/" "$B/said"
	from_unit "$RT" --root "$RUN/reeve" update --pids-limit 44 "$ID" || fail "$(cat "$B/said")"
	equal "$(as_nobody systemctl --user show -P TasksMax "$UNIT")" 44
	as_nobody "$RT" --root "$RUN/reeve" delete --force "$ID"
	equal "$(as_nobody systemctl --user show -P LoadState "$UNIT")" not-found
	# from a cgroup that is root's nobody can enter a scope of the user's
	run -1 as_nobody "$RT" --root "$RUN/reeve" --systemd-cgroup run --detach --bundle "$B" "$ID" </dev/null
	matches "$output" "systemd|cannot be entered"
	wait_until 10 eval '[ "$(as_nobody systemctl --user show -P LoadState "$UNIT")" = not-found ]'
	user_manager_end
	run -1 as_nobody "$RT" --root "$RUN/reeve" --systemd-cgroup run --bundle "$B" "$ID" </dev/null
	contains "$output" "systemd cgroup driver: systemd does not run here: nobody listens at '$RUN/systemd/private'"
	equal "$(ls "$RUN/reeve")" ""
}
