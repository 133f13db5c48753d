/* SPDX-License-Identifier: MIT */
#include <bpf/libbpf.h>
#include <json-c/json.h>
#include <stdio.h>

#include "cli/cli.h"
#include "edr_version.h"

int cmd_version(const struct options *o)
{
	if (o->json) {
		printf("{ \"name\": \"%s\", \"version\": \"%s\", \"commit\": \"%s\", \"libbpf\": "
		       "\"%d.%d\", "
		       "\"json_c\": \"%s\" }\n",
		       CLI_NAME, EDR_VERSION, EDR_GIT_COMMIT, libbpf_major_version(),
		       libbpf_minor_version(), json_c_version());
		return 0;
	}
	printf("%s %s%s%s%s\nlibbpf %d.%d, json-c %s\n", CLI_NAME, EDR_VERSION,
	       *EDR_GIT_COMMIT ? " (commit " : "", EDR_GIT_COMMIT, *EDR_GIT_COMMIT ? ")" : "",
	       libbpf_major_version(), libbpf_minor_version(), json_c_version());
	return 0;
}
