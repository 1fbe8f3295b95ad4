# shellcheck shell=bash
# reeved and a private containerd side by side, asked the same by the same ctr. Sourced after lib.bash and containerd.bash.

# reeved_up DIR: start it there and wait for its socket. REEVED_PID is its process.
reeved_up() {
	RD=$1
	mkdir -p "$RD"
	export RD
	reeved_start
}

reeved_start() {
	"${REEVED:-$TOP/out/bin/reeved}" --root "$RD/root" --state "$RD/state" --address "$RD/sock" >>"$RD/log" 2>&1 </dev/null 3>&- &
	REEVED_PID=$!
	echo "$REEVED_PID" >"$RD/pid"
	wait_until 10 rctr version || {
		tail -n 20 "$RD/log"
		return 1
	}
}

# reeved_part guardian|worker: the process of the daemon that has RD.
reeved_part() {
	local pid comm
	for pid in $(pgrep -f "reeved worker .*$RD/"); do
		comm=$(cat "/proc/$pid/comm" 2>/dev/null) || continue
		case $1/$comm in
		guardian/reeve-guardian | worker/reeved) echo "$pid" ;;
		esac
	done
}

reeved_unguarded() {
	[ -z "$(reeved_part guardian)" ]
}

# reeved_kill: end all of the daemon at once, in the hardest way.
reeved_kill() {
	local pid pids
	pids="$(cat "$RD/pid") $(reeved_part guardian) $(reeved_part worker)"
	# Stopped, none of them leaves for want of another one.
	# shellcheck disable=SC2086
	kill -STOP $pids
	# shellcheck disable=SC2086
	kill -KILL $pids
	for pid in $pids; do
		wait_until 10 gone "$pid"
	done
}

reeved_stop() {
	kill "$(cat "$RD/pid")"
	wait_until 10 gone "$(cat "$RD/pid")"
}

# reeved_serving: the process that serves clients of the daemon that has RD: the one that was started, or a worker below it.
reeved_serving() {
	local pid
	for pid in $(pgrep -f "reeved worker .*$RD/"); do
		[ "$(cat "/proc/$pid/comm" 2>/dev/null)" != reeved ] || {
			echo "$pid"
			return
		}
	done
	cat "$RD/pid"
}

# reeved_crash: what a worker has written of its crash: where it wrote it, or where the one after it has put it.
reeved_crash() {
	cat "$RD/state/crash" 2>/dev/null || jq -r '.crash // empty' "$RD/state/restarts" 2>/dev/null | grep .
}

# rctr ARGUMENT...: ctr against reeved.
rctr() {
	within "${CTR_TIMEOUT:-60}" ctr --address "$RD/sock" "$@"
}

# Of a task of reeved; not of the runtime's container, as lib.bash has them.
status_of() { # ID
	rctr tasks ls | awk -v id="$1" '$1 == id { print $3 }'
}

is_status() { # ID STATUS
	[ "$(status_of "$1")" = "$2" ]
}

pid_of() { # ID
	rctr tasks ls | awk -v id="$1" '$1 == id { print $2 }'
}

# What differs from one daemon or moment to the next, without its value. Of a filter that cannot be read containerd says
# twice that it is invalid; 1.6 says less of a label that is too long than 2.x, and has another order of mount options. Whether
# ctr itself says that its stream of progress ended (it cancels the stream when the transfer has failed) is a race within ctr.
plain() {
	sed -E -e '/level=error msg="progress stream failed to recv" error="context canceled"$/d' -e 's/index=off,|,index=off//' -e 's/(label key and value).*greater/\1 greater/' -e 's/key: a+/key: a/' -e 's/(: invalid argument)+/\1/'  -e 's/[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:.]+(Z| \+0000 UTC)/TIME/g' \
		-e 's/Less than a second|About a minute|[0-9]+ (seconds?|minutes?)/AGE/' -e "s#(${CD:-}|${RD:-})/root#ROOT#g" \
		-e "s#$CONTAINERD_NAMESPACE/[0-9]+/##g" -e 's#/snapshots/[0-9]+([/ ])#/snapshots/N\1#g' -e 's/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/UUID/g' -e 's/ +/ /g'
}

# both ARGUMENT...: the same command for both; output and status must be equal. OUT is what they said.
both() {
	local theirs theirs_status=0 ours ours_status=0
	theirs=$(ctr "$@" 2>&1 </dev/null) || theirs_status=$?
	ours=$(rctr "$@" 2>&1 </dev/null) || ours_status=$?
	OUT=$(plain <<<"$ours")
	[ "$OUT" = "$(plain <<<"$theirs")" ] && [ "$ours_status" = "$theirs_status" ] || {
		echo "ctr $*"
		echo "containerd says ($theirs_status): $theirs"
		echo "reeved says ($ours_status): $ours"
		return 1
	}
}
