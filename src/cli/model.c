/* SPDX-License-Identifier: MIT */
#include "cli/model.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>

#include "util/log.h"

#define MICRO_USD_PER_CENT 10000ULL

static edr_s64 unix_now(void *ctx)
{
	struct timespec ts;

	(void)ctx;
	clock_gettime(CLOCK_REALTIME, &ts);
	return (edr_s64)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* In the duty's thread; its text is in ID.analysis. */
static void on_verdict(void *ctx, const char *id, unsigned severity, const char *text, size_t len)
{
	(void)ctx;
	(void)text;
	(void)len;
	log_info("analyze", "%s: severity %u with the model's answer", id, severity);
}

/* A core has all of our memory, the API key too; a pipe in core_pattern knows no limit. */
static void dump_no_core(void)
{
	const struct rlimit none = { 0, 0 };

	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0 || setrlimit(RLIMIT_CORE, &none) != 0)
		log_warn("analyze", "a core of this process would have the API key: %s",
			 strerror(errno));
}

int model_wanted(struct model *m, const struct conf *conf, char *err, size_t err_size)
{
	int failure = 0;
	bool wanted;

	if (!m->key)
		failure = client_key(&m->key, conf->api_key_file, conf->api_key, err, err_size);
	if (failure)
		return failure;
	if (*m->key)
		dump_no_core();
	wanted = *m->key || strcmp(conf->api_base, CONF_API_BASE) != 0;
	if (wanted && strcmp(conf->redact, "off") == 0 &&
	    !client_base_is_loopback(conf->api_base)) {
		snprintf(err, err_size,
			 "redact = off, and api_base is not of this host: secrets would leave it");
		return -EPERM;
	}
	return wanted;
}

int model_fork(struct model *m, const struct conf *conf, char *err, size_t err_size)
{
	const struct client_config cfg = { .user = conf->client_user };
	const char *degraded = NULL;
	int wanted = model_wanted(m, conf, err, err_size);

	client_key_hide("OPENAI_API_KEY");
	if (wanted <= 0)
		return wanted;
	wanted = client_start(&m->client, &cfg, &degraded, err, err_size);
	if (!wanted && degraded)
		log_warn("analyze", "%s", degraded);
	return wanted;
}

static enum duty_when when_of(const char *name)
{
	static const char *const names[] = { "never", "findings", "changed", "always" };
	size_t i = 0;

	while (i < DUTY_ALWAYS && strcmp(name, names[i]) != 0)
		i++;
	return (enum duty_when)i;
}

void model_config(struct model *m, const struct conf *conf)
{
	m->duty = (struct duty_config){
		.server = conf->api_base,
		.prompt = { .model = conf->model,
			    .max_lines = conf->max_summary_lines,
			    .full_lines = conf->max_summary_lines,
			    .max_tokens = conf->prompt_tokens,
			    .max_answer_tokens = conf->answer_tokens,
			    .unredacted = client_base_is_loopback(conf->api_base) },
		.max_waiting = conf_sizes(conf).waiting,
		.max_age_h = conf->queue_hours,
		.requests_a_day = conf->max_requests_day,
		.tokens_a_day = conf->max_tokens_day,
		.micro_usd_a_day = conf->max_cents_day * MICRO_USD_PER_CENT,
		.input_cents = conf->input_cents,
		.output_cents = conf->output_cents,
		.batch = conf->batch,
		.keep_exchanges = conf->keep_exchanges,
		.keep_days = conf->keep_exchanges_days,
		.key = &m->chain,
		.on_verdict = on_verdict,
		.now_ns = unix_now,
	};
	m->duty.when[LEVEL_CELL] = when_of(conf->analyze_cells);
	m->duty.when[LEVEL_BLOCK] = when_of(conf->analyze_blocks);
	m->duty.when[LEVEL_DAILY] = when_of(conf->analyze_daily);
	m->duty.when[LEVEL_WEEKLY] = when_of(conf->analyze_weekly);
	m->duty.when[LEVEL_MONTHLY] = when_of(conf->analyze_monthly);
}

int model_open(struct model *m, const struct conf *conf, char *err, size_t err_size)
{
	int failure = client_where(&m->where, conf->api_base, conf->proxy, conf->ca_file,
				   conf->insecure_http, err, err_size);

	if (!failure && *conf->chain_key_file)
		failure = chain_key_load(&m->chain, conf->chain_key_file, err, err_size);
	if (failure)
		return failure;
	model_config(m, conf);
	m->transport = (struct duty_client){ .client = m->client,
					     .where = &m->where,
					     .key = m->key,
					     .connect_timeout_s = conf->connect_timeout,
					     .timeout_s = conf->request_timeout };
	m->duty.transport = &duty_client_transport;
	m->duty.transport_ctx = &m->transport;
	return 0;
}

static int start_tidying(struct model *m, const struct conf *conf, char *err, size_t err_size)
{
	int failure = report_store_open(&m->store, conf->reports_dir, err, err_size);

	if (failure)
		return failure;
	m->duty = (struct duty_config){ .store = m->store,
					.keep_days = conf->keep_exchanges_days,
					.now_ns = unix_now };
	duty_tidy(&m->duty);
	__atomic_store_n(&m->tidies, true, __ATOMIC_RELEASE);
	return 0;
}

static bool is_daily(const char *path)
{
	const char *slash = strrchr(path, '/');

	return strncmp(slash ? slash + 1 : path, "daily-", 6) == 0;
}

int model_start(struct model *m, const struct conf *conf, char *err, size_t err_size)
{
	struct duty *thread;
	int failure;

	if (!m->client)
		return start_tidying(m, conf, err, err_size);
	failure = model_open(m, conf, err, err_size);
	if (!failure)
		failure = report_store_open(&m->store, conf->reports_dir, err, err_size);
	m->duty.store = m->store;
	if (!failure)
		failure = duty_start(&thread, &m->duty, err, err_size);
	if (!failure)
		__atomic_store_n(&m->thread, thread, __ATOMIC_RELEASE);
	return failure;
}

void model_offer(struct model *m, const char *path)
{
	struct duty *thread = __atomic_load_n(&m->thread, __ATOMIC_ACQUIRE);

	if (thread)
		duty_offer(thread, path);
	else if (is_daily(path) && __atomic_load_n(&m->tidies, __ATOMIC_ACQUIRE))
		duty_tidy(&m->duty);
}

void model_close(struct model *m)
{
	duty_stop(m->thread);
	client_stop(m->client);
	client_where_free(&m->where);
	client_key_free(m->key);
	chain_key_wipe(&m->chain);
	report_store_close(m->store);
	memset(m, 0, sizeof(*m));
}
