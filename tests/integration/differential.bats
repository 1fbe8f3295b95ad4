#!/usr/bin/env bats
# Generated configurations through reeve and the newest runc and crun: what their containers see is the same, or
# explained in tests/differential/known. A fixed set, in parts; `./dev differ` has more, and the versions of bookworm too.

load lib.bash

setup() {
	[ "$KIND" = reeve ] || skip "peer $RUNTIME: compares reeve with the others"
	SID=$("$TOP/tools/peers" oci-sid)/bin
}

# same FROM TO: the configurations of these numbers
same() {
	run python3 -B "$TOP/tests/differential/differ" -n "$(($2 + 1))" -o "$(seq -s, "$1" "$2")" \
		reeve="$RT" runc-1.3="$SID/runc" crun-1.28="$SID/crun"
	echo "$output"
	[ "$status" = 0 ] || return 1
	matches "${lines[-1]}" "^$(($2 - $1 + 1)) configs, [0-9]+ compared values, [0-9]+ explained, 0 unexplained"
}

@test "containers of 30 configurations are as those of runc and crun" {
	same 0 29
}

@test "containers of the next 30 configurations are, too" {
	same 30 59
}

@test "containers of a third 30 configurations are, too" {
	same 60 89
}

@test "containers of a fourth 30 configurations are, too" {
	same 90 119
}
