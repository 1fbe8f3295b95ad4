/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The basics of GVariant's text: true and false, whole numbers (decimal, octal, hexadecimal), strings, arrays of bytes,
 * each with its type in front if one likes ("uint64 5", "@ay [0x0f]"). All of the text must be one value.
 */
#include "container/unit_value.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/str.h"

#define TEXT_LEN_MAX 4096
#define USEC_PER_SEC 1000000u

// clang-format off
/* How a container's processes are weighed, bounded and ended; none of these runs anything or opens a path. */
static const struct property {
	const char *name;
	const char *type;
	unsigned int since; /* systemd's version; 0: older than all that count */
} allowed[] = {
	{ "AllowedCPUs", "ay", 244 },
	{ "AllowedMemoryNodes", "ay", 244 },
	{ "BlockIOAccounting", "b", 0 },
	{ "BlockIOWeight", "t", 0 },
	{ "CPUAccounting", "b", 0 },
	{ "CPUQuotaPerSecUSec", "t", 0 },
	{ "CPUQuotaPeriodUSec", "t", 242 },
	{ "CPUShares", "t", 0 },
	{ "CPUWeight", "t", 0 },
	{ "CollectMode", "s", 0 },
	{ "IOAccounting", "b", 0 },
	{ "IOWeight", "t", 0 },
	{ "ManagedOOMMemoryPressure", "s", 247 },
	{ "ManagedOOMPreference", "s", 248 },
	{ "ManagedOOMSwap", "s", 247 },
	{ "MemoryAccounting", "b", 0 },
	{ "MemoryHigh", "t", 0 },
	{ "MemoryLimit", "t", 0 },
	{ "MemoryLow", "t", 0 },
	{ "MemoryMax", "t", 0 },
	{ "MemoryMin", "t", 0 },
	{ "MemorySwapMax", "t", 0 },
	{ "OOMPolicy", "s", 253 },
	{ "TasksAccounting", "b", 0 },
	{ "TasksMax", "t", 0 },
	{ "TimeoutStopUSec", "t", 0 },
};

static const struct {
	const char *word; /* before a value */
	char type;
	uint64_t max;
} integers[] = {
	{ "byte", 'y', UINT8_MAX },
	{ "int16", 'n', INT16_MAX },
	{ "uint16", 'q', UINT16_MAX },
	{ "int32", 'i', INT32_MAX },
	{ "uint32", 'u', UINT32_MAX },
	{ "int64", 'x', INT64_MAX },
	{ "uint64", 't', UINT64_MAX },
};
// clang-format on

struct text {
	const char *at;
};

static void skip_blanks(struct text *t)
{
	t->at += strspn(t->at, " \t\n\r");
}

static bool take(struct text *t, const char *token)
{
	size_t len = strlen(token);

	if (strncmp(t->at, token, len) != 0)
		return false;
	t->at += len;
	return true;
}

/* A word of letters and digits, whole. */
static bool take_word(struct text *t, const char *word)
{
	struct text old = *t;

	if (take(t, word) &&
		!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-",
			*t->at ? *t->at : ' '))
		return true;
	*t = old;
	return false;
}

/* ---- one value ---- */

static int take_digits(struct text *t, unsigned int base, uint64_t *ret)
{
	const char *start = t->at;
	uint64_t n = 0;

	for (;; t->at++) {
		char c = *t->at;
		unsigned int digit = c >= '0' && c <= '9'   ? (unsigned int)(c - '0')
				     : c >= 'a' && c <= 'f' ? (unsigned int)(c - 'a') + 10
				     : c >= 'A' && c <= 'F' ? (unsigned int)(c - 'A') + 10
							    : 99;

		if (digit >= base)
			break;
		if (__builtin_mul_overflow(n, (uint64_t)base, &n) ||
			__builtin_add_overflow(n, (uint64_t)digit, &n))
			return -ERANGE;
	}
	*ret = n;
	return t->at > start ? 0 : -EINVAL;
}

/* A number that is not negative: no property on the list has any other. */
static int take_number(struct text *t, uint64_t max, uint64_t *ret)
{
	uint64_t n;
	int r;

	if (take(t, "0x") || take(t, "0X"))
		r = take_digits(t, 16, &n);
	else if (*t->at == '0' && t->at[1] >= '0' && t->at[1] <= '9')
		r = take_digits(t, 8, &n);
	else
		r = take_digits(t, 10, &n);
	if (r < 0)
		return r;
	if (n > max)
		return -ERANGE;
	*ret = n;
	return 0;
}

/* An integer, of `type` if its own is named. */
static int take_integer(struct text *t, char type, uint64_t *ret)
{
	uint64_t max = UINT64_MAX;

	for (size_t i = 0; i < ARRAY_LEN(integers); i++) {
		char at[3] = { '@', integers[i].type, '\0' };

		if (integers[i].type == type)
			max = integers[i].max;
		if (!take_word(t, integers[i].word) && !take_word(t, at))
			continue;
		if (integers[i].type != type)
			return -EINVAL;
		max = integers[i].max;
		skip_blanks(t);
		break;
	}
	return take_number(t, max, ret);
}

static int take_bool(struct text *t, struct arena *arena, const char **ret)
{
	if (take_word(t, "boolean") || take_word(t, "@b"))
		skip_blanks(t);
	if (take_word(t, "true"))
		*ret = "1";
	else if (take_word(t, "false"))
		*ret = "0";
	else
		return -EINVAL;
	return 0;
}

/* The property's words are plain: an escape or a control character in one is no value of any. */
static int take_string(struct text *t, struct arena *arena, const char **ret)
{
	const char *start;
	char quote;

	if (take_word(t, "string") || take_word(t, "@s"))
		skip_blanks(t);
	quote = *t->at;
	if (quote != '\'' && quote != '"')
		return -EINVAL;
	start = ++t->at;
	while (*t->at && *t->at != quote) {
		if ((unsigned char)*t->at < 0x20 || (unsigned char)*t->at > 0x7e || *t->at == '\\')
			return -EINVAL;
		t->at++;
	}
	if (*t->at != quote)
		return -EINVAL;
	*ret = arena_strndup(arena, start, (size_t)(t->at - start));
	t->at++;
	return *ret ? 0 : -ENOMEM;
}

static int take_bytes(struct text *t, struct arena *arena, const char **ret)
{
	auto_done(buf) struct buf hex = { 0 };

	if (take_word(t, "@ay"))
		skip_blanks(t);
	if (!take(t, "["))
		return -EINVAL;
	for (bool first = true;; first = false) {
		uint64_t byte;
		int r;

		skip_blanks(t);
		if (first && take(t, "]"))
			break;
		r = take_integer(t, 'y', &byte);
		if (r < 0)
			return r;
		buf_addf(&hex, "%02x", (unsigned int)byte);
		skip_blanks(t);
		if (take(t, "]"))
			break;
		if (!take(t, ","))
			return -EINVAL;
	}
	*ret = buf_ok(&hex) == 0 ? arena_strdup(arena, hex.len ? hex.data : "") : NULL;
	return *ret ? 0 : -ENOMEM;
}

static int take_value(struct text *t, const char *type, struct arena *arena, const char **ret)
{
	uint64_t n;
	int r;

	if (str_eq(type, "b"))
		return take_bool(t, arena, ret);
	if (str_eq(type, "s"))
		return take_string(t, arena, ret);
	if (str_eq(type, "ay"))
		return take_bytes(t, arena, ret);
	r = take_integer(t, 't', &n);
	if (r == 0) {
		*ret = arena_printf(arena, "%" PRIu64, n);
		r = *ret ? 0 : -ENOMEM;
	}
	return r;
}

int unit_value_parse(
	const char *text, const char *type, struct arena *arena, const char **ret, struct err *err)
{
	struct text t = { text };
	const char *value = NULL;
	int r = strlen(text) > TEXT_LEN_MAX ? -EINVAL : 0;

	if (r == 0) {
		skip_blanks(&t);
		r = take_value(&t, type, arena, &value);
	}
	if (r == 0) {
		skip_blanks(&t);
		r = *t.at ? -EINVAL : 0;
	}
	if (r == -ENOMEM)
		return err_oom(err);
	if (r < 0)
		return err_set(err, -EINVAL, "'%.80s' is not a value of the type '%s'", text, type);
	*ret = value;
	return 0;
}

/* ---- the annotations ---- */

static const struct property *find(const char *name, size_t len, const char *suffix)
{
	for (size_t i = 0; i < ARRAY_LEN(allowed); i++) {
		const char *p = allowed[i].name;

		if (strncmp(p, name, len) == 0 && str_eq(p + len, suffix))
			return &allowed[i];
	}
	return NULL;
}

static int in_usec(const char **value, struct arena *arena, struct err *err)
{
	uint64_t n;

	if (str_to_u64(*value, UINT64_MAX, &n) < 0 ||
		(n != UINT64_MAX && __builtin_mul_overflow(n, (uint64_t)USEC_PER_SEC, &n)))
		return err_set(err, -EINVAL, "%s seconds are too many", *value);
	*value = arena_printf(arena, "%" PRIu64, n);
	return *value ? 0 : err_oom(err);
}

int unit_value_annotation(const char *key, const char *text, struct arena *arena,
	const char **ret_name, const char **ret_value, struct err *err)
{
	const char *name = key + strlen(UNIT_ANNOTATION), *value;
	size_t len = strlen(name);
	const struct property *p = find(name, len, "");
	bool seconds = false;
	int r;

	if (!p && str_ends(name, "Sec")) {
		p = find(name, len - 3, "USec");
		seconds = p != NULL;
	}
	if (!p)
		return err_set(err, -EPERM,
			"annotation '%.120s': a container may not set this property of its unit",
			key);
	r = unit_value_parse(text, p->type, arena, &value, err);
	if (r == 0 && seconds)
		r = in_usec(&value, arena, err);
	if (r == -ENOMEM)
		return r;
	if (r < 0)
		return err_in(err, "annotation '%.120s'", key);
	*ret_name = p->since ? arena_printf(arena, "%s@%u", p->name, p->since) : p->name;
	*ret_value = arena_printf(arena, "%s:%s", p->type, value);
	return *ret_name && *ret_value ? 0 : err_oom(err);
}
