/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Mutants: takes away one rule (base/rule.h) of the code that is compiled with REEVE_MUTANTS. A program that links
 * such code includes this header once; REEVE_MUTANT=RULE in the environment names a rule to go without from the
 * beginning, and REEVE_MUTANT=? lists the rules and ends.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rule.h"

#define MUTANTS_MAX 256

static const char *mutants_off;          /* the rule that does not hold */
static unsigned long mutants_asked;      /* how often it was asked for */
static const char *mutants[MUTANTS_MAX]; /* names of all rules, each once */
static size_t n_mutants;

extern const struct rule_point __start_rule_points[], __stop_rule_points[];

bool rule_holds(const struct rule_point *p)
{
	if (!mutants_off || strcmp(p->name, mutants_off) != 0)
		return true;
	mutants_asked++;
	return false;
}

static inline size_t mutants_find(const char *name)
{
	size_t i = 0;

	while (i < n_mutants && strcmp(mutants[i], name) != 0)
		i++;
	return i;
}

static __attribute__((constructor)) void mutants_init(void)
{
	const char *want = getenv("REEVE_MUTANT");

	for (const struct rule_point *p = __start_rule_points; p < __stop_rule_points; p++)
		if (mutants_find(p->name) == n_mutants) {
			if (n_mutants == MUTANTS_MAX)
				abort();
			mutants[n_mutants++] = p->name;
		}
	if (!want)
		return;
	if (strcmp(want, "?") == 0) {
		for (size_t i = 0; i < n_mutants; i++)
			printf("%s\n", mutants[i]);
		exit(0);
	}
	if (mutants_find(want) == n_mutants) {
		fprintf(stderr, "no rule is called '%s'\n", want);
		exit(2);
	}
	mutants_off = want;
}
