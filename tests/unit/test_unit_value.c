/* SPDX-License-Identifier: Apache-2.0 */
/* Properties by annotation: a list of names, and GVariant's text for values. */
#include "test.h"

#include "base/mem.h"
#include "container/unit_value.h"

static void assert_value(const char *text, const char *type, const char *wanted)
{
	struct arena arena = { 0 };
	struct err err = { 0 };
	const char *got = NULL;
	int r = unit_value_parse(text, type, &arena, &got, &err);

	if (wanted && r < 0)
		fail_msg("%s: %s", text, err.text);
	if (!wanted)
		assert_int_equal(r, -EINVAL);
	else
		assert_string_equal(got, wanted);
	arena_done(&arena);
}

TEST(numbers)
{
	assert_value("5", "t", "5");
	assert_value(" 5\n", "t", "5");
	assert_value("uint64 5", "t", "5");
	assert_value("@t 5", "t", "5");
	assert_value("0x10", "t", "16");
	assert_value("010", "t", "8");
	assert_value("0", "t", "0");
	assert_value("18446744073709551615", "t", "18446744073709551615");
	assert_value("18446744073709551616", "t", NULL);
	assert_value("-1", "t", NULL);
	assert_value("+1", "t", NULL);
	assert_value("1.5", "t", NULL);
	assert_value("1e3", "t", NULL);
	assert_value("int32 5", "t", NULL);
	assert_value("uint64", "t", NULL);
	assert_value("uint645", "t", NULL);
	assert_value("08", "t", NULL);
	assert_value("0x", "t", NULL);
	assert_value("", "t", NULL);
	assert_value("5 6", "t", NULL);
	assert_value("'5'", "t", NULL);
}

TEST(truth)
{
	assert_value("true", "b", "1");
	assert_value("boolean false", "b", "0");
	assert_value("@b true", "b", "1");
	assert_value("True", "b", NULL);
	assert_value("1", "b", NULL);
	assert_value("truest", "b", NULL);
}

TEST(words)
{
	assert_value("'inactive-or-failed'", "s", "inactive-or-failed");
	assert_value("\"kill\"", "s", "kill");
	assert_value("string ''", "s", "");
	assert_value("@s 'it is'", "s", "it is");
	assert_value("\"it's\"", "s", "it's");
	assert_value("plain", "s", NULL);
	assert_value("'open", "s", NULL);
	assert_value("'a\\nb'", "s", NULL);
	assert_value("'a\nb'", "s", NULL);
	assert_value("'a' 'b'", "s", NULL);
	assert_value("'\xc3\xa4'", "s", NULL);
	assert_value("5", "s", NULL);
}

TEST(bytes)
{
	assert_value("[]", "ay", "");
	assert_value("@ay []", "ay", "");
	assert_value("[byte 0x0f, 1]", "ay", "0f01");
	assert_value("[ 255 ]", "ay", "ff");
	assert_value("[256]", "ay", NULL);
	assert_value("[1,]", "ay", NULL);
	assert_value("[1", "ay", NULL);
	assert_value("[1 2]", "ay", NULL);
	assert_value("[uint32 1]", "ay", NULL);
	assert_value("0x0f", "ay", NULL);
}

TEST(a_text_without_end_is_refused)
{
	char text[6000];

	memset(text, ' ', sizeof(text));
	text[sizeof(text) - 2] = '5';
	text[sizeof(text) - 1] = '\0';
	assert_value(text, "t", NULL);
}

static int annotation(const char *key, const char *text, char out[128], struct err *err)
{
	struct arena arena = { 0 };
	const char *name, *value;
	int r = unit_value_annotation(key, text, &arena, &name, &value, err);

	snprintf(out, 128, "%s=%s", r < 0 ? "" : name, r < 0 ? "" : value);
	arena_done(&arena);
	return r;
}

TEST(properties_on_the_list_are_taken)
{
	struct err err = { 0 };
	char word[128];

	assert_ok(annotation(UNIT_ANNOTATION "TasksMax", "uint64 7", word, &err));
	assert_string_equal(word, "TasksMax=t:7");
	assert_ok(annotation(UNIT_ANNOTATION "CollectMode", "'inactive'", word, &err));
	assert_string_equal(word, "CollectMode=s:inactive");
	assert_ok(annotation(UNIT_ANNOTATION "TimeoutStopUSec", "5000", word, &err));
	assert_string_equal(word, "TimeoutStopUSec=t:5000");
	assert_ok(annotation(UNIT_ANNOTATION "TimeoutStopSec", "5", word, &err));
	assert_string_equal(word, "TimeoutStopUSec=t:5000000");
	assert_ok(annotation(UNIT_ANNOTATION "OOMPolicy", "'kill'", word, &err));
	assert_string_equal(word, "OOMPolicy@253=s:kill");
	assert_ok(annotation(UNIT_ANNOTATION "MemoryAccounting", "true", word, &err));
	assert_string_equal(word, "MemoryAccounting=b:1");
}

TEST(all_others_are_refused_by_name)
{
	static const char *const names[] = { "ExecStartPre", "ExecStart", "ExecStopPost", "User",
		"RootDirectory", "Slice", "Delegate", "PIDs", "OnFailure", "BindsTo", "DeviceAllow",
		"DevicePolicy", "Environment", "Description", "", "Tasks", "TasksMaxx", "tasksmax",
		"TasksMax=t:1", "Sec", "CPUQuotaPerSec", "TasksMaxSec", "CPUQuotaPeriodUSecSec" };
	char key[128], word[128];

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct err err = { 0 };

		snprintf(key, sizeof(key), UNIT_ANNOTATION "%s", names[i]);
		assert_int_equal(annotation(key, "'x'", word, &err), -EPERM);
		assert_text_has(err.text, key);
		assert_text_has(err.text, "may not set this property");
	}
}

TEST(a_wrong_value_names_its_annotation)
{
	struct err err = { 0 };
	char word[128];

	assert_int_equal(annotation(UNIT_ANNOTATION "TasksMax", "'many'", word, &err), -EINVAL);
	assert_string_equal(err.text, "annotation 'org.systemd.property.TasksMax': ''many'' is not "
				      "a value of the type 't'");
	assert_int_equal(
		annotation(UNIT_ANNOTATION "TimeoutStopSec", "18446744073709551614", word, &err),
		-EINVAL);
	assert_text_has(err.text, "seconds are too many");
}
