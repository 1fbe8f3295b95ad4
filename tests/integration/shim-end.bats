#!/usr/bin/env bats
# The end of a shim, without containerd between: its `delete` action, and how it leaves by itself. shim_end.py holds the
# cases.

load lib
load bare_shim

end() {
	bare end "$1"
}

@test "delete when everything is gone: quick, quiet, the same each time" {
	end delete_when_everything_is_gone
}

@test "delete after the shim was killed tells the true exits" {
	end delete_after_the_shim_was_killed
}

@test "delete of a member of a group touches no other" {
	end delete_of_a_member_touches_no_other
}

@test "delete of a container that is still served: no second exit" {
	end delete_of_one_that_is_served
}

@test "delete with a damaged record" {
	end a_damaged_bundle_is_cleaned_up
}

@test "a shim that nobody ends leaves by itself" {
	end a_shim_that_nobody_ends
}

@test "a stopped task keeps its shim" {
	end a_task_that_is_there_keeps_its_shim
}
