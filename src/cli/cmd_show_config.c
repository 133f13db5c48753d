/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "util/buf.h"
#include "util/text.h"

int cmd_show_config(const struct options *o)
{
	struct conf_set *set = NULL;
	struct buf shown = { 0 };
	char err[CLI_ERR_MAX];
	char *file = NULL;
	int status;

	if (o->sample || o->roff) {
		(o->sample ? conf_print_sample : conf_print_roff)(stdout);
		return 0;
	}
	status = options_conf(o, &set, &file, err, sizeof(err));
	if (status != 0)
		return cli_fail(status, err);
	if (o->json) {
		conf_print_json(set, stdout);
	} else {
		if (file)
			text_term(&shown, file, strlen(file));
		printf("# configuration file: %s\n", file ? shown.data : "none");
		conf_print(set, stdout);
	}
	buf_free(&shown);
	conf_free(set);
	free(file);
	return 0;
}
