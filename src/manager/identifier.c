/* SPDX-License-Identifier: Apache-2.0 */
/* The texts are containerd's, for people search the net for them; what is quoted of a client's word
 * is cut, so that the reason behind it is not. */
#include "manager/identifier.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/str.h"

#define LABEL_MAX 4096
#define QUOTE_MAX 100

static bool is_alnum(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_grammar(const char *s, size_t n)
{
	bool before = false;

	for (size_t i = 0; i < n; i++) {
		bool now = is_alnum(s[i]);

		if (!now && (!before || !strchr("._-", s[i])))
			return false;
		before = now;
	}
	return before;
}

static int check(const char *id, size_t n, struct err *err)
{
	if (n == 0)
		return err_set(err, -EINVAL, "identifier must not be empty");
	if (n > IDENTIFIER_MAX)
		return err_set(err, -EINVAL,
			"identifier \"%.*s\" greater than maximum length (%d characters)",
			QUOTE_MAX, id, IDENTIFIER_MAX);
	if (!is_grammar(id, n))
		return err_set(err, -EINVAL,
			"identifier \"%.*s\" must match ^[A-Za-z0-9]+(?:[._-](?:[A-Za-z0-9]+))*$",
			(int)n, id);
	return 0;
}

int identifier_check(const char *id, struct err *err)
{
	return check(id, strlen(id), err);
}

int identifier_check_label(const char *key, const char *value, struct err *err)
{
	size_t size = strlen(key) + strlen(value);

	if (size <= LABEL_MAX)
		return 0;
	return err_set(err, -EINVAL,
		"label key and value length (%zu bytes) greater than maximum size (%d bytes), key: "
		"%.64s",
		size, LABEL_MAX, key);
}

int identifier_check_topic(const char *topic, struct err *err)
{
	if (!*topic)
		return err_set(err, -EINVAL, "envelope topic \"\": must not be empty");
	if (*topic != '/')
		return err_set(err, -EINVAL, "envelope topic \"%.*s\": must start with '/'",
			QUOTE_MAX, topic);
	if (!topic[1])
		return err_set(
			err, -EINVAL, "envelope topic \"/\": must have at least one component");
	for (const char *p = topic; *p;) {
		size_t n = strcspn(p + 1, "/");

		if (check(p + 1, n, err) < 0)
			return err_in(err,
				"envelope topic \"%.*s\": failed validation on component \"%.*s\"",
				QUOTE_MAX, topic, (int)(n > QUOTE_MAX ? QUOTE_MAX : n), p + 1);
		p += 1 + n;
		if (*p == '/' && !p[1])
			return err_set(err, -EINVAL,
				"envelope topic \"%.*s\": failed validation on component \"\": "
				"identifier must not be empty",
				QUOTE_MAX, topic);
	}
	return 0;
}

static bool is_sum(const char *s)
{
	size_t n = 0;

	while ((s[n] >= '0' && s[n] <= '9') || (s[n] >= 'a' && s[n] <= 'f'))
		n++;
	return n == 64 && !s[n];
}

int identifier_check_digest(const char *digest, struct err *err)
{
	if (str_starts(digest, "sha256:") && is_sum(digest + strlen("sha256:")))
		return 0;
	if (strchr(digest, ':') && !str_starts(digest, "sha256:"))
		return err_set(err, -EINVAL, "unsupported digest algorithm");
	return err_set(err, -EINVAL, "invalid checksum digest %s",
		str_starts(digest, "sha256:") ? "length" : "format");
}
