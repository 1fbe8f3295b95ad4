/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Terms: names of codes, topics and statuses. The lists in the header are the only place where they
 * are written, so a number cannot drift from its name.
 */
#include "task/terms.h"

const char *task_code_name(enum task_code code)
{
	switch (code) {
#define CASE(name, number, text) \
	case CODE_##name: \
		return text;
		TASK_CODES(CASE)
#undef CASE
	}
	return "unknown";
}

const char *task_topic_name(enum task_topic topic)
{
	switch (topic) {
#define CASE(name, text) \
	case TOPIC_##name: \
		return text;
		TASK_TOPICS(CASE)
#undef CASE
	case TOPICS_:
		break;
	}
	return "";
}

const char *task_status_name(enum task_status status)
{
	switch (status) {
#define CASE(name, number, text) \
	case STATUS_##name: \
		return text;
		TASK_STATUSES(CASE)
#undef CASE
	}
	return "unknown";
}
