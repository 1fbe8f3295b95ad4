/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/mem.h"
#include "rpc/any.h"
#include "rpc/status.h"

TEST(errno_becomes_a_code)
{
	static const struct {
		int number;
		enum status_code code;
	} rows[] = {
		{ 0, RPC_OK },
		{ -ENOENT, RPC_NOT_FOUND },
		{ ENOENT, RPC_NOT_FOUND },
		{ -ESRCH, RPC_NOT_FOUND },
		{ -EEXIST, RPC_ALREADY_EXISTS },
		{ -EBUSY, RPC_FAILED_PRECONDITION },
		{ -EINVAL, RPC_INVALID_ARGUMENT },
		{ -ENOSYS, RPC_UNIMPLEMENTED },
		{ -EACCES, RPC_PERMISSION_DENIED },
		{ -ETIMEDOUT, RPC_DEADLINE_EXCEEDED },
		{ -ECONNREFUSED, RPC_UNAVAILABLE },
		{ -EIO, RPC_UNKNOWN },
		{ INT32_MIN, RPC_UNKNOWN },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(status_from_errno(rows[i].number), rows[i].code);
}

TEST(text_ends_in_the_class_once)
{
	static const struct {
		enum status_code code;
		const char *detail, *text;
	} rows[] = {
		{ RPC_NOT_FOUND, "container not created", "container not created: not found" },
		{ RPC_NOT_FOUND, "container not created: not found",
			"container not created: not found" },
		{ RPC_ALREADY_EXISTS, "id x", "id x: already exists" },
		{ RPC_FAILED_PRECONDITION, "process not created",
			"process not created: failed precondition" },
		{ RPC_UNKNOWN, "OCI runtime create failed: no such file or directory",
			"OCI runtime create failed: no such file or directory" },
		{ RPC_UNKNOWN, "", "unknown" },
		{ RPC_UNIMPLEMENTED, NULL, "not implemented" },
		{ (enum status_code)99, "odd", "odd" },
	};
	char out[STATUS_TEXT_SIZE];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_string_equal(
			status_text(rows[i].code, rows[i].detail, out, sizeof(out)), rows[i].text);
	assert_string_equal(status_text(RPC_NOT_FOUND, "container", out, 6), "conta");
}

TEST(type_urls_match_with_and_without_a_host)
{
	assert_true(any_is("containerd.runc.v1.Options", ANY_RUNC_OPTIONS));
	assert_true(any_is("type.googleapis.com/containerd.runc.v1.Options", ANY_RUNC_OPTIONS));
	assert_true(any_is(ANY_PROCESS, ANY_PROCESS));
	assert_false(any_is("runc.v1.Options", ANY_RUNC_OPTIONS));
	assert_false(any_is("containerd.runc.v1.Options/", ANY_RUNC_OPTIONS));
	assert_false(any_is("", ANY_RUNC_OPTIONS));
	assert_false(any_is(NULL, ANY_RUNC_OPTIONS));
	assert_string_equal(ANY_EVENT("TaskCreate"), "containerd.events.TaskCreate");
}
