/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Request: names of the methods, for logs and for doors that look a method up.
 */
#include "supervisor/request.h"

const char *request_type_name(enum request_type type)
{
	switch (type) {
#define CASE(name, text) \
	case REQ_##name: \
		return text;
		REQUEST_TYPES(CASE)
#undef CASE
	case REQ_TYPES_:
		break;
	}
	return "";
}
