// SPDX-License-Identifier: MIT
/* The lines that say what was done; see truth.h. */
#include <stdio.h>
#include <string.h>

#include "truth.h"

/* Standard output is the place; a comma is due before the next member. */
static bool comma;

static void put_hex(const void *data, size_t len)
{
	const unsigned char *byte = data;

	fputs("{\"hex\":\"", stdout);
	while (len--)
		printf("%02x", *byte++);
	fputs("\"}", stdout);
}

static void put_value(const void *data, size_t len)
{
	const unsigned char *byte = data;
	size_t i;

	for (i = 0; i < len; i++)
		if (byte[i] < ' ' || byte[i] > '~' || byte[i] == '"' || byte[i] == '\\') {
			put_hex(data, len);
			return;
		}
	putchar('"');
	fwrite(data, 1, len, stdout);
	putchar('"');
}

static void put_key(const char *key)
{
	printf("%s\"%s\":", comma ? "," : "", key);
	comma = true;
}

void line_begin(const struct truth *t, const char *type, pid_t pid, int64_t after, int64_t before)
{
	printf("{\"scenario\":\"%s\",\"n\":%u,\"type\":\"%s\",\"pid\":%d,\"after\":%lld,\"before\":"
	       "%lld,\"want\":{",
	       t->scenario, t->i, type, pid, (long long)after, (long long)before);
	comma = false;
}

void line_num(const char *key, long long value)
{
	put_key(key);
	printf("%lld", value);
}

void line_hex(const char *key, unsigned long long value)
{
	put_key(key);
	printf("\"0x%llx\"", value);
}

void line_bool(const char *key, bool value)
{
	put_key(key);
	fputs(value ? "true" : "false", stdout);
}

void line_null(const char *key)
{
	put_key(key);
	fputs("null", stdout);
}

void line_absent(const char *key)
{
	put_key(key);
	fputs("{\"absent\":true}", stdout);
}

void line_text(const char *key, const char *value)
{
	line_bytes(key, value, strlen(value));
}

void line_bytes(const char *key, const void *data, size_t len)
{
	put_key(key);
	put_value(data, len);
}

void line_list(const char *key, char *const *items)
{
	put_key(key);
	putchar('[');
	for (comma = false; *items; items++) {
		if (comma)
			putchar(',');
		comma = true;
		put_value(*items, strlen(*items));
	}
	putchar(']');
	comma = true;
}

void line_words(const char *key, const char *words)
{
	put_key(key);
	putchar('[');
	while (*words) {
		size_t len = strcspn(words, " ");

		put_value(words, len);
		words += len;
		words += strspn(words, " ");
		if (*words)
			putchar(',');
	}
	putchar(']');
}

void line_hexes(const char *key, const unsigned long long *values, size_t n)
{
	size_t i;

	put_key(key);
	putchar('[');
	for (i = 0; i < n; i++)
		printf("%s\"0x%llx\"", i ? "," : "", values[i]);
	putchar(']');
}

void line_mode(const char *mode)
{
	printf("},\"%s\":{", mode);
	comma = false;
}

void line_unseen(const char *mode)
{
	printf("},\"%s_unseen\":{", mode);
	comma = false;
}

void line_may(const char *flag)
{
	printf("},\"may_%s\":{", flag);
	comma = false;
}

void line_end(void)
{
	puts("}}");
}

void line_own(const struct truth *t, pid_t pid, int64_t after, int64_t before)
{
	line_begin(t, "own", pid, after, before);
	line_end();
}
