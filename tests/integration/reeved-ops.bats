#!/usr/bin/env bats
# What operators need of reeved: its configuration, its log, what it tells systemd and takes from it, what it leaves when
# it crashes.

load lib
load containerd
load reeved

setup() {
	RD=$BATS_TEST_TMPDIR/r
	mkdir -p "$RD"
}

teardown() {
	# A test may have ended it already.
	[ ! -e "$RD/pid" ] || reeved_kill 2>/dev/null || true
}

# serve [COMMAND...]: reeved by its own configuration, its log in $RD/log. With words of the environment before it.
serve() {
	cat >"$RD/reeved.toml" <<-TOML
		address = "$RD/sock"
		root = "$RD/root"
		state = "$RD/state"
		[exits]
		recorder = false
		${TOML:-}
	TOML
	env "$@" "$TOP/out/bin/reeved" --config "$RD/reeved.toml" >>"$RD/log" 2>&1 </dev/null 3>&- &
	echo $! >"$RD/pid"
}

served() {
	wait_until 20 rctr version >/dev/null || {
		cat "$RD/log"
		return 1
	}
}

stop() {
	kill "$(cat "$RD/pid")"
	wait_until 10 gone "$(cat "$RD/pid")"
	rm "$RD/pid"
}

@test "what is configured is what is there" {
	TOML=$'[socket]\nmode = 0o600\ngid = 42\n[log]\nlevel = "warn"' serve
	served
	equal "$(stat -c '%a %g' "$RD/sock")" "600 42" "the socket"
	equal "$(stat -c '%a %g' "$RD/sock.ttrpc")" "600 42" "the socket of events"
	[ -e "$RD/root/meta.db" ]
	[ -d "$RD/state" ]
	[[ "$(cat "$RD/log")" != *"serving on"* ]] || fail "it is logged below its level"
	stop
	[ ! -e "$RD/sock" ] && [ ! -e "$RD/sock.ttrpc" ]
}

@test "no more tasks than are permitted" {
	TOML=$'[tasks]\nmax = 1' serve
	served
	"$TOP/tools/mkbundle" "$RD/bundle"
	rctr run -d --rootfs --runtime io.containerd.reeve.v2 "$RD/bundle/rootfs" one sleep 1000 </dev/null >/dev/null 3>&-
	run rctr run -d --rootfs --runtime io.containerd.reeve.v2 "$RD/bundle/rootfs" two sleep 1000 </dev/null 3>&-
	contains "$output" "there are 1 tasks, as many as tasks.max permits: resource exhausted"
	rctr tasks kill -s KILL one
	wait_until 10 eval 'rctr tasks ls | grep -q "^one .*STOPPED"'
	rctr tasks rm one || true # tells the status
	equal "$(rctr tasks ls -q)" ""
	stop
}

@test "arguments beat the file, the file beats what stands without" {
	printf 'address = "/file/sock"\nroot = "/file/root"\n[log]\nformat = "json"\n' >"$RD/f.toml"
	run -0 reeved --config "$RD/f.toml" --root /argument/root --debug config dump
	matches "$output" 'address = "/file/sock"'
	matches "$output" 'ttrpc_address = "/file/sock.ttrpc"'
	matches "$output" 'root = "/argument/root"'
	matches "$output" 'state = "/run/reeved"'
	matches "$output" 'level = "debug"'
	matches "$output" 'format = "json"'
}

@test "the printed default is a configuration that changes nothing" {
	reeved config default >"$RD/default.toml"
	reeved --config "$RD/default.toml" config dump >"$RD/a"
	: >"$RD/empty.toml"
	reeved --config "$RD/empty.toml" config dump >"$RD/b"
	cmp "$RD/a" "$RD/b"
	sed 's/^#\([a-z]\)/\1/' "$RD/default.toml" >"$RD/all.toml"
	reeved -c "$RD/all.toml" config dump >"$RD/c"
	cmp "$RD/a" "$RD/c"
}

@test "what is not known is refused by name and line" {
	refused() { # TEXT PART
		printf '%s\n' "$1" >"$RD/f.toml"
		run -1 reeved --config "$RD/f.toml" --root "$RD/never"
		contains "$output" "$2"
		[ ! -e "$RD/never" ] || fail "it has begun all the same"
	}
	refused $'root = "/x"\nadress = "/y"' "$RD/f.toml, line 2: unknown key 'adress'"
	refused '[lgo]' "line 1: unknown table 'lgo'"
	refused $'[tasks]\nmax = "many"' "line 2: 'max' is a whole number, not a string"
	refused 'state = "run"' "'run' is no absolute path"
	refused 'state = ' "line 1: a value is expected"
	run -1 reeved --config "$RD/nowhere.toml"
	contains "$output" "read configuration '$RD/nowhere.toml': No such file"
	run -1 reeved --root relative
	contains "$output" "root 'relative' is no absolute path"
	run -1 reeved --log-format xml
	contains "$output" "unknown log format 'xml'"
	run -1 reeved --nonsense
	contains "$output" "unknown option '--nonsense'"
	run -1 reeved config
	contains "$output" "default or dump"
}

@test "the log is text, or one object a line" {
	serve
	served
	stop
	matches "$(cat "$RD/log")" 'level=info msg="serving on'
	: >"$RD/log"
	TOML=$'[log]\nformat = "json"' serve
	served
	stop
	run -0 jq -r 'keys | join(" ")' "$RD/log"
	equal "$(sort -u <<<"$output")" "level msg time" "the keys"
}

@test "a log that the journal reads has priorities, and no time" {
	: >"$RD/log"
	serve "JOURNAL_STREAM=$(stat -c %d:%i "$RD/log")"
	served
	stop
	matches "$(head -n 1 "$RD/log")" '^<6>info: '
	contains "$(cat "$RD/log")" "<6>info: serving on"
}

# notified: what systemd has been told so far.
listen_for_notes() {
	python3 -B - "$RD/notify" "$RD/notes" <<-'PY' 3>&- &
		import socket, sys
		s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
		s.bind(sys.argv[1])
		while True:
		    text = s.recv(4096).decode()
		    with open(sys.argv[2], "a") as out:
		        out.write(text + "\n")
		    if "STOPPING=1" in text:
		        break
	PY
	NOTES_PID=$!
	wait_until 10 test -S "$RD/notify"
}

@test "systemd is told when it serves, that it lives, and when it leaves" {
	listen_for_notes
	serve "NOTIFY_SOCKET=$RD/notify" WATCHDOG_USEC=300000
	wait_until 20 grep -q READY=1 "$RD/notes"
	rctr version
	wait_until 20 grep -q WATCHDOG=1 "$RD/notes"
	stop
	wait_until 10 gone "$NOTES_PID"
	equal "$(tail -n 1 "$RD/notes")" STOPPING=1 "the last word"
	equal "$(grep -c READY=1 "$RD/notes")" 1 "how often it was ready"
}

@test "the environment is that of the last start, also where tasks have kept the daemon" {
	serve
	served
	"$TOP/tools/mkbundle" "$RD/bundle"
	rctr run -d --rootfs --runtime io.containerd.reeve.v2 "$RD/bundle/rootfs" one sleep 1000 </dev/null >/dev/null 3>&-
	stop
	listen_for_notes
	: >"$RD/log"
	serve "NOTIFY_SOCKET=$RD/notify" WATCHDOG_USEC=300000 "JOURNAL_STREAM=$(stat -c %d:%i "$RD/log")"
	wait_until 20 grep -q READY=1 "$RD/notes"
	equal "$(rctr tasks ls | awk '$1 == "one" { print $3 }')" RUNNING
	wait_until 20 grep -q WATCHDOG=1 "$RD/notes"
	contains "$(cat "$RD/log")" "<6>info: serving on"
	rctr tasks kill -s KILL one
	wait_until 10 eval 'rctr tasks ls | grep -q "^one .*STOPPED"'
	rctr tasks rm one || true # tells the status
	stop
	wait_until 10 gone "$NOTES_PID"
	equal "$(tail -n 1 "$RD/notes")" STOPPING=1 "the last word"
}

# pass_sockets ADDRESS...: as systemd does it, then run reeved.
pass_sockets() {
	python3 -B - "$TOP/out/bin/reeved" "$RD/reeved.toml" "$@" >>"$RD/log" 2>&1 3>&- <<-'PY' &
		import os, socket, sys
		sockets = []
		for path in sys.argv[3:]:
		    s = socket.socket(socket.AF_UNIX)
		    s.bind(path)
		    s.listen(8)
		    sockets.append(s)
		high = [os.dup2(s.fileno(), 100 + i) for i, s in enumerate(sockets)]
		for i, fd in enumerate(high):
		    os.dup2(fd, 3 + i, inheritable=True)
		os.environ["LISTEN_PID"] = str(os.getpid())
		os.environ["LISTEN_FDS"] = str(len(sockets))
		os.execv(sys.argv[1], [sys.argv[1], "--config", sys.argv[2]])
	PY
	echo $! >"$RD/pid"
}

@test "sockets that systemd has made are served, and left alone" {
	serve
	served
	stop
	# In another order than ours.
	pass_sockets "$RD/sock.ttrpc" "$RD/sock"
	served
	stop
	[ -S "$RD/sock" ] && [ -S "$RD/sock.ttrpc" ]
	# What nobody serves is a mistake in a unit.
	rm "$RD/sock" "$RD/sock.ttrpc"
	pass_sockets "$RD/sock" "$RD/other"
	wait_until 10 gone "$(cat "$RD/pid")"
	contains "$(tail -n 1 "$RD/log")" "socket 2 of those that were passed listens neither at '$RD/sock' nor"
}

# The place of a backtrace is a function of ours: its symbols are in the program.
places() {
	sed -n 's/^reeved+//p' <<<"$1" | addr2line -f -e "$TOP/out/bin/reeved" | grep -v '^[/?]' || true
}

@test "a crash leaves signal and backtrace" {
	serve
	served
	local worker crash
	worker=$(reeved_serving)
	kill -SEGV "$worker"
	wait_until 10 gone "$worker"
	wait_until 10 reeved_crash
	crash=$(reeved_crash)
	matches "$(head -n 1 <<<"$crash")" '^reeved [0-9.]+ [0-9a-f]+: signal 11$'
	contains "$(cat "$RD/log")" ": signal 11"
	contains "$(places "$crash")" loop_run
}

@test "bytes that a crash has left are removed, however many there are" {
	local dir=$RD/root/io.containerd.content.v1.content/blobs/sha256
	mkdir -p "$dir"
	(cd "$dir" && printf '%064x\n' {1..2000} | xargs touch)
	serve
	served
	is_empty() { [ -z "$(ls "$dir")" ]; }
	wait_until 20 is_empty
	stop
}

# fill_log: no room in the fifo $RD/log, which somebody has open.
fill_log() {
	python3 - "$RD/log" <<-PY
	import os, sys
	fd = os.open(sys.argv[1], os.O_WRONLY | os.O_NONBLOCK)
	for size in 4096, 1:
	    try:
	        while True:
	            os.write(fd, b"x" * size)
	    except BlockingIOError:
	        pass
	PY
}

@test "nobody reads the log, and all is served; what was lost is said" {
	mkfifo "$RD/log"
	exec 9<>"$RD/log"
	fill_log
	serve 9>&-
	wait_until 20 rctr version >/dev/null || fail "it waits for the log"
	within 20 grep -m 1 -a 'level=warning msg="[0-9]* lines lost' <&9
	exec 9>&-
	[ "$(within 5 rctr namespaces ls -q)" = "" ]
	stop
}

@test "a start that fails ends though nobody reads why, and says it to who reads late" {
	mkfifo "$RD/log"
	exec 9<>"$RD/log"
	fill_log
	local address status
	# The one that is started says it, and the worker.
	for address in relative /dev/null/sock; do
		status=0
		within 10 "$TOP/out/bin/reeved" --address "$address" --root "$RD/root" --state "$RD/state" >"$RD/log" 2>&1 </dev/null 9>&- 3>&- || status=$?
		equal "$status" 1
		wait_until 10 reeved_unguarded
	done
	"$TOP/out/bin/reeved" --address relative >"$RD/log" 2>&1 </dev/null 9>&- 3>&- &
	within 10 grep -m 1 -a -q "reeved: address 'relative'" <&9
	exec 9>&-
}

@test "a crash ends what nobody reads the log of" {
	mkfifo "$RD/log"
	exec 9<>"$RD/log"
	serve 9>&-
	served
	local worker
	worker=$(reeved_serving)
	fill_log
	kill -SEGV "$worker"
	wait_until 10 gone "$worker"
	wait_until 10 reeved_crash
	exec 9>&-
	matches "$(reeved_crash | head -n 1)" ': signal 11$'
}

@test "a loop that is stuck is ended by the watchdog" {
	TOML=$'[worker]\nwatchdog_seconds = 1' serve
	served
	local worker
	worker=$(reeved_serving)
	# It is put off while the loop turns. SIGABRT, 0x20, is what it sends; SIGSTOP is pending for a moment, too.
	kill -STOP "$worker"
	wait_until 10 grep -q '^ShdPnd:\s*[0-9a-f]*[2367abef][0-9a-f]$' "/proc/$worker/status"
	kill -CONT "$worker"
	wait_until 10 gone "$worker"
	wait_until 10 reeved_crash
	matches "$(reeved_crash | head -n 1)" ': signal 6: it was stuck$'
}

@test "the units are those that systemd takes" {
	mkdir "$RD/units"
	cp "$TOP/packaging/reeved.socket" "$RD/units/"
	sed "s#@bindir@#$TOP/out/bin#" "$TOP/packaging/reeved.service.in" >"$RD/units/reeved.service"
	run -0 systemd-analyze verify --man=no "$RD/units/reeved.service" "$RD/units/reeved.socket"
	# systemd before 254 knows no DelegateSubgroup, says so and goes on without it.
	run grep -v "Unknown key 'DelegateSubgroup'" <<<"$output"
	[[ "$output" != *reeved* ]] || fail "$output"
}
