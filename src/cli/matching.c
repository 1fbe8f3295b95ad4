/* SPDX-License-Identifier: Apache-2.0 */
/* Matching: the ids are taken once; one that has gone meanwhile is no failure. */
#include "cli/matching.h"

#include <errno.h>
#include <regex.h>

static int each_of(struct cli *cli, const regex_t *re, struct state_dir *d, matching_fn *each,
	void *arg, struct err *err)
{
	int result = 0;
	char **ids;
	size_t n;
	int r = state_list(d, &ids, &n, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++) {
		struct err e = { 0 };

		if (regexec(re, ids[i], 0, NULL, 0) != 0)
			continue;
		r = each(cli, ids[i], arg, &e);
		if (r == 0 || r == -ENOENT || result < 0)
			continue;
		*err = e;
		result = r;
	}
	state_list_free(ids, n);
	return result;
}

int matching_each(
	struct cli *cli, const char *pattern, matching_fn *each, void *arg, struct err *err)
{
	struct state_dir d = STATE_DIR_NULL;
	char why[128];
	regex_t re;
	int r = regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB);

	if (r != 0) {
		regerror(r, &re, why, sizeof(why));
		return err_set(err, -EINVAL, "regular expression '%s': %s", pattern, why);
	}
	r = cli_open_state(cli, false, &d, err);
	if (r == 0)
		r = each_of(cli, &re, &d, each, arg, err);
	else if (r == -ENOENT) /* nothing was ever run here */
		r = 0;
	state_dir_done(&d);
	regfree(&re);
	return r;
}
