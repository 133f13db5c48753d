/* SPDX-License-Identifier: MIT */
#include "prompt_made.h"

#include <check.h>
#include <string.h>

#include "util/text.h"

struct prompt_config prompt_made_config(void)
{
	return (struct prompt_config){ .model = "gpt-4o-mini",
				       .max_lines = 50,
				       .max_tokens = 6000,
				       .max_answer_tokens = 1000,
				       .nonce = PROMPT_MADE_NONCE };
}

static void add_string(struct buf *b, const char *name, const char *value, size_t len)
{
	buf_addf(b, "\"%s\": ", name);
	text_json(b, value, len);
}

void prompt_made_finding(struct prompt_made *r, const char *id, unsigned severity,
			 const char *details)
{
	buf_adds(&r->findings, r->findings.len ? ",\n{ " : "{ ");
	add_string(&r->findings, "id", id, strlen(id));
	buf_addf(&r->findings, ", \"time\": \"2026-11-21T21:07:12.000000001Z\", \"severity\": %u, ",
		 severity);
	add_string(&r->findings, "title", "a title", 7);
	buf_adds(&r->findings, ", ");
	add_string(&r->findings, "details", details, strlen(details));
	buf_adds(&r->findings, ", \"technique\": \"T1505.003\" }");
}

void prompt_made_executable(struct prompt_made *r, const char *path, unsigned runs,
			    const char *marks, const char *line)
{
	struct buf *b = &r->executables;

	buf_adds(b, b->len ? ",\n{ " : "{ ");
	add_string(b, "path", path, strlen(path));
	buf_addf(b, ", \"runs\": %u, \"failed_runs\": 0, \"users\": { \"33\": %u }, ", runs, runs);
	buf_adds(b, "\"parents\": { ");
	text_json(b, path, strlen(path));
	buf_adds(b, ": 1 }, \"command_lines\": [ { ");
	add_string(b, "command_line", line, strlen(line));
	buf_addf(b, " } ]%s%s }", *marks ? ", \"baseline\": " : "", marks);
}

void prompt_made_connection(struct prompt_made *r, const char *address, const char *marks)
{
	struct buf *b = &r->connections;

	buf_adds(b, b->len ? ",\n{ \"executable\": \"/usr/bin/nc\", "
			   : "{ \"executable\": \"/usr/bin/nc\", ");
	add_string(b, "address", address, strlen(address));
	/* One that has no name is a number. */
	buf_addf(b, ", \"port\": 4444, \"protocol\": %s, \"connects\": 1%s%s }",
		 b->len % 2 ? "\"IPPROTO_TCP\"" : "143", *marks ? ", \"baseline\": " : "", marks);
}

void prompt_made_text(const struct prompt_made *r, struct buf *out)
{
	buf_addf(out,
		 "{ \"level\": \"%s\", \"report_id\": \"%s-x\", \"host\": { \"name\": "
		 "\"secrethost\", "
		 "\"machine_id\": \"secretid\", \"kernel\": \"6.1\" }, \"window_start\": "
		 "\"2026-11-21T21:00:00Z\", \"redaction\": { \"mode\": \"on\" }, \"window_end\": "
		 "\"2026-11-21T21:15:00Z\", \"window\": { "
		 "\"seconds\": 900, \"covered_seconds\": 899.5 }, \"severity\": 4,%s "
		 "\"findings\": [ %s ], \"loss\": { \"total\": 7, \"blind_seconds\": 2, \"blind\": "
		 "[ "
		 "] }, \"executables\": [ %s ], \"connections\": [ %s ] }",
		 r->level, r->level, r->more ? r->more : "",
		 r->findings.data ? r->findings.data : "",
		 r->executables.data ? r->executables.data : "",
		 r->connections.data ? r->connections.data : "");
	ck_assert(!out->failed);
}

void prompt_made_free(struct prompt_made *r)
{
	buf_free(&r->findings);
	buf_free(&r->executables);
	buf_free(&r->connections);
}

int prompt_made_make(const struct prompt_made *r, const struct prompt_config *cfg, struct prompt *p)
{
	struct buf text = { 0 };
	int err;

	prompt_made_text(r, &text);
	err = prompt_make(p, cfg, text.data, text.len);
	buf_free(&text);
	return err;
}

json_object *prompt_made_at(json_object *o, const char *key)
{
	json_object *v = NULL;

	ck_assert_msg(json_object_object_get_ex(o, key, &v), "no member %s", key);
	return v;
}
