#!/usr/bin/env bats
# Tasks of reeved that are behind a shim, whose faults are made to order: reeved_shims.py says what must be true then. What
# needs no daemon is in manager.bats.

load lib

setup_file() {
	"$TOP/tools/mkbundle" "$BATS_FILE_TMPDIR/bundle"
}

@test "MGR-13: a create that fails ends in one delete, after the connection and before the bundle, and tells nothing" {
	within 300 python3 -B "$TOP/tests/integration/reeved_shims.py" create_that_fails "$BATS_TEST_TMPDIR/d" "$BATS_FILE_TMPDIR/bundle" 3>&-
}
