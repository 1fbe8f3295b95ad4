#!/usr/bin/env bats
# Standard streams through the shim, without containerd between: shim_io.py holds the cases.

load lib
load bare_shim

io() {
	bare io "$1"
}

# --- fifos ---

@test "output has been read when the exit is told" {
	io output_is_read_before_the_exit_is_told
}

@test "output is in the fifo when the exit is told to a client that does not read" {
	io output_is_there_when_the_exit_is_told
}

@test "a reader that comes after the exit finds everything, and Delete does not wait for it" {
	io a_reader_that_comes_late
}

@test "a reader whose open waits for a writer finds one, also when all is over" {
	io a_reader_that_waits_for_a_writer
}

@test "readers that come and go miss nothing" {
	io readers_that_come_and_go
}

@test "a program without a reader is held, not ended, and the shim sleeps" {
	io a_program_without_a_reader_is_held_not_ended
}

@test "30 MB on two streams at a time" {
	io output_is_as_large_as_it_is
}

@test "streams that are not wanted" {
	io streams_that_are_not_wanted
}

@test "fifos whose names are gone" {
	io a_fifo_whose_name_is_gone
}

@test "what a leftover holds open is given up in time" {
	io what_a_leftover_holds_is_given_up
}

# --- standard input ---

@test "input ends with CloseIO and the last writer" {
	io input_ends_with_closeio_and_the_last_writer
}

@test "CloseIO before Start is remembered" {
	io closeio_before_the_start_is_remembered
}

@test "input that nobody reads waits" {
	io input_that_nobody_reads_waits
}

@test "a program that closes its input" {
	io a_program_that_closes_its_input
}

@test "input from a file" {
	io input_from_a_file
}

# --- files and loggers ---

@test "a file takes both streams in order" {
	io a_file_takes_both_streams_in_order
}

@test "a full disk does not hold the program" {
	io a_file_that_cannot_be_written
}

@test "a logging binary" {
	io a_logging_binary
}

@test "a logging binary that is not ready" {
	io a_logging_binary_that_is_not_ready
}

# --- terminals ---

@test "what is typed ahead of a program arrives, and the shim has one descriptor of a terminal" {
	io a_terminal_that_is_read_late
}

@test "a terminal" {
	io a_terminal
}

@test "a terminal with much output" {
	io a_terminal_with_much_output
}

@test "a terminal that is closed and opened again" {
	io a_terminal_that_is_closed_and_opened_again
}

@test "a terminal hangs up with its input" {
	io a_terminal_hangs_up_with_its_input
}

@test "a terminal that nobody wants" {
	io a_terminal_nobody_wants
}

# --- the init, and the end ---

@test "the init's streams" {
	io the_init_has_streams_as_well
}

@test "Delete of a container that was never started does not wait for its streams" {
	io a_container_never_started_does_not_hold_its_delete
}

@test "a Delete that timed out is repeated" {
	io a_delete_that_timed_out_is_repeated
}

@test "output without a relay, when it is asked for" {
	io output_without_a_relay
}

@test "Delete waits for output as long as is asked for" {
	io the_drain_has_the_limit_that_is_asked_for
}
