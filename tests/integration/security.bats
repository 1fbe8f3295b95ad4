#!/usr/bin/env bats
# Each published failure of a container runtime that concerns ours, as a test: its name begins with the identifier.
# docs/security-coverage.md has the table. `RUNTIME=runc` and `RUNTIME=crun` show what the peers do: where an old one
# is known to fall for it (`falls`), the row must find that, or the row proves nothing.
#
# The host is $HOST: a directory outside of every container, with a file that names it, listed before and after.

load lib.bash

setup_file() {
	runtime_setup_file
	local config=$BATS_FILE_TMPDIR/template/config.json
	jq '.ociVersion = "1.0.2"' "$config" >"$config.new" # the old peers take no later one
	mv "$config.new" "$config"
	cp "$LIB/hostile" "$BATS_FILE_TMPDIR/template/rootfs/bin/hostile"
	sha256sum "$RT" >"$BATS_FILE_TMPDIR/program"
}

setup() {
	runtime_setup
	FALLS=
	HOST=$BATS_TEST_TMPDIR/host
	mkdir -p "$HOST/sub"
	echo keep >"$HOST/ptmx"
	echo "the host" >"$HOST/sub/file"
	listing >"$BATS_TEST_TMPDIR/listing"
	JOBS=()
}

teardown() {
	touch "$BATS_TEST_TMPDIR/stop"
	[ ${#JOBS[@]} = 0 ] || wait "${JOBS[@]}" || true
	runtime_teardown
	# By no test, and in no way.
	sha256sum --quiet -c "$BATS_FILE_TMPDIR/program"
}

# --- what the rows share ----------------------------------------------------------------------------------------

# Everything in the host's directory with its inode, mode, owner and content.
listing() {
	find "$HOST" -printf '%i %m %U %G %y %s %p %l\n' | sort
	find "$HOST" -type f -exec cat {} +
}

host_untouched() {
	listing | diff "$BATS_TEST_TMPDIR/listing" - || { echo "the host's directory changed" && return 1; }
	mount_points | grep -F "$HOST" && { echo "something is mounted on the host's directory" && return 1; }
	return 0
}

# The old peers of these names fall for it: for them the row must find what it looks for.
falls() { # KIND...
	local kind
	for kind; do
		[ "$RUNTIME" != "$kind" ] || FALLS=1
	done
}

# These fall for it when they lose the race.
may_fall() { # KIND...
	local kind
	for kind; do
		[ "$RUNTIME" != "$kind" ] || FALLS=maybe
	done
}

# holds COMMAND...: the end of a row.
holds() {
	if [ "$FALLS" = maybe ]; then
		"$@" || skip "peer $RUNTIME: falls for it"
	elif [ -n "$FALLS" ]; then
		! "$@" || fail "peer $RUNTIME is known to fall for this, and the row does not see it"
	else
		"$@"
	fi
}

no_finds() { # FILE
	! grep -a FOUND "$1"
}

# Run what may fail, which is not what is asked here; only its end must come.
attempt() { # FILE COMMAND...
	local file=$1 rc=0
	shift
	within 20 "$@" </dev/null >"$file" 2>&1 || rc=$?
	! hung_or_crashed "$rc" || fail "status $rc of $*: $(tail -n 5 "$file")"
}

# timeout's, and those of SIGILL, SIGABRT, SIGBUS, SIGFPE, SIGKILL and SIGSEGV
hung_or_crashed() { # STATUS
	case $1 in 124 | 132 | 134 | 135 | 136 | 137 | 139) return 0 ;; *) return 1 ;; esac
}

attempt_run() {
	attempt "$BATS_TEST_TMPDIR/out" "$RT" --root "$RT_ROOT" run --bundle "$B" "$ID"
	"$RT" --root "$RT_ROOT" delete --force "$ID" >/dev/null 2>&1 || true
}

# One start after the other for these many seconds; their outcomes are not what is asked. STARTS counts them.
starts_for() { # SECONDS [OPTION]...
	local end=$((SECONDS + $1)) rc
	shift
	STARTS=0
	# On a busy machine it takes longer: fewer would say nothing.
	while [ "$SECONDS" -lt "$end" ] || [ "$STARTS" -lt 40 ]; do
		rc=0
		within 20 "$RT" --root "$RT_ROOT" run --bundle "$B" "$@" "$ID$STARTS" </dev/null >"$BATS_TEST_TMPDIR/out" 2>&1 || rc=$?
		! hung_or_crashed "$rc" || fail "status $rc after $STARTS starts"
		[ "$rc" = 0 ] || "$RT" --root "$RT_ROOT" delete --force "$ID$STARTS" >/dev/null 2>&1 || true
		STARTS=$((STARTS + 1))
	done
	echo "$STARTS starts"
}

# Exchange two entries of a directory until the test ends.
swap() { # A B
	"$LIB/hostile" swap "$1" "$2" "$BATS_TEST_TMPDIR/stop" >"$BATS_TEST_TMPDIR/swap" 2>&1 3>&- &
	JOBS+=($!)
	wait_until 10 grep -q ready "$BATS_TEST_TMPDIR/swap"
}

# A path with many ".." in front: relative, to wherever it is looked at from.
far_up() { # PATH
	printf '%s' ../../../../../../../../../../../.."$1"
}

# --- 1.1: descriptors, programs and memory of the runtime --------------------------------------------------------

# A hunter with CAP_SYS_PTRACE in the container, while execs come in bursts from a caller with secrets.
hunt() { # EXECS
	local execs=$1 i pids end=$((SECONDS + 40))
	bundle '.process.args = ["/bin/hostile", "hunt", "/stop", $host, "secret-of-the-caller", $dir, "/test/\($id)/"]
		| .process.capabilities[] += ["CAP_SYS_PTRACE"] | .process.noNewPrivileges = false' \
		--arg host "$HOST/sub/file" --arg dir "$BATS_TEST_TMPDIR" --arg id "$ID"
	ct_start
	wait_until 10 grep -q ready "$B/stdout"
	# On a busy machine fewer will do, or more are needed until the hunter has had a chance.
	for ((i = 0; i < execs && (SECONDS < end || i < 160) || SECONDS < end + 100 && $(grep -c '^met' "$B/stdout") == 0; i += 8)); do
		pids=()
		for _ in 1 2 3 4 5 6 7 8; do
			CALLERS_SECRET=secret-of-the-caller timeout -k 1 $((60 * TEST_SLOW)) "$RT" --root "$RT_ROOT" exec "$ID" /bin/true </dev/null >/dev/null 2>&1 3>&- 7<"$HOST" 8<"$HOST/ptmx" &
			pids+=($!)
		done
		wait "${pids[@]}" || true
	done
	touch "$B/rootfs/stop"
	wait_until 30 grep -q '^done' "$B/stdout"
	echo "$i execs; $(tail -n 1 "$B/stdout")"
}

@test "CVE-2016-9962 CVE-2016-8649: in 2000 execs a hunter with CAP_SYS_PTRACE finds nothing of the host" {
	falls runc crun runc-sid crun-sid
	local n
	hunt "${SECURITY_EXECS:-2000}" >"$BATS_TEST_TMPDIR/hunt"
	cat "$BATS_TEST_TMPDIR/hunt"
	n=$(sed -n 's/.* executors \([0-9]*\) .*/\1/p' "$BATS_TEST_TMPDIR/hunt")
	[ "$n" -gt 20 ] || fail "the hunter met the runtime's own process $n times only"
	grep -a FOUND "$B/stdout" | sed 's/ of [0-9]*//' | sort | uniq -c | sort -rn | head -n 20 || true
	holds no_finds "$B/stdout"
}

@test "CVE-2016-9962: without that capability nobody looks into a process on its way in" {
	bundle '.process.args = ["/bin/hostile", "hunt", "/stop", $host, "secret-of-the-caller"]' --arg host "$HOST/sub/file"
	ct_start
	wait_until 10 grep -q ready "$B/stdout"
	for _ in $(seq 50); do rt exec "$ID" /bin/true </dev/null 7<"$HOST"; done
	touch "$B/rootfs/stop"
	wait_until 30 grep -q '^done' "$B/stdout"
	no_finds "$B/stdout"
}

# A library that the runtime would load, if it ran itself in the image, writes to the program that loads it.
@test "CVE-2019-5736: #!/proc/self/exe as init and as exec runs nothing of the host, and its program stays as it is" {
	bundle '.process.args = ["/bin/self"] | .process.noNewPrivileges = false'
	printf '#!/proc/self/exe\n' >"$B/rootfs/bin/self"
	chmod 755 "$B/rootfs/bin/self"
	attempt_run
	cat "$BATS_TEST_TMPDIR/out"
	bundle_sh 'echo ready; while :; do sleep 0.05; done'
	ct_start
	attempt "$BATS_TEST_TMPDIR/out.exec" "$RT" --root "$RT_ROOT" exec "$ID" /bin/self
	cat "$BATS_TEST_TMPDIR/out.exec"
	not_itself() { ! grep -aiE 'usage:|open container initiative' "$BATS_TEST_TMPDIR/out" "$BATS_TEST_TMPDIR/out.exec"; }
	holds not_itself
}

@test "CVE-2024-21626: no working directory by a descriptor of the runtime or of its caller" {
	may_fall crun
	local path
	# shellcheck disable=SC2016 # the container's
	bundle_sh 'for up in . .. ../.. ../../.. ../../../.. ../../../../..; do [ ! -e "$up$HOSTFILE" ] || echo FOUND; done' \
		'.process.cwd = "@CWD@" | .process.env += ["HOSTFILE=" + $host]' --arg host "$HOST/sub/file"
	cp "$B/config.json" "$B/template.json"
	ln -s /proc/self/fd/7 "$B/rootfs/seven"
	: >"$BATS_TEST_TMPDIR/all"
	for path in $(seq -f '/proc/self/fd/%.0f' 0 40) /proc/thread-self/fd/{3,5,6,7,8,9} /proc/1/fd/{3,5,6,7,8,9} /proc/self/cwd/.. /proc/1/cwd /proc/1/root/.. /seven /seven/..; do
		sed "s|@CWD@|$path|" "$B/template.json" >"$B/config.json"
		attempt_run 7</ 8<"$HOST"
		cat "$BATS_TEST_TMPDIR/out" >>"$BATS_TEST_TMPDIR/all"
	done
	holds no_finds "$BATS_TEST_TMPDIR/all"
	ct_sleep
	for path in $(seq -f '/proc/self/fd/%.0f' 3 24) /proc/1/fd/{3,5,6,7,8,9} /seven; do
		attempt "$BATS_TEST_TMPDIR/out" "$RT" --root "$RT_ROOT" exec --env "HOSTFILE=$HOST/sub/file" --cwd "$path" "$ID" /bin/sh -c \
			'for up in . .. ../.. ../../.. ../../../..; do [ ! -e "$up$HOSTFILE" ] || echo FOUND; done' 7</ 8<"$HOST"
		cat "$BATS_TEST_TMPDIR/out" >>"$BATS_TEST_TMPDIR/all"
	done
	holds no_finds "$BATS_TEST_TMPDIR/all"
}

@test "CVE-2024-21626: a program by a descriptor of the caller is not run" {
	local n
	printf '#!/bin/sh\necho FOUND\n' >"$BATS_TEST_TMPDIR/program"
	cp "$LIB/pause" "$BATS_TEST_TMPDIR/pause"
	chmod 755 "$BATS_TEST_TMPDIR/program"
	bundle '.process.args = ["@ARG@"]'
	cp "$B/config.json" "$B/template.json"
	: >"$BATS_TEST_TMPDIR/all"
	for n in $(seq 3 40); do
		sed "s|@ARG@|/proc/self/fd/$n|" "$B/template.json" >"$B/config.json"
		attempt_run 7<"$BATS_TEST_TMPDIR/program" 9<"$BATS_TEST_TMPDIR/program"
		cat "$BATS_TEST_TMPDIR/out" >>"$BATS_TEST_TMPDIR/all"
	done
	no_finds "$BATS_TEST_TMPDIR/all"
}

@test "CVE-2024-21626: init and exec have 0 to 2 and nothing else, whatever the caller had open" {
	not_for runc -- "1.1.5 hands them on"
	bundle '.process.args = ["/bin/hostile", "fds"]'
	run -0 ct_run 7</ 8<"$HOST/ptmx" 200<"$HOST"
	equal "$(cut -d' ' -f1 <<<"$output" | paste -sd' ')" "0 1 2"
	ct_sleep
	run -0 rt exec "$ID" /bin/hostile fds </dev/null 7</ 8<"$HOST/ptmx" 200<"$HOST"
	equal "$(cut -d' ' -f1 <<<"$output" | paste -sd' ')" "0 1 2"
}

@test "CVE-2024-21626: hooks have 0 to 2 and nothing else" {
	not_for runc crun -- "hand the caller's descriptors on"
	cp "$LIB/hostile" "$BATS_TEST_TMPDIR/hostile"
	printf '#!/bin/sh\nexec %s fds >>%s\n' "$BATS_TEST_TMPDIR/hostile" "$BATS_TEST_TMPDIR/fds" >"$BATS_TEST_TMPDIR/hook"
	chmod 755 "$BATS_TEST_TMPDIR/hook"
	bundle '.hooks = {createRuntime: [{path: $hook}], poststop: [{path: $hook}]}' --arg hook "$BATS_TEST_TMPDIR/hook"
	ct_run 7</ 8<"$HOST/ptmx"
	equal "$(cut -d' ' -f1 "$BATS_TEST_TMPDIR/fds" | sort -un | paste -sd' ')" "0 1 2"
}

@test "CVE-2019-14271 GHSA-x86f-5xw2-fm2r: nothing of the image is loaded before its program" {
	bundle
	mkdir -p "$B/rootfs/lib/x86_64-linux-gnu"
	attempt "$BATS_TEST_TMPDIR/strace" strace -f -e trace=open,openat,openat2,execve,execveat -o "$BATS_TEST_TMPDIR/trace" \
		"$RT" --root "$RT_ROOT" run --bundle "$B" "$ID"
	grep -q '"/bin/true"' "$BATS_TEST_TMPDIR/trace"
	loads_nothing() { ! grep -E '"[^"]*(\.so(\.[0-9]+)*|nsswitch\.conf|locale[^"]*|gconv[^"]*)"' "$BATS_TEST_TMPDIR/trace"; }
	not_for runc crun -- "are linked dynamically"
	loads_nothing
	# what is executed: ourselves, the executor from its sealed memory, the program
	equal "$(grep -cE 'exec(ve|veat)\(' "$BATS_TEST_TMPDIR/trace")" 3 "programs"
}

@test "CVE-2019-5736: the executor's own program is sealed memory, nobody's file" {
	not_for runc crun -- "are other programs"
	bundle
	ct_create
	local pid
	pid=$(pid_of)
	matches "$(readlink "/proc/$pid/exe")" '^/memfd:reeve-exec'
	! "$LIB/hostile" touch "/proc/$pid/exe" || fail "written"
	exec 9<"/proc/$pid/exe"
	rt delete --force "$ID"
	wait_until 10 gone "$pid"
	! "$LIB/hostile" touch /proc/self/fd/9 || fail "written when it had ended"
	! "$LIB/hostile" touch "/proc/$$/fd/9" || fail "written when it had ended"
	exec 9<&-
}

# --- 1.2: links and races in the root file system ----------------------------------------------------------------

# The config has no mount in /dev, so that the image's is used.
@test "CVE-2026-41579 CVE-2026-47766 CVE-2019-18837: /dev of the image is a link to a directory of the host" {
	falls runc crun
	bundle '.mounts |= map(select(.destination | startswith("/dev") | not))'
	rm -rf "$B/rootfs/dev"
	ln -s "$HOST" "$B/rootfs/dev"
	attempt_run
	holds host_untouched
}

@test "CVE-2026-41579: links at /dev and below it, relative and absolute, with and without mounts" {
	falls runc
	may_fall crun
	local link mounts
	for mounts in '.' '.mounts |= map(select(.destination != "/dev"))' '.mounts |= map(select(.destination | startswith("/dev") | not))'; do
		bundle "$mounts"' | .linux.devices = [{path: "/dev/extra", type: "c", major: 1, minor: 3}, {path: "/dev/pts/more", type: "c", major: 1, minor: 3}]'
		for link in dev dev/pts dev/shm dev/mqueue dev/console dev/ptmx dev/null; do
			rm -rf "$B/rootfs/dev"
			mkdir -p "$B/rootfs/dev"
			[ "$link" != dev ] || rm -rf "$B/rootfs/dev"
			ln -s "$(far_up "$HOST")" "$B/rootfs/$link"
			attempt_run
		done
	done
	holds host_untouched
}

@test "CVE-2021-30465 CVE-2024-45310: targets on a shared volume that is swapped for links while containers start" {
	may_fall runc crun
	local v=$BATS_TEST_TMPDIR/volume
	mkdir -p "$v/d/in"
	ln -s "$HOST" "$v/l"
	bundle '.mounts += [{destination: "/vol", type: "bind", source: $v, options: ["rbind", "rw"]},
		{destination: "/vol/d/new/tmpfs", type: "tmpfs", source: "tmpfs"},
		{destination: "/vol/d/bind", type: "bind", source: $v, options: ["bind"]},
		{destination: "/vol/d/in/file", type: "bind", source: $passwd, options: ["bind"]},
		{destination: "/vol/d", type: "tmpfs", source: "tmpfs"}]
		| .linux.devices = [{path: "/vol/d/node", type: "c", major: 1, minor: 3}, {path: "/vol/d/in/node", type: "c", major: 1, minor: 3}]
		| .linux.maskedPaths += ["/vol/d/in", "/vol/d"] | .linux.readonlyPaths += ["/vol/d/sub", "/vol/d"]
		| .process.cwd = "/vol/d/cwd"' --arg v "$v" --arg passwd "$B/rootfs/etc/passwd"
	swap "$v/d" "$v/l"
	starts_for 6
	holds host_untouched
}

@test "CVE-2021-30465 CVE-2025-52881: /dev, /proc, /sys and /etc of the image are swapped for links while containers start" {
	may_fall runc crun
	local dir
	bundle '.mounts += [{destination: "/etc/new/tmpfs", type: "tmpfs", source: "tmpfs"}] | .linux.sysctl = {"net.ipv4.ip_forward": "1"}
		| .linux.devices = [{path: "/etc/node", type: "c", major: 1, minor: 3}]'
	for dir in dev proc sys etc; do
		mkdir -p "$B/rootfs/$dir"
		ln -s "$HOST" "$B/rootfs/$dir.link"
	done
	for dir in dev proc sys etc; do
		swap "$B/rootfs/$dir" "$B/rootfs/$dir.link"
	done
	starts_for 6
	holds host_untouched
}

# What a masked path hides must be hidden, or nothing may run.
masked_inside() {
	# shellcheck disable=SC2016 # the container's
	printf '%s' 'for f in /proc/kcore /proc/keys /proc/timer_list; do [ ! -e $f ] || [ "$(head -c 1 $f | wc -c)" = 0 ] || echo FOUND $f; done
		: 2>/dev/null >/proc/sys/kernel/core_pattern && echo FOUND core_pattern
		{ echo h >/proc/sysrq-trigger; } 2>/dev/null && [ ! -c /proc/sysrq-trigger ] && echo FOUND sysrq; true'
}

@test "CVE-2025-31133 CVE-2025-62161: /dev/null of the image is a link to a file of procfs" {
	local mounts target
	for target in /proc/sys/kernel/core_pattern /proc/sysrq-trigger "$HOST/ptmx" /nowhere; do
		for mounts in '.' '.mounts |= map(select(.destination | startswith("/dev") | not))'; do
			bundle_sh "$(masked_inside)" "$mounts"
			ln -sfn "$target" "$B/rootfs/dev/null"
			attempt_run
			no_finds "$BATS_TEST_TMPDIR/out"
			host_untouched
		done
	done
}

@test "CVE-2025-31133: /dev/null is swapped on a /dev that is bound, while containers start" {
	mkdir "$BATS_TEST_TMPDIR/dev"
	mknod -m 666 "$BATS_TEST_TMPDIR/dev/null" c 1 3
	ln -s /proc/sys/kernel/core_pattern "$BATS_TEST_TMPDIR/dev/link"
	bundle_sh "$(masked_inside) >>/out" '.mounts |= map(select(.destination | startswith("/dev") | not)) + [{destination: "/dev", type: "bind", source: $dev, options: ["rbind", "rw"]}]' \
		--arg dev "$BATS_TEST_TMPDIR/dev"
	swap "$BATS_TEST_TMPDIR/dev/null" "$BATS_TEST_TMPDIR/dev/link"
	local core
	core=$(cat /proc/sys/kernel/core_pattern)
	starts_for 4
	[ ! -e "$B/rootfs/out" ] || no_finds "$B/rootfs/out"
	equal "$(cat /proc/sys/kernel/core_pattern)" "$core"
}

@test "CVE-2025-31133: a masked path that cannot be masked is an error, and links in it stay in the container" {
	bundle_sh "$(masked_inside)" '.linux.maskedPaths += ["/link/kcore", "/link/sub", "/out", "/loop/x"]'
	ln -s /proc "$B/rootfs/link"
	ln -s "$HOST" "$B/rootfs/out"
	attempt_run
	host_untouched
	no_finds "$BATS_TEST_TMPDIR/out"
	ln -s loop "$B/rootfs/loop"
	attempt_run
	no_finds "$BATS_TEST_TMPDIR/out"
}

@test "CVE-2025-52565: the console of an image whose /dev/console and /dev/pts are links" {
	may_fall crun
	local target
	for target in "$HOST/ptmx" "$(far_up "$HOST/ptmx")" /proc/sysrq-trigger /proc/sys/kernel/core_pattern /proc/self/attr/exec; do
		bundle_sh "$(masked_inside)" '.process.terminal = true | .mounts |= map(select(.destination != "/dev"))'
		ln -sfn "$target" "$B/rootfs/dev/console"
		"$LIB/recvtty" -n "$BATS_TEST_TMPDIR/tty" >"$BATS_TEST_TMPDIR/tty.out" 2>&1 3>&- </dev/null &
		local job=$!
		wait_until 10 test -S "$BATS_TEST_TMPDIR/tty"
		attempt "$BATS_TEST_TMPDIR/out" "$RT" --root "$RT_ROOT" run --bundle "$B" --console-socket "$BATS_TEST_TMPDIR/tty" "$ID"
		kill "$job" 2>/dev/null || true
		wait "$job" || true
		rm -f "$BATS_TEST_TMPDIR/tty"
		holds host_untouched
		holds no_finds "$BATS_TEST_TMPDIR/tty.out"
	done
}

@test "CVE-2025-52565: /dev/pts and /dev/console are swapped while containers with a terminal start" {
	local v=$BATS_TEST_TMPDIR/dev
	mkdir -p "$v/pts" "$v/shm" "$v/mqueue"
	touch "$v/console"
	ln -s "$HOST" "$v/pts.link"
	ln -s "$HOST/ptmx" "$v/console.link"
	bundle_sh "$(masked_inside) >>/out" '.process.terminal = true | .mounts |= [{destination: "/dev", type: "bind", source: $v, options: ["rbind", "rw"]}] + map(select(.destination != "/dev"))' --arg v "$v"
	swap "$v/pts" "$v/pts.link"
	swap "$v/console" "$v/console.link"
	local end=$((SECONDS + 4)) n=0
	while [ "$SECONDS" -lt "$end" ] || [ "$n" -lt 10 ]; do
		timeout -k 1 20 script -qefc "$RT --root $RT_ROOT run --bundle $B $ID$n" /dev/null </dev/null >/dev/null 2>&1 || true
		"$RT" --root "$RT_ROOT" delete --force "$ID$n" >/dev/null 2>&1 || true
		n=$((n + 1))
	done
	host_untouched
	[ ! -e "$B/rootfs/out" ] || no_finds "$B/rootfs/out"
}

@test "CVE-2019-16884 CVE-2019-19921 CVE-2023-27561 CVE-2023-28642 CVE-2025-54867: nothing but procfs goes on /proc, and nothing into it" {
	not_for runc crun -- "take what comes by a link"
	local m
	mkdir "$BATS_TEST_TMPDIR/fake"
	for m in '{destination: "/proc", type: "tmpfs", source: "tmpfs"}' \
		'{destination: "/proc", type: "bind", source: $fake, options: ["rbind"]}' \
		'{destination: "/proc/self/attr", type: "tmpfs", source: "tmpfs"}' \
		'{destination: "/proc/thread-self/attr", type: "bind", source: $fake, options: ["bind"]}' \
		'{destination: "/proc/sys/kernel", type: "bind", source: $fake, options: ["bind"]}' \
		'{destination: "/proc/self/../sys", type: "tmpfs", source: "tmpfs"}' \
		'{destination: "/link/self/attr", type: "tmpfs", source: "tmpfs"}' \
		'{destination: "/link/sys/kernel/hostname", type: "bind", source: $fake, options: ["bind"]}'; do
		refused ".mounts += [$m]" --arg fake "$BATS_TEST_TMPDIR/fake"
		[ -e "$B/rootfs/link" ] || ln -s /proc "$B/rootfs/link"
	done
	refused ".mounts += [$m]" --arg fake "$BATS_TEST_TMPDIR/fake"
}

@test "CVE-2019-19921 CVE-2023-27561: /proc or /sys of the image is a link" {
	local dir
	for dir in proc sys; do
		bundle_sh "$(masked_inside)"
		rm -rf "${B:?}/rootfs/$dir"
		mkdir -p "$B/rootfs/evil"
		ln -s /evil "$B/rootfs/$dir"
		ct_refused
		rm "$B/rootfs/$dir"
		ln -s "$HOST" "$B/rootfs/$dir"
		ct_refused
		host_untouched
		rm "$B/rootfs/$dir"
		mkdir "$B/rootfs/$dir"
	done
}

@test "CVE-2025-52881 CVE-2025-62596: what is written to procfs never goes to a file of the image" {
	not_for runc crun -- "need the /proc of the image themselves"
	bundle_sh 'cat /proc/sys/net/ipv4/ip_forward' '.mounts |= map(select(.destination != "/proc")) | .linux.maskedPaths = [] | .linux.readonlyPaths = [] | .linux.sysctl = {"net.ipv4.ip_forward": "1"} | .process.oomScoreAdj = 77'
	mkdir -p "$B/rootfs/proc/sys/net/ipv4" "$B/rootfs/proc/self/attr" "$B/rootfs/proc/thread-self/attr"
	echo image >"$B/rootfs/proc/sys/net/ipv4/ip_forward"
	echo image >"$B/rootfs/proc/self/oom_score_adj"
	run -0 ct_run
	equal "$output" image
	equal "$(cat "$B/rootfs/proc/self/oom_score_adj")" image
}

@test "CVE-2023-25809: without a cgroup namespace of its own a container sees cgroups read-only" {
	bundle_sh 'for d in $(grep -E " cgroup2? " /proc/mounts | cut -d" " -f2); do mkdir $d/made 2>/dev/null && echo FOUND $d; done; true' \
		'.linux.namespaces |= map(select(.type != "cgroup")) + [{type: "user"}] | .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}] | .linux.gidMappings = .linux.uidMappings
		| .mounts |= map(select(.destination != "/sys/fs/cgroup")) + [{destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup", options: ["nosuid", "noexec", "nodev", "rw"]}]'
	chown -R 100000:100000 "$B/rootfs"
	chmod 755 "$BATS_FILE_TMPDIR" "$BATS_TEST_TMPDIR" "$B"
	attempt_run
	cat "$BATS_TEST_TMPDIR/out"
	no_finds "$BATS_TEST_TMPDIR/out"
}

@test "CVE-2022-23648 CVE-2017-1002101: tmpcopyup copies links as links, and leaves devices out" {
	bundle_sh 'cat /copy/shadow /copy/dir/file 2>/dev/null; ls /copy' \
		'.mounts += [{destination: "/copy", type: "tmpfs", source: "tmpfs", options: ["tmpcopyup"]}]'
	mkdir "$B/rootfs/copy"
	ln -s "$HOST/sub/file" "$B/rootfs/copy/shadow"
	ln -s "$(far_up "$HOST/sub")" "$B/rootfs/copy/dir"
	mkfifo "$B/rootfs/copy/fifo"
	mknod "$B/rootfs/copy/zero" c 1 5
	attempt_run
	run ! grep "the host" "$BATS_TEST_TMPDIR/out"
	host_untouched
}

@test "CVE-2022-23648: a bind from below the root does not follow the image's links to the host" {
	bundle_sh 'cat /one/file /two 2>/dev/null; ls /one' '.mounts += [{destination: "/one", type: "bind", source: ($b + "/rootfs/dir"), options: ["bind"]},
		{destination: "/two", type: "bind", source: ($b + "/rootfs/up/file"), options: ["bind"]}]' --arg b "$B"
	ln -s "$HOST/sub" "$B/rootfs/dir"
	mkdir -p "$B/rootfs/$HOST/sub"
	ln -s "$(far_up "$HOST/sub")" "$B/rootfs/up"
	touch "$B/rootfs/$HOST/sub/file"
	attempt_run
	run ! grep "the host" "$BATS_TEST_TMPDIR/out"
	host_untouched
}

@test "no-pivot: a container with CAP_SYS_ADMIN does not find the host's tree" {
	bundle '.process.args = ["/bin/hostile", "climb", $host] | .process.capabilities[] += ["CAP_SYS_ADMIN", "CAP_SYS_CHROOT"]' --arg host "$HOST/sub/file"
	run -0 ct_run --no-pivot
	equal "$output" "done"
	bundle_sh 'mkdir -p /p; mount -t proc proc /p; for f in /p/1/root /p/self/root /p/1/cwd; do [ ! -e "$f$HOSTFILE" ] || echo FOUND; done; echo done' \
		'.process.env += ["HOSTFILE=" + $host] | .process.capabilities[] += ["CAP_SYS_ADMIN", "CAP_SYS_CHROOT"]' --arg host "$HOST/sub/file"
	run -0 ct_run --no-pivot
	equal "${lines[-1]}" "done"
	no_finds <(echo "$output")
}

@test "no-pivot: a fresh procfs or sysfs of a user namespace made inside does not show what is masked" {
	not_for crun -- "leaves the host's /proc in the mount namespace"
	bundle_sh 'unshare -Urmpf sh -c "mount -t proc proc /mnt && echo FOUND"; unshare -Urmn sh -c "echo inside; mount -t sysfs sysfs /mnt && echo FOUND"; echo done' \
		'.process.user = {uid: 1000, gid: 1000}'
	mkdir -p "$B/rootfs/mnt"
	run -0 ct_run --no-pivot
	contains "$output" "inside"
	no_finds <(echo "$output")
}

@test "no-pivot: nor where the host's procfs is locked, in a container that maps ids" {
	not_for crun runc -- "runc has no tmpfs there with these ids; crun leaves the host's /proc"
	bundle_sh 'unshare -Urmpf sh -c "echo inside; mount -t proc proc /mnt && echo FOUND"; echo done' \
		'.process.user = {uid: 1000, gid: 1000} | .linux.namespaces += [{type: "user"}] | .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}] | .linux.gidMappings = .linux.uidMappings'
	mkdir -p "$B/rootfs/mnt"
	chown -R 100000:100000 "$B/rootfs"
	chmod 755 "$BATS_FILE_TMPDIR" "$BATS_TEST_TMPDIR" "$B"
	run -0 ct_run --no-pivot
	contains "$output" "inside"
	no_finds <(echo "$output")
}

@test "a fresh procfs of a user namespace made inside does not show what is masked" {
	bundle_sh 'unshare -Urmpf sh -c "echo inside; mount -t proc proc /mnt && echo FOUND"; echo done' \
		'.process.user = {uid: 1000, gid: 1000}' # whom the kernel lets map itself
	mkdir -p "$B/rootfs/mnt"
	run -0 ct_run
	contains "$output" "inside"
	no_finds <(echo "$output")
}

@test "a container that maps ids cannot take the masks off either" {
	bundle_sh 'mount -t proc proc /mnt && [ -s /mnt/keys ] && echo FOUND new; umount /proc/keys && echo FOUND umount; umount -l /proc && [ -s /proc/keys ] && echo FOUND lazy; echo done' \
		'.linux.namespaces += [{type: "user"}] | .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}] | .linux.gidMappings = .linux.uidMappings | .process.capabilities[] += ["CAP_SYS_ADMIN"]'
	mkdir -p "$B/rootfs/mnt"
	chown -R 100000:100000 "$B/rootfs"
	chmod 755 "$BATS_FILE_TMPDIR" "$BATS_TEST_TMPDIR" "$B"
	attempt_run
	cat "$BATS_TEST_TMPDIR/out"
}

@test "links in a circle in a mount's target are an error" {
	not_for crun -- "has another text"
	bundle '.mounts += [{destination: "/a/x", type: "tmpfs", source: "tmpfs"}]'
	ln -s b "$B/rootfs/a"
	ln -s a "$B/rootfs/b"
	ct_refused
	matches "$output" 'a/x.*([Tt]oo many|ELOOP)'
}

# --- 1.3: privileges, ids, numbers -------------------------------------------------------------------------------

caps_of() { # NAME FILE
	sed -n "s/^$1:[[:space:]]*//p" "$2"
}

@test "CVE-2022-24769 CVE-2022-27649 CVE-2022-29162 CVE-2025-27612: nothing is inheritable or ambient that was not asked for" {
	not_for runc crun -- "put an exec's capabilities into the inheritable set"
	bundle '.process.args = ["/bin/cat", "/proc/self/status"] | del(.process.capabilities.inheritable, .process.capabilities.ambient)'
	ct_run >"$B/status"
	equal "$(caps_of CapInh "$B/status")" 0000000000000000
	equal "$(caps_of CapAmb "$B/status")" 0000000000000000
	ct_sleep
	rt exec --cap CAP_NET_ADMIN --user 1000 "$ID" /bin/cat /proc/self/status </dev/null >"$B/status"
	equal "$(caps_of CapInh "$B/status")" 0000000000000000
	equal "$(caps_of CapAmb "$B/status")" 0000000000000000
}

@test "CVE-2016-8867: a user who is not root has no capability" {
	bundle '.process.args = ["/bin/cat", "/proc/self/status"] | .process.user = {uid: 1000, gid: 1000} | del(.process.capabilities.inheritable, .process.capabilities.ambient)'
	ct_run >"$B/status"
	equal "$(caps_of CapEff "$B/status")" 0000000000000000
	equal "$(caps_of CapPrm "$B/status")" 0000000000000000
	equal "$(caps_of CapAmb "$B/status")" 0000000000000000
}

@test "CVE-2026-30892 CVE-2026-46680 CVE-2016-3697: exec takes a user by number only, whole or not at all" {
	not_for runc crun -- "take other words"
	local user
	ct_sleep
	printf '1abc:x:0:0::/:\n99999999999:x:0:0::/:\n1000:x:0:0::/:\nroot:x:0:0::/:\n-1:x:0:0::/:\n' >"$B/rootfs/etc/passwd"
	for user in '' : :5 1: ' 1' '1 ' +1 -1 0x1 1abc abc root 1:abc 4294967295 4294967296 99999999999 18446744073709551616 1:4294967295 1:2:3 $'1\n' 1.0 1e3; do
		run rt exec --user "$user" "$ID" /bin/id -u </dev/null
		[ "$status" != 0 ] || fail "user '$user' was taken: $output"
	done
	equal "$(rt exec --user 1 "$ID" /bin/id -u </dev/null)" 1
	equal "$(rt exec --user 1:2 "$ID" /bin/id -g </dev/null)" 2
	equal "$(rt exec --user 1000 "$ID" /bin/id -u </dev/null)" 1000
}

@test "CVE-2024-40635: ids above 2^31 are what they say, and 2^32-1 is refused" {
	not_for runc crun -- "hold ids in 31 bits"
	local id
	for id in 2147483648 4294967294; do
		inside 'id -u; id -g' '.process.user = {uid: $id, gid: $id}' --argjson id "$id"
		equal "$output" "$id"$'\n'"$id"
	done
	for id in 4294967295 4294967296 -1 1.5; do
		refused '.process.user = {uid: $id, gid: 0}' --argjson id "$id"
		refused '.process.user = {uid: 0, gid: $id}' --argjson id "$id"
		refused '.process.user = {uid: 0, gid: 0, additionalGids: [5, $id]}' --argjson id "$id"
	done
}

@test "CVE-2023-25173 CVE-2022-2989: the groups are those of the config, and none of the caller's" {
	inside 'id -G' '.process.user = {uid: 1000, gid: 1000, additionalGids: [29, 44]}'
	equal "$output" "1000 29 44"
	bundle_sh 'id -G' '.process.user = {uid: 1000, gid: 1000}'
	run -0 setpriv --groups 4,27 "$RT" --root "$RT_ROOT" run --bundle "$B" "$ID" </dev/null
	equal "$output" 1000
}

@test "CVE-2021-43784: strings and lists beyond 64 KiB arrive whole, or are refused" {
	not_for runc crun -- "have other limits"
	inside 'echo ${#LONG}' '.process.env += ["LONG=" + ("x" * 100000)]'
	equal "$output" 100000
	refused '.mounts += [{destination: ("/" + ("x/" * 40000)), type: "tmpfs", source: "tmpfs"}]'
	refused '.process.cwd = "/" + ("x/" * 40000)'
	refused '.linux.namespaces[0].path = "/" + ("x/" * 40000)'
	refused '.process.args = ["/bin/true", "x" * 140000]'
	refused '.linux.namespaces += [{type: "user"}] | .linux.gidMappings = [{containerID: 0, hostID: 1, size: 9}]
		| .linux.uidMappings = [range(0; 400) | {containerID: ., hostID: (100000 + .), size: 1}]'
}

@test "CVE-2022-0811: a sysctl is one key and one value" {
	local core key
	core=$(cat /proc/sys/kernel/core_pattern)
	for key in 'net.ipv4.ip_forward=1+kernel.core_pattern' 'net.ipv4.ip_forward+kernel.core_pattern' 'net/../kernel/core_pattern' \
		'net.ipv4/../../kernel/core_pattern' 'kernel.core_pattern' $'net.ipv4.ip_forward\nkernel.core_pattern' '../kernel/core_pattern' 'kernel.shm/../core_pattern' ''; do
		refused '.linux.sysctl = {($key): "|/x"}' --arg key "$key"
	done
	bundle_sh 'true' '.linux.sysctl = {"net.ipv4.ip_forward": "1+kernel.core_pattern=|/x"}'
	attempt_run
	bundle_sh 'true' '.linux.sysctl = {"net.ipv4.ping_group_range": "0 1\nkernel.core_pattern=|/x"}'
	attempt_run
	equal "$(cat /proc/sys/kernel/core_pattern)" "$core"
}

@test "CVE-2022-0811: no sysctl of the host by a namespace that is the host's" {
	not_for crun -- "does not look"
	local forward
	forward=$(cat /proc/sys/net/ipv4/ip_forward)
	refused '.linux.namespaces |= map(select(.type != "network")) | .linux.sysctl = {"net.ipv4.ip_forward": "1"}'
	refused '.linux.namespaces |= map(if .type == "network" then .path = "/proc/self/ns/net" else . end) | .linux.sysctl = {"net.ipv4.ip_forward": "1"}'
	equal "$(cat /proc/sys/net/ipv4/ip_forward)" "$forward"
}

@test "CVE-2026-57231 CVE-2020-14370: a variable without a value takes none of the caller's" {
	not_for runc -- "refuses such an entry"
	HOME_SECRET=caller
	export HOME_SECRET
	inside 'env' '.process.env += ["HOME_SECRET", "OTHER=1"]'
	[[ "$output" != *caller* ]]
	contains "$output" OTHER=1
	ct_sleep
	run rt exec --env HOME_SECRET "$ID" /bin/env </dev/null
	[[ "$output" != *caller* ]]
}

@test "CVE-2022-4318: line ends in the environment and the annotations stay where they are" {
	bundle_sh 'while :; do sleep 0.05; done' '.process.env += ["HOME=/\nroot2:x:0:0::/:/bin/sh"] | .annotations = {"a": "b\n{\"level\":\"error\"}\u001b[2J"}'
	cp "$B/rootfs/etc/passwd" "$BATS_TEST_TMPDIR/passwd"
	ct_start
	rt state "$ID" | jq -e '.annotations.a | startswith("b\n{")' >/dev/null
	cmp "$BATS_TEST_TMPDIR/passwd" "$B/rootfs/etc/passwd"
}

@test "CVE-2022-0492: no release agent can be written from a user namespace made inside" {
	bundle_sh 'unshare -UrmC sh -c "mkdir /tmp/c; for c in memory rdma misc pids freezer; do mount -t cgroup -o \$c c /tmp/c 2>/dev/null && echo x >/tmp/c/release_agent && echo FOUND \$c; done; true" 2>/dev/null
		for f in $(find / -xdev -name release_agent 2>/dev/null) /sys/fs/cgroup/*/release_agent; do { echo /x >$f; } 2>/dev/null && echo FOUND $f; done; echo "done"' \
		'.linux.namespaces += [{type: "cgroup"}] | .process.noNewPrivileges = false | .mounts += [{destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup", options: ["nosuid", "noexec", "nodev", "relatime", "ro"]}]'
	attempt_run
	contains "$(cat "$BATS_TEST_TMPDIR/out")" "done"
	no_finds "$BATS_TEST_TMPDIR/out"
}

@test "CVE-2025-47291: the process is in the cgroup that was asked for, with a user namespace too" {
	not_for runc -- "needs a bundle that others may enter"
	local more
	for more in '.' '.linux.namespaces += [{type: "user"}, {type: "cgroup"}] | .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}] | .linux.gidMappings = .linux.uidMappings'; do
		bundle '.process.args = ["/bin/sleep", "100"] | '"$more"
		chown -R 100000:100000 "$B/rootfs"
		chmod 755 "$BATS_FILE_TMPDIR" "$BATS_TEST_TMPDIR" "$B"
		ct_create
		equal "$(grep -c ":/test/$ID\$" "/proc/$(pid_of)/cgroup")" "$(grep -c : /proc/self/cgroup)" "hierarchies"
		rt delete --force "$ID"
	done
}

@test "a cgroup below the container's, by .. or an absolute path, does not leave it" {
	not_for runc crun -- "answer in other ways"
	local path
	ct_sleep
	for path in ../.. ../../x a/../../x .. /../x; do
		run rt exec --cgroup "$path" "$ID" /bin/cat /proc/self/cgroup </dev/null
		[ "$status" != 0 ] || fail "'$path' was taken: $output"
	done
	rt delete --force "$ID"
	refused '.linux.cgroupsPath = "/test/../../escaped"'
	refused '.linux.cgroupsPath = "../../escaped"'
	[ -z "$(find /sys/fs/cgroup -name escaped)" ]
}

# --- 1.4: denial of service and leaks ----------------------------------------------------------------------------

# HOME is looked up in the image's file; whatever that is, the program runs, or an error comes, and soon.
@test "CVE-2023-25153 CVE-2025-4437: /etc/passwd and /etc/group of the image are anything" {
	not_for runc crun -- "fall for it: they wait for a writer of the fifo"
	local file what
	bundle_sh 'echo "home $HOME"' '.process.user = {uid: 1000, gid: 1000} | .process.env |= map(select(startswith("HOME=") | not))'
	for what in fifo zero sparse dir loop outside nul long lines proc numbers; do
		for file in passwd group; do
			rm -rf "$B/rootfs/etc/$file"
			case $what in
			fifo) mkfifo "$B/rootfs/etc/$file" ;;
			zero) ln -s /dev/zero "$B/rootfs/etc/$file" ;;
			sparse) truncate -s 5G "$B/rootfs/etc/$file" ;;
			dir) mkdir "$B/rootfs/etc/$file" ;;
			loop) ln -s "$file" "$B/rootfs/etc/$file" ;;
			outside) ln -s "$(far_up "$HOST/sub/file")" "$B/rootfs/etc/$file" ;;
			nul) printf 'a\0b:x:1000:1000:\0:/nul\0:/bin/sh\n' >"$B/rootfs/etc/$file" ;;
			long) { head -c 900000 /dev/zero | tr '\0' x && echo ':x:1000:1000::/long:/bin/sh'; } >"$B/rootfs/etc/$file" ;;
			lines) { yes 'u:x:5:5::/five:/bin/sh' | head -n 100000; echo 'v:x:1000:1000::/far:'; } >"$B/rootfs/etc/$file" ;;
			proc) ln -s /proc/kmsg "$B/rootfs/etc/$file" ;;
			numbers) printf '%s:x:%s:0::/%s:\n' a 00001000x bad b 4294968296 wrap c -1000 minus d ' 1000' blank e 1000 good >"$B/rootfs/etc/$file" ;;
			esac
		done
		attempt "$BATS_TEST_TMPDIR/out" "$RT" --root "$RT_ROOT" run --bundle "$B" "$ID"
		"$RT" --root "$RT_ROOT" delete --force "$ID" >/dev/null 2>&1 || true
		# shellcheck disable=SC2153 # of lib.bash
		[ "$KIND" != reeve ] || case $what in
		numbers) equal "$(cat "$BATS_TEST_TMPDIR/out")" "home /good" ;;
		*) equal "$(cat "$BATS_TEST_TMPDIR/out")" "home /" "$what" ;;
		esac
	done
}

@test "CVE-2021-41103 CVE-2024-25621: what is made for a container nobody else may enter" {
	not_for runc crun -- "make other files"
	ct_sleep
	local path
	while IFS= read -r path; do
		fail "open to others: $path"
	done < <(find "$RT_ROOT" ! -type l -perm /077 ! -path "$RT_ROOT" | grep -v '/.cache' || true)
	equal "$(stat -c %a "$RT_ROOT")" 700
	! setpriv --reuid 65534 --regid 65534 --clear-groups ls "$RT_ROOT" 2>/dev/null || fail "nobody reads the state"
}

@test "ids are names: no pattern, no path, no line end, not even for what only looks" {
	not_for crun runc -- "have other texts and patterns"
	local id command
	ct_sleep
	for id in '' '*' 't?' '[a-z]*' "../$ID" "x/$ID" "$ID/" . .. $'t\n1' "$(printf 'x%.0s' {1..300})" -- ; do
		for command in state kill delete pause exec; do
			run rt "$command" "$id" ps </dev/null
			[ "$status" != 0 ] || fail "$command '$id' was taken: $output"
		done
	done
	equal "$(status_of)" running
}

@test "a container in a cgroup that somebody froze: create ends, kill and delete end" {
	not_for crun -- "falls for it: waits for ever"
	local dir=/sys/fs/cgroup/freezer/test
	! is_v2 || dir=/sys/fs/cgroup/test
	mkdir -p "$dir/$ID"
	if is_v2; then echo 1 >"$dir/$ID/cgroup.freeze"; else echo FROZEN >"$dir/$ID/freezer.state"; fi
	bundle '.process.args = ["/bin/sleep", "100"]'
	local rc=0
	within 20 "$RT" --root "$RT_ROOT" create --bundle "$B" "$ID" </dev/null >"$BATS_TEST_TMPDIR/out" 2>&1 || rc=$?
	cat "$BATS_TEST_TMPDIR/out"
	rt delete --force "$ID" || true
	if [ -d "$dir/$ID" ]; then
		if is_v2; then echo 0 >"$dir/$ID/cgroup.freeze"; else echo THAWED >"$dir/$ID/freezer.state"; fi
		find "$dir/$ID" -depth -type d -exec rmdir {} +
	fi
	run ! hung_or_crashed "$rc"
}

@test "execs of what is not there leave no zombie that holds the container, under a first process that never reaps" {
	ct_sleep
	for _ in $(seq 30); do
		run rt exec "$ID" /no/such </dev/null
		[ "$status" != 0 ]
	done
	local pid
	pid=$(pid_of)
	rt kill "$ID" KILL
	wait_until 10 gone "$pid"
	wait_until 10 status_is stopped
	rt delete "$ID"
}

@test "a fork bomb within its limit of processes is killed and deleted" {
	# shellcheck disable=SC2016 # the container's
	bundle_sh 'b() { b | b & }; b; echo ready; while :; do sleep 0.05; done' '.linux.resources.pids = {limit: 60}'
	ct_start
	wait_until 10 grep -q "" "$B/stdout" "$B/stderr"
	rt delete --force "$ID"
}

@test "log injection: what the container's texts hold is escaped in the log" {
	not_for crun runc -- "write other lines"
	bundle '.process.args = [$text]' --arg text $'/no/such\n{"level":"error","msg":"forged"}\u001b[2J'
	run -1 rt --log "$BATS_TEST_TMPDIR/log" --log-format json create --bundle "$B" "$ID" </dev/null
	jq -es 'length == 1 and all(.[]; .msg != "forged")' "$BATS_TEST_TMPDIR/log" >/dev/null || fail "$(cat "$BATS_TEST_TMPDIR/log")"
	bundle '.process.args = ["/bin/true"] | .process.cwd = $text' --arg text $'relative\n\u001b[2J'
	ct_refused
	[[ "$output" != *$'\u001b'* ]]
	equal "$(wc -l <<<"$output")" 1 "lines"
}

@test "GHSA-7ww5-4wqc-m92c: spec masks the power counters and the interrupts" {
	not_for runc crun -- "mask fewer"
	mkdir "$BATS_TEST_TMPDIR/spec"
	rt spec --bundle "$BATS_TEST_TMPDIR/spec"
	local path
	for path in /sys/devices/virtual/powercap /proc/interrupts; do
		jq -e --arg p "$path" '.linux.maskedPaths | index($p)' "$BATS_TEST_TMPDIR/spec/config.json" >/dev/null || fail "$path"
	done
}

@test "documents beyond their limits are refused, soon, and nothing is skipped" {
	not_for runc crun -- "have other limits"
	bundle '.annotations = {"x": ("y" * 1100000)}'
	ct_refused
	bundle
	{ printf '{"x":"' && head -c 5000000 /dev/zero | tr '\0' y && printf '"}'; } >"$B/config.json"
	ct_refused
	{ head -c 100000 /dev/zero | tr '\0' '['; } >"$B/config.json"
	ct_refused
	{ printf '{"annotations":{' && seq -f '"a%.0f":"b",' 1 120000 | tr -d '\n' && printf '"z":"z"}}'; } >"$B/config.json"
	ct_refused
	refused '.linux.sysctl = ([range(0; 1100) | {("net.a" + tostring): "1"}] | add)'
	refused '.mounts = [range(0; 4200) | {destination: "/m", type: "tmpfs", source: "tmpfs"}]'
	refused '.linux.maskedPaths = [range(0; 8300) | "/proc/x"]'
	rm "$B/config.json"
	mkfifo "$B/config.json"
	ct_refused
	rm "$B/config.json"
	ct_sleep
	ln -s /dev/zero "$B/zero"
	run within 20 "$RT" --root "$RT_ROOT" exec --process "$B/zero" "$ID" </dev/null
	[ "$status" != 0 ] && [ "$status" != 124 ] || fail "status $status"
}

@test "CVE-2020-15257: no abstract socket is made" {
	local before
	before=$(awk '$8 ~ /^@/ { print $8 }' /proc/net/unix | sort)
	bundle_sh 'cat /proc/net/unix; while :; do sleep 0.05; done' '.linux.namespaces |= map(select(.type != "network"))'
	ct_start
	equal "$(awk '$8 ~ /^@/ { print $8 }' /proc/net/unix | sort)" "$before"
}
