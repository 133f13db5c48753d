/* SPDX-License-Identifier: MIT */
/* Could the language model be asked? Nobody is. */
#include "cli/check.h"
#include "cli/model.h"

/* As `run` does it: forks the client, waits for its word that it is locked down, ends it. */
static void check_client(struct check *c)
{
	const struct client_config cfg = { .user = c->conf->client_user };
	const char *degraded = NULL;
	struct client *client = NULL;
	char err[400] = "";

	if (client_start(&client, &cfg, &degraded, err, sizeof(err)) != 0)
		check_add(c, "model client", CHECK_GAP, err, "without it no model is asked");
	else if (degraded)
		check_add(c, "model client", CHECK_NOTE, degraded, "");
	else
		check_add(c, "model client", CHECK_OK, "can be locked down", "");
	client_stop(client);
}

void check_model(struct check *c)
{
	const struct conf *conf = c->conf;
	struct model m = { .client = NULL };
	char err[400] = "";
	int wanted = model_wanted(&m, conf, err, sizeof(err));

	if (wanted == 0) {
		check_add(c, "model", CHECK_OK, "none is to be asked: no key, no api_base", "");
	} else if (wanted < 0) {
		check_add(c, "model", CHECK_GAP, err, "until then no model is asked");
	} else if (model_open(&m, conf, err, sizeof(err)) != 0) {
		check_add(c, "model", CHECK_GAP, err, "until then no model is asked");
	} else {
		check_add(c, "model", CHECK_OK,
			  *m.key ? "api_base, CA and key can be read; the server was not asked"
				 : "api_base and CA can be read, without a key; the server was not "
				   "asked",
			  "");
		check_client(c);
	}
	model_close(&m);
}
