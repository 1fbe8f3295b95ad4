/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/clock.h"

TEST(clocks_go_forward_and_are_plausible)
{
	uint64_t a = clock_boot_ns(), b = clock_boot_ns();

	assert_true(a > 0 && b >= a);
	assert_true(clock_wall_ns() > 1600000000ull * NS_PER_SEC);
}

TEST(times_are_written_with_nine_digits)
{
	char out[CLOCK_RFC3339_SIZE];

	assert_string_equal(clock_rfc3339(0, out), "1970-01-01T00:00:00.000000000Z");
	assert_string_equal(clock_rfc3339(1795310098ull * NS_PER_SEC + 123456789, out),
		"2026-11-22T01:14:58.123456789Z");
	assert_string_equal(
		clock_rfc3339(951782400ull * NS_PER_SEC, out), "2000-02-29T00:00:00.000000000Z");
	clock_rfc3339(UINT64_MAX, out);
	assert_memory_equal(out, "2554-", 5);
}

TEST(what_is_written_is_read_back)
{
	uint64_t ns = 1, back;
	char out[CLOCK_RFC3339_SIZE];

	for (int i = 0; i < 2000; i++) {
		ns = ns * 6364136223846793005ull + 1442695040888963407ull;
		assert_ok(clock_parse_rfc3339(clock_rfc3339(ns, out), &back));
		assert_true(back == ns);
	}
}

TEST(zones_and_fractions_are_read)
{
	static const struct {
		const char *text;
		uint64_t seconds, ns;
	} good[] = {
		{ "1970-01-01T00:00:00Z", 0, 0 },
		{ "1970-01-01t00:00:01.5z", 1, 500000000 },
		{ "1970-01-01T02:00:00+01:30", 1800, 0 },
		{ "1969-12-31T23:00:00-01:00", 0, 0 },
		{ "2024-02-29T12:00:00.1234567891Z", 1709208000, 123456789 },
		{ "2026-11-22T01:14:58.12+00:00", 1795310098, 120000000 },
	};
	uint64_t ns;

	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		assert_ok(clock_parse_rfc3339(good[i].text, &ns));
		assert_true(ns == good[i].seconds * NS_PER_SEC + good[i].ns);
	}
}

TEST(malformed_times_are_refused)
{
	static const char *const bad[] = { "", "2026", "2026-11-22", "2026-11-22T01:14:58",
		"2026-11-22 01:14:58Z", "2026-13-22T01:14:58Z", "2026-11-32T01:14:58Z",
		"2026-11-31T01:14:58Z", "2023-02-29T00:00:00Z", "2026-11-22T24:14:58Z",
		"2026-11-22T01:60:58Z", "2026-11-22T01:14:60Z", "2026-11-22T01:14:58.Z",
		"2026-11-22T01:14:58Zx", "2026-11-22T01:14:58+0100", "2026-11-22T01:14:58+24:00",
		"+026-11-22T01:14:58Z", "0001-01-01T00:00:00Z", "1969-12-31T23:59:59Z",
		"9999-01-01T00:00:00Z", "2026-11-22T01:14:5" };
	uint64_t ns = 42;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(clock_parse_rfc3339(bad[i], &ns), -EINVAL);
	assert_int_equal(clock_parse_rfc3339(NULL, &ns), -EINVAL);
	assert_true(ns == 42);
}
