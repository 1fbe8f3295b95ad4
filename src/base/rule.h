/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Rule: a name for the place in the code where a rule of order stands, so that a test can take one rule away at a
 * time and see which row notices (docs/lifecycle.md, tests/unit/test_task_mutants.c). In a program a rule always
 * holds, the compiler folds it, and nothing is left of it.
 *
 * Owner    None.
 * Errors   None.
 * Blocks   Never.
 * Context  Any. With REEVE_MUTANTS defined (tests only), tests/lib/mutants.h brings rule_holds().
 */
#include <stdbool.h>

#ifdef REEVE_MUTANTS

struct rule_point {
	const char *name;
};

bool rule_holds(const struct rule_point *p);

/* All points of a program lie side by side: between __start_rule_points and __stop_rule_points. */
#define RULE(rule) \
	({ \
		static const struct rule_point rule_point \
			__attribute__((section("rule_points"), used)) = { #rule }; \
		rule_holds(&rule_point); \
	})

#else

/* True. `RULE(x) && cond`: the rule is that cond decides. */
#define RULE(rule) true

#endif

/* False. `if (NAIVE(x, cond))`: what one would do without the rule, while cond is true. */
#define NAIVE(rule, cond) (!RULE(rule) && (cond))

/* Both, in this order; without the rule in the other. */
#define ORDER(rule, first, second) \
	do { \
		if (RULE(rule)) { \
			first; \
			second; \
		} else { \
			second; \
			first; \
		} \
	} while (0)
