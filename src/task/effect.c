/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Effect: names, for logs and for tests that compare what was ordered.
 */
#include "task/effect.h"

const char *effect_type_name(enum effect_type type)
{
	switch (type) {
#define CASE(name, text) \
	case FX_##name: \
		return text;
		EFFECT_TYPES(CASE)
#undef CASE
	case EFFECTS_:
		break;
	}
	return "";
}
