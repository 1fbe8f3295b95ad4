/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mutants of the core: src/task compiled so that one rule at a time can be taken away. Each rule
 * must have a row that fails without it, and docs/lifecycle.md says which rows hold which invariant
 * by which rules: that table is checked against rows and rules, in both directions.
 *
 * Some of them are held by other modules (where exits come from, the publisher, the server's end).
 * Their rules and tests are written "exit: name": the program test_exit_mutants is run without that
 * rule, and that test of it must fail.
 */
#include "mutants.h"
#include "task_rows.h"
#include "test.h"

#include <assert.h>

#define ROWS_MAX 512
#define LINES_MAX 64
#define CELL_MAX 64

static const struct row *rows[ROWS_MAX];
static size_t n_rows;
static bool caught[MUTANTS_MAX][ROWS_MAX]; /* the row fails without the rule */

/* ---- the rows under a mutant ---- */

static void add_rows(const struct row *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		assert_true(n_rows < ROWS_MAX);
		rows[n_rows++] = &list[i];
	}
}

static void all_rows(void)
{
	if (n_rows > 0)
		return;
	add_rows(life, sizeof(life) / sizeof(life[0]));
	add_rows(invariants, sizeof(invariants) / sizeof(invariants[0]));
	add_rows(races, sizeof(races) / sizeof(races[0]));
	add_rows(refusals, sizeof(refusals) / sizeof(refusals[0]));
}

/* What a wrong core may do besides: fail an assertion of its own, crash, or not end. */
void __assert_fail(const char *what, const char *file, unsigned int line, const char *function)
{
	(void)line, (void)function;
	if (bench_armed)
		bench_fail("the core asserts %s", what);
	fprintf(stderr, "%s: %s\n", file, what);
	abort();
}

static void on_signal(int sig)
{
	if (!bench_armed)
		_exit(128 + sig);
	snprintf(bench_why, sizeof(bench_why), "signal %d", sig);
	siglongjmp(bench_back, 1);
}

static void catch_signals(void)
{
	const int list[] = { SIGSEGV, SIGBUS, SIGALRM };

	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++)
		assert_ok(sigaction(list[i], &(struct sigaction){ .sa_handler = on_signal }, NULL));
}

static const char *first_words(const char *why)
{
	static char text[160];
	const char *got = strstr(why, "\n  got:");
	char *end;

	snprintf(text, sizeof(text), "%s", got ? got + strlen("\n  got:  ") : why);
	end = strchr(text, '\n');
	if (end)
		*end = '\0';
	return text;
}

/* Run every row without this rule; false: none noticed. */
static bool run_mutant(size_t m)
{
	size_t n = 0, first = 0;
	char why[160] = "";

	mutants_off = mutants[m];
	mutants_asked = 0;
	for (size_t i = 0; i < n_rows; i++) {
		const char *text;

		alarm(10);
		text = run_row(rows[i]);
		alarm(0);
		if (!text)
			continue;
		caught[m][i] = true;
		if (n++ > 0)
			continue;
		first = i;
		snprintf(why, sizeof(why), "%s", first_words(text));
	}
	mutants_off = NULL;
	if (n > 0)
		printf("# %s: '%s' (%s)%s\n", mutants[m], rows[first]->name, why,
			n > 1 ? " and others" : "");
	else
		printf("# %s: NO ROW NOTICES (%lu times in the way)\n", mutants[m], mutants_asked);
	return n > 0;
}

static void run_mutants(void)
{
	static bool done;
	size_t missed = 0;

	if (done)
		return;
	done = true;
	all_rows();
	catch_signals();
	for (size_t m = 0; m < n_mutants; m++)
		missed += !run_mutant(m);
	printf("# %zu rules taken away one by one, %zu rows each: %zu caught\n", n_mutants, n_rows,
		n_mutants - missed);
	if (missed > 0)
		fail_msg("%zu rules are not held by any row", missed);
}

TEST(rows_hold_before_a_rule_is_taken_away)
{
	all_rows();
	for (size_t i = 0; i < n_rows; i++) {
		const char *why = run_row(rows[i]);

		if (why)
			fail_msg("%s", why);
	}
}

TEST(every_rule_has_a_row_that_fails_without_it)
{
	run_mutants();
}

/* ---- the table ---- */

struct line {
	char tag[16];
	char *rules[CELL_MAX];
	size_t n_rules;
	char *rows[CELL_MAX];
	size_t n_rows;
};

static struct line table[LINES_MAX];
static size_t n_lines;

static void take_words_of_cell(char *cell, char **list, size_t *n)
{
	char *at = cell, *end;

	while (cell && (at = strchr(at, '`')) && (end = strchr(at + 1, '`'))) {
		*end = '\0';
		assert_true(*n < CELL_MAX);
		list[(*n)++] = at + 1;
		at = end + 1;
	}
}

static void take_line(char *text)
{
	struct line *l = &table[n_lines++];
	char *rest = text + 2, *tag, *rules, *names;

	assert_true(n_lines < LINES_MAX);
	tag = strsep(&rest, " ");
	strsep(&rest, "|");
	strsep(&rest, "|"); /* what it means */
	rules = strsep(&rest, "|");
	names = strsep(&rest, "|");
	if (!names)
		fail_msg("the line of %s has not four columns", tag);
	snprintf(l->tag, sizeof(l->tag), "%s", tag);
	take_words_of_cell(rules, l->rules, &l->n_rules);
	take_words_of_cell(names, l->rows, &l->n_rows);
}

static void read_table(void)
{
	FILE *f = fopen(SOURCE_ROOT "/docs/lifecycle.md", "re");
	char *text = NULL;
	size_t cap = 0;

	if (n_lines > 0)
		return;
	assert_non_null(f);
	while (getline(&text, &cap, f) > 0)
		if (strncmp(text, "| INV-", 6) == 0 || strncmp(text, "| RACE-", 7) == 0)
			take_line(strdup(text)); /* kept to the end */
	free(text);
	fclose(f);
}

static size_t row_named(const char *name)
{
	size_t i = 0;

	while (i < n_rows && strcmp(rows[i]->name, name) != 0)
		i++;
	return i;
}

/* Rules and tests of other programs have a colon: "exit: a_name". */
static bool is_elsewhere(const char *name)
{
	const char *colon = strchr(name, ':');

	return colon && !memchr(name, ' ', (size_t)(colon - name));
}

static const struct line *line_of(const char *tag)
{
	for (size_t i = 0; i < n_lines; i++)
		if (strcmp(table[i].tag, tag) == 0)
			return &table[i];
	return NULL;
}

TEST(the_table_has_every_invariant_and_race_once)
{
	char tag[16];

	read_table();
	for (int i = 1; i <= 21 + 22; i++) {
		snprintf(tag, sizeof(tag), i <= 21 ? "INV-%d" : "RACE-%d", i <= 21 ? i : i - 21);
		if (!line_of(tag))
			fail_msg("docs/lifecycle.md has no line for %s", tag);
	}
	assert_int_equal(n_lines, 21 + 22);
}

TEST(what_the_table_names_exists)
{
	read_table();
	all_rows();
	for (size_t i = 0; i < n_lines; i++) {
		const struct line *l = &table[i];

		if (l->n_rules == 0 || l->n_rows == 0)
			fail_msg("%s names no rule or no row", l->tag);
		for (size_t k = 0; k < l->n_rules; k++)
			if (!is_elsewhere(l->rules[k]) && mutants_find(l->rules[k]) == n_mutants)
				fail_msg("%s: no rule is called '%s'", l->tag, l->rules[k]);
		for (size_t k = 0; k < l->n_rows; k++)
			if (!is_elsewhere(l->rows[k]) && row_named(l->rows[k]) == n_rows)
				fail_msg("%s: no row is called '%s'", l->tag, l->rows[k]);
	}
}

/* ---- rules of other programs ---- */

/* "exit: name" to the path of test_exit_mutants beside this program, and the name. */
static const char *other_program(const char *name, char path[512])
{
	ssize_t n = readlink("/proc/self/exe", path, 300);
	char *at = path + n;

	if (!name || n <= 0 || n >= 300)
		abort();
	while (at > path && at[-1] != '/')
		at--;
	snprintf(at, 512 - (size_t)(at - path), "test_%.*s_mutants", (int)strcspn(name, ":"), name);
	return strchr(name, ':') + 2;
}

/* Does this test of that program fail without the rule? NULL as the rule: with all of them. */
static bool other_fails(const char *rule, const char *test)
{
	char command[1200], path[512], text[512], want[300];
	const char *name = other_program(test, path);
	bool failed = true; /* also when the program ended before it came to it */
	FILE *f;

	snprintf(command, sizeof(command), "REEVE_TEST=%s %s%s timeout 60 '%s' 2>/dev/null", name,
		rule ? "REEVE_MUTANT=" : "", rule ? rule : "", path);
	snprintf(want, sizeof(want), " - %s\n", name);
	f = popen(command, "re");
	assert_non_null(f);
	while (fgets(text, sizeof(text), f))
		if (strncmp(text, "ok ", 3) == 0 && strstr(text, want))
			failed = false;
	pclose(f);
	return failed;
}

static void check_others(const struct line *l)
{
	char path[512];

	for (size_t k = 0; k < l->n_rules; k++) {
		const char *rule = l->rules[k];
		bool noticed = false;

		if (!is_elsewhere(rule))
			continue;
		for (size_t r = 0; r < l->n_rows && !noticed; r++)
			noticed = is_elsewhere(l->rows[r]) &&
				  strcspn(rule, ":") == strcspn(l->rows[r], ":") &&
				  other_fails(strchr(rule, ':') + 2, l->rows[r]);
		if (!noticed)
			fail_msg("%s: no test of the line fails without '%s'", l->tag, rule);
		printf("# %s: caught by a test of its program\n", rule);
	}
	for (size_t r = 0; r < l->n_rows; r++)
		if (is_elsewhere(l->rows[r]) && other_fails(NULL, l->rows[r]))
			fail_msg("%s: '%s' of %s does not pass", l->tag, l->rows[r],
				other_program(l->rows[r], path));
}

TEST(rules_of_other_modules_have_tests_that_fail_without_them)
{
	read_table();
	for (size_t i = 0; i < n_lines; i++)
		check_others(&table[i]);
}

/* ---- the lines ---- */

static bool lists(char *const *list, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(list[i], name) == 0)
			return true;
	return false;
}

TEST(every_row_that_is_called_after_one_is_in_its_line)
{
	read_table();
	all_rows();
	for (size_t i = 0; i < n_rows; i++) {
		char tag[16];
		const struct line *l;

		if (strncmp(rows[i]->name, "INV-", 4) != 0 &&
			strncmp(rows[i]->name, "RACE-", 5) != 0)
			continue;
		snprintf(tag, sizeof(tag), "%.*s", (int)strcspn(rows[i]->name, " "), rows[i]->name);
		l = line_of(tag);
		if (!l || !lists(l->rows, l->n_rows, rows[i]->name))
			fail_msg("the line of %s does not name '%s'", tag, rows[i]->name);
	}
}

/* In a line each rule that is taken away fails a row of it, and each row fails without one of its rules. */
TEST(rules_and_rows_of_a_line_belong_together)
{
	size_t wrong = 0;

	read_table();
	run_mutants();
	for (size_t i = 0; i < n_lines; i++) {
		const struct line *l = &table[i];
		bool row_fails[CELL_MAX] = { 0 };

		for (size_t k = 0; k < l->n_rules; k++) {
			bool noticed = false;

			if (is_elsewhere(l->rules[k]))
				continue;
			for (size_t r = 0; r < l->n_rows; r++) {
				bool fails =
					!is_elsewhere(l->rows[r]) &&
					caught[mutants_find(l->rules[k])][row_named(l->rows[r])];

				noticed |= fails;
				row_fails[r] |= fails;
			}
			if (!noticed) {
				printf("# %s: no row of the line fails without '%s'\n", l->tag,
					l->rules[k]);
				wrong++;
			}
		}
		for (size_t r = 0; r < l->n_rows; r++)
			if (!is_elsewhere(l->rows[r]) && !row_fails[r]) {
				printf("# %s: '%s' holds without any rule of the line\n", l->tag,
					l->rows[r]);
				wrong++;
			}
	}
	assert_int_equal(wrong, 0);
}
