/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdio.h>
#include <unistd.h>

#include "base/mem.h"
#include "container/self_status.h"

#define STATUS(groups) \
	"Name:\treeve\nUmask:\t0022\nUid:\t0\t1\t2\t3\nGid:\t4\t5\t6\t4294967295\nGroups:" \
	"\t" groups \
	"\nSigBlk:\t0000000000010000\nSigIgn:\t0000000000001006\nCapInh:\t0000000000000000\n" \
	"CapPrm:\t000001ffffffffff\nCapEff:\t000001ffffffffff\nCapBnd:\t000001fffffffeff\n"

TEST(what_the_kernel_says_is_read)
{
	struct self_status s;

	assert_ok(self_status_parse(STATUS(""), &s));
	assert_true(s.known && s.no_groups);
	assert_int_equal(s.uid[0], 0);
	assert_int_equal(s.uid[3], 3);
	assert_int_equal(s.gid[0], 4);
	assert_int_equal(s.gid[3], UINT32_MAX);
	assert_int_equal(s.blocked, 0x10000);
	assert_int_equal(s.ignored, 0x1006);
	assert_int_equal(s.permitted, 0x1ffffffffff);
	assert_int_equal(s.bounding, 0x1fffffffeff);
	assert_ok(self_status_parse(STATUS("0 27 "), &s));
	assert_false(s.no_groups);
	assert_ok(self_status_parse(STATUS(" "), &s));
	assert_true(s.no_groups);
}

TEST(without_one_of_its_lines_nothing_is_known)
{
	static const char *const lines[] = {
		"\nUid:", "\nGid:", "\nGroups:", "\nSigBlk:", "\nSigIgn:", "\nCapPrm:", "\nCapBnd:"
	};
	char text[1024];
	struct self_status s;

	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		snprintf(text, sizeof(text), "%s", STATUS(""));
		strstr(text, lines[i])[1] = 'x';
		assert_int_equal(self_status_parse(text, &s), -EBADMSG);
		assert_false(s.known);
	}
	snprintf(text, sizeof(text), "%s", STATUS(""));
	*strstr(text, "\t6\t") = 'x';
	assert_int_equal(self_status_parse(text, &s), -EBADMSG);
}

TEST(which_cpus_are_ours_is_known_of_the_first_ones_alone)
{
	static const struct {
		const char *mask;
		unsigned int n;
		bool all;
	} rows[] = {
		{ "f", 4, true },
		{ "ff,ffffffff", 40, true },
		{ "3", 2, false },
		{ "1", 1, false },
		{ "7f", 7, false },
		{ "1,ffffffff", 33, false },
		{ "2", 0, false },
		{ "0f", 0, false },
		{ "f7", 0, false },
		{ "fe,ffffffff", 0, false },
		{ "00000000,00000003", 0, false },
		{ "", 0, false },
		{ "ff x", 0, false },
	};
	char text[1024];
	struct self_status s;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		snprintf(text, sizeof(text), STATUS("") "Cpus_allowed:\t%s\nMems_allowed:\tff\n",
			rows[i].mask);
		assert_ok(self_status_parse(text, &s));
		assert_int_equal(s.n_cpus, rows[i].n);
		assert_int_equal(s.all_cpus, rows[i].all);
	}
	assert_ok(
		self_status_parse(STATUS("") "Cpus_allowed:\tff\nMems_allowed_list:\t0-1,3\n", &s));
	assert_string_equal(s.mems, "0-1,3");
	assert_ok(self_status_parse(
		STATUS("") "Mems_allowed_list:\t0,2,4,6,8,10,12,14,16,18,20,22,24\n", &s));
	assert_string_equal(s.mems, "");
	assert_ok(self_status_parse(STATUS("") "Cpus_allowed:\tff", &s));
	assert_false(s.all_cpus);
	assert_ok(self_status_parse(STATUS(""), &s));
	assert_int_equal(s.n_cpus, 0);
}

TEST(we_are_who_we_are)
{
	struct self_status s;

	assert_ok(self_status_read(&s));
	assert_true(s.known);
	assert_int_equal(s.uid[1], geteuid());
	assert_int_equal(s.gid[0], getgid());
	assert_int_equal(s.no_groups, getgroups(0, NULL) == 0);
}
