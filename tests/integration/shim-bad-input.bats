#!/usr/bin/env bats
# What the shim answers to input that nobody should send, without containerd between: shim_bad_input.py holds the cases,
# each of which also sees to it that another client notices nothing and that the shim grows by nothing.

load lib
load bare_shim

bad() {
	bare bad_input "$1"
}

# --- frames ---

@test "a frame that is too long is refused, and the connection goes on" {
	bad frames_that_are_too_long
}

@test "a frame of just the limit is taken" {
	bad the_longest_frame_is_taken
}

@test "frames in pieces" {
	bad frames_that_come_in_pieces
}

@test "streams that are even, old or nobody's" {
	bad streams_that_are_not_to_be
}

@test "requests that are none: services, methods, messages" {
	bad requests_that_are_none
}

@test "noise, and requests with turned bits" {
	bad noise
}

# --- ids ---

@test "tasks and processes that nobody has" {
	bad ids_that_nobody_has
}

@test "ids that cannot be names" {
	bad ids_that_cannot_be
}

@test "ids that are in use" {
	bad ids_in_use
}

@test "requests after the exit, and after the delete" {
	bad requests_after_the_end
}

# --- documents ---

@test "specs of 4 MiB" {
	bad specs_of_four_megabytes
}

@test "bundles that are none" {
	bad bundles_that_are_none
}

@test "options that are none" {
	bad options_that_are_none
}

@test "streams that cannot be opened" {
	bad streams_that_cannot_be_opened
}

@test "numbers out of range" {
	bad numbers_out_of_range
}

# --- time and amount ---

@test "deadlines that have passed" {
	bad deadlines_that_have_passed
}

@test "clients that leave in the middle of a call" {
	bad clients_that_leave_in_the_middle
}

@test "a client that never reads its answers" {
	bad a_client_that_never_reads
}

@test "more waits than are kept" {
	bad more_waits_than_are_kept
}

@test "more execs than are kept" {
	bad more_execs_than_are_kept
}

@test "more connections than there are fds" {
	bad more_connections_than_fds
}
