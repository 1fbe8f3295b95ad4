/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The core, row by row (task_rows.h), and what no row says: full tables, damaged records.
 */
#include "task_rows.h"
#include "test.h"

static void run_rows(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const char *why = run_row(&rows[i]);

		if (why)
			fail_msg("%s", why);
	}
}

TEST(a_task_lives_as_written)
{
	run_rows(life, sizeof(life) / sizeof(life[0]));
}

TEST(the_invariants_hold_where_they_are_hard)
{
	run_rows(invariants, sizeof(invariants) / sizeof(invariants[0]));
}

TEST(no_race_breaks_it)
{
	run_rows(races, sizeof(races) / sizeof(races[0]));
}

TEST(what_is_refused_is_refused_in_the_words_of_the_reference)
{
	run_rows(refusals, sizeof(refusals) / sizeof(refusals[0]));
}

TEST(full_tables_refuse_and_lose_nothing)
{
	static struct bench b;

	bench_init(&b);
	take_words(&b, RUNNING, true);
	for (int i = 0; i < OPS; i++)
		take_words(&b, "wait", true);
	take_words(&b, "wait", false);
	assert_string_equal(b.out, "wait!8");
	b.out_len = 0;
	take_words(&b, "exit=1", false);
	assert_text_has(b.out, "+exit(1)");
	assert_int_equal(b.t.n_ops, 0);
}

TEST(an_id_has_a_limit)
{
	char id[TASK_ID_MAX + 2];
	struct task t;

	memset(id, 'x', sizeof(id));
	id[TASK_ID_MAX + 1] = '\0';
	assert_int_equal(task_init(&t, id), -ENAMETOOLONG);
	id[TASK_ID_MAX] = '\0';
	assert_ok(task_init(&t, id));
}

/* Every byte of a record changed to every other value: refused, or a task that holds together. Never a crash. */
TEST(a_damaged_record_or_input_is_refused_or_sound)
{
	static struct bench b;
	unsigned char bytes[2048];
	struct task_exec execs[EXECS];
	struct task_op ops[OPS];
	struct task copy = { .execs = execs, .cap_execs = EXECS, .ops = ops, .cap_ops = OPS };
	struct task_input in;
	uint32_t n_execs, n_ops;
	size_t size;
	struct err err;

	bench_init(&b);
	take_words(&b, SHARED EXEC_RUNS "add:b start:b wait wait:b kill=9 exit=1", true);
	size = task_encode(&b.t, bytes, sizeof(bytes));
	assert_true(size < sizeof(bytes));
	for (size_t i = 0; i < size; i++) {
		unsigned char was = bytes[i];

		for (unsigned int v = 0; v < 256; v++) {
			bytes[i] = (unsigned char)v;
			if (task_decode_room(bytes, size, &n_execs, &n_ops, &err) == 0 &&
				task_decode(bytes, size, &copy, &err) == 0)
				assert_ok(task_check_all(&copy, &err));
			input_decode(bytes, size, &in, &err);
		}
		bytes[i] = was;
	}
	for (size_t cut = 0; cut < size; cut++)
		task_decode(bytes, cut, &copy, &err);
	assert_ok(task_decode(bytes, size, &copy, &err));
}
