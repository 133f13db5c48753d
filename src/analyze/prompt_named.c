/* SPDX-License-Identifier: MIT */
/*
 * Details are written as (detect/signal.c)
 *
 *	PATH (uid 33) started PATH: the command line
 *
 * Only the two paths say what a finding is about: a command line says what its writer likes. Whoever
 * writes such a text into the name of a program names one row more by it, and no more than one.
 */
#include <string.h>

#include "analyze/prompt_private.h"
#include "report/read.h"

#define CUT_AFTER 200 /* bytes of a path in details; then "..." */
#define HEAD 512      /* both paths stand in it */

static const char *const verbs[] = { " started ", " tried ", " connects to " };

/* Behind the first verb. */
static size_t find_object(const struct buf *text)
{
	size_t first = 0;

	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		const size_t len = strlen(verbs[i]);
		const char *found = memmem(text->data, text->len, verbs[i], len);
		const size_t at = found ? (size_t)(found - text->data) + len : 0;

		if (at && (!first || at < first))
			first = at;
	}
	return first;
}

void prompt_named_add(struct prompt_named *n, struct wire_span details)
{
	struct buf all = { 0 }, *text;

	if (n->n < PROMPT_DETAILS && jr_string(details, &all) && all.len) {
		text = &n->details[n->n];
		buf_add(text, all.data, all.len < HEAD ? all.len : HEAD);
		if (!text->failed)
			n->object[n->n++] = find_object(text);
		n->failed |= text->failed;
	}
	n->failed |= all.failed;
	buf_free(&all);
}

/* Is it `name`, and then one of these characters, or a blank and a bracket, or the end? */
static bool begins(const char *text, size_t len, const struct buf *name, const char *ends)
{
	const size_t most = name->len > CUT_AFTER ? CUT_AFTER : name->len;

	if (len < most || memcmp(text, name->data, most) != 0)
		return false;
	text += most;
	len -= most;
	if (name->len > most)
		return len >= 3 && memcmp(text, "...", 3) == 0;
	return !len || (*text && strchr(ends, *text)) || (len > 6 && !memcmp(text, " (uid ", 6));
}

static bool names(const struct buf *text, size_t object, const struct buf *name)
{
	if (begins(text->data, text->len, name, ""))
		return true;
	if (!object)
		return false;
	object += text->data[object] == '[' && name->data[0] != '['; /* of IPv6 */
	return begins(text->data + object, text->len - object, name, ":;],");
}

bool prompt_is_named(struct prompt_named *n, struct wire_span name)
{
	struct buf bytes = { 0 };
	bool found = false;

	if (n->n && jr_string(name, &bytes) && bytes.len)
		for (size_t i = 0; i < n->n && !found; i++)
			found = names(&n->details[i], n->object[i], &bytes);
	n->failed |= bytes.failed;
	buf_free(&bytes);
	return found;
}

void prompt_named_free(struct prompt_named *n)
{
	for (size_t i = 0; i < PROMPT_DETAILS; i++)
		buf_free(&n->details[i]);
	memset(n, 0, sizeof(*n));
}
