// SPDX-License-Identifier: MIT
/* It shares no code with the agent: it takes the strings back to bytes by itself. */
#include "judge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TICK_NS 10000000 /* of /proc, whatever the kernel's own is */
#define ARGV_MAX 28000	 /* bytes of arguments that travel with an exec: docs/events.md */
#define PROBE_ARGV 2560	 /* bytes of arguments that ftrace's probe has: docs/ftrace.md */
#define PROBE_NAME 3999	 /* bytes of a file name that an event of ftrace has room for */

void *must(void *p)
{
	if (!p) {
		perror("compare");
		exit(2);
	}
	return p;
}

struct json_object *get(struct json_object *o, const char *key)
{
	struct json_object *v = NULL;

	json_object_object_get_ex(o, key, &v);
	return v;
}

bool has(struct json_object *o, const char *key)
{
	return json_object_object_get_ex(o, key, NULL);
}

const char *text(struct json_object *o, const char *key)
{
	struct json_object *v = get(o, key);

	return json_object_is_type(v, json_type_string) ? json_object_get_string(v) : "";
}

int64_t number(struct json_object *o, const char *key)
{
	return json_object_get_int64(get(o, key));
}

/* ---- bytes ---- */

struct bytes {
	unsigned char *data;
	size_t len;
	bool mapped; /* some were not UTF-8 */
};

/*
 * A string of the agent back to the bytes that it saw; of the code points only those of the mapping
 * are changed.
 */
static struct bytes from_agent(struct json_object *v)
{
	const unsigned char *s = (const unsigned char *)json_object_get_string(v);
	size_t len = (size_t)json_object_get_string_len(v), i;
	struct bytes b = { must(malloc(len + 1)), 0, false };

	for (i = 0; i < len; i++) {
		/* U+10FF00 to U+10FFFF: f4 8f bc 80 to f4 8f bf bf */
		if (len - i >= 4 && s[i] == 0xf4 && s[i + 1] == 0x8f && s[i + 2] >= 0xbc) {
			b.data[b.len++] =
				(unsigned char)((s[i + 2] & 0x3) << 6 | (s[i + 3] & 0x3f));
			b.mapped = true;
			i += 3;
		} else {
			b.data[b.len++] = s[i];
		}
	}
	return b;
}

static unsigned nibble(char c)
{
	return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
}

/* A string of the truth: plain, or {"hex":...}. */
static struct bytes from_truth(struct json_object *v)
{
	struct bytes b = { NULL, 0, false };
	const char *hex;
	size_t i;

	if (json_object_is_type(v, json_type_string)) {
		b.len = (size_t)json_object_get_string_len(v);
		b.data = must(malloc(b.len + 1));
		memcpy(b.data, json_object_get_string(v), b.len);
		return b;
	}
	hex = text(v, "hex");
	b.len = strlen(hex) / 2;
	b.data = must(malloc(b.len + 1));
	for (i = 0; i < b.len; i++)
		b.data[i] = (unsigned char)(nibble(hex[2 * i]) << 4 | nibble(hex[2 * i + 1]));
	return b;
}

static bool is_hex(struct json_object *v)
{
	return json_object_is_type(v, json_type_object) && has(v, "hex");
}

static bool same_string(struct json_object *want, struct json_object *got, bool only_end)
{
	struct bytes w, g;
	bool same = false;

	if (!json_object_is_type(got, json_type_string))
		return false;
	w = from_truth(want);
	g = from_agent(got);
	if (g.len == w.len || (only_end && g.len < w.len && g.len > 0))
		same = !memcmp(w.data + w.len - g.len, g.data, g.len);
	free(w.data);
	free(g.data);
	return same;
}

static bool has_word(struct json_object *list, const char *word)
{
	size_t i;

	for (i = 0;
	     json_object_is_type(list, json_type_array) && i < json_object_array_length(list); i++)
		if (!strcmp(json_object_get_string(json_object_array_get_idx(list, i)), word))
			return true;
	return false;
}

/* Lists of names and of numbers in hex: the same, in whatever order. */
static bool same_list(struct json_object *want, struct json_object *got)
{
	size_t i, n = json_object_array_length(want);

	if (!json_object_is_type(got, json_type_array) || json_object_array_length(got) != n)
		return false;
	for (i = 0; i < n; i++)
		if (!same_string(json_object_array_get_idx(want, i),
				 json_object_array_get_idx(got, i), false))
			return false;
	return true;
}

static bool same_set(struct json_object *want, struct json_object *got)
{
	size_t i, n = json_object_array_length(want);

	if (!json_object_is_type(got, json_type_array) || json_object_array_length(got) != n)
		return false;
	for (i = 0; i < n; i++)
		if (!has_word(got, json_object_get_string(json_object_array_get_idx(want, i))))
			return false;
	return true;
}

/* All arguments, argv[0] included, each with its NUL. */
static struct bytes argv_block(struct json_object *o, const char *args_key,
			       struct bytes (*from)(struct json_object *))
{
	struct json_object *args = get(o, args_key), *argv0 = get(o, "argv0");
	size_t i,
		n = json_object_is_type(args, json_type_array) ? json_object_array_length(args) : 0;
	struct bytes all = { NULL, 0, false };

	for (i = 0; i <= n; i++) {
		struct json_object *v = i ? json_object_array_get_idx(args, i - 1) : argv0;
		struct bytes one;

		if (!v)
			continue;
		one = from(v);
		all.data = must(realloc(all.data, all.len + one.len + 1));
		memcpy(all.data + all.len, one.data, one.len);
		all.len += one.len;
		all.data[all.len++] = '\0';
		free(one.data);
	}
	return all;
}

/*
 * Marked as truncated: exactly the first ARGV_MAX bytes must be there; g has one NUL more where an
 * argument is cut.
 */
static bool same_cut_args(struct json_object *want, struct json_object *got)
{
	struct bytes w = argv_block(want, "args", from_truth),
		     g = argv_block(got, "args", from_agent);
	bool same = w.len > ARGV_MAX && (g.len == ARGV_MAX || g.len == ARGV_MAX + 1) &&
		    !memcmp(w.data, g.data, ARGV_MAX);

	free(w.data);
	free(g.data);
	return same;
}

/*
 * The mode "names": execs, forks and exits must each be told once, of the right processes and by the right names, and none that
 * did not happen. Arguments must be right where the event says where they came from, and is not truncated; file names unless they
 * are said to be unreadable. All else is not looked at: not every way to trace a host knows it.
 */
static bool looked_at(struct json_object *event, const char *key)
{
	struct json_object *flags = get(event, "record_flags");
	const char *type = text(event, "type");

	if (!strcmp(key, "args"))
		return (has_word(flags, "args_from_probe") || has_word(flags, "args_from_proc")) &&
		       !has_word(flags, "truncated");
	if (!strcmp(key, "filename"))
		return !has_word(flags, "filename_unreadable");
	return (!strcmp(type, "exec") && !strcmp(key, "command")) ||
	       (!strcmp(type, "fork") && !strcmp(key, "child_pid"));
}

/* ---- one line against one event ---- */

static enum aspect aspect_of(const char *key)
{
	static const struct {
		const char *key;
		enum aspect aspect;
	} keys[] = {
		{ "command", NAME },	 { "filename", NAME },	  { "exe", NAME },
		{ "interpreter", NAME }, { "comm", NAME },	  { "argv0", ARGS },
		{ "args", ARGS },	 { "argc", ARGS },	  { "argv_bytes", ARGS },
		{ "address", ADDRESS },	 { "family", ADDRESS },	  { "ip", ADDRESS },
		{ "port", ADDRESS },	 { "abstract", ADDRESS },
	};
	size_t i;

	for (i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		if (!strcmp(key, keys[i].key))
			return keys[i].aspect;
	return OTHER;
}

static bool may(struct json_object *line, struct json_object *event, const char *flag)
{
	char key[64];

	snprintf(key, sizeof(key), "may_%s", flag);
	return has(line, key) && has_word(get(event, "record_flags"), flag);
}

/* key without its suffix in buf; false when it has another. */
static bool ends_in(const char *key, const char *suffix, char *buf, size_t size)
{
	size_t len = strlen(key), cut = strlen(suffix);

	if (len <= cut || strcmp(key + len - cut, suffix))
		return false;
	snprintf(buf, size, "%.*s", (int)(len - cut), key);
	return true;
}

static bool between(struct json_object *v, int64_t low, int64_t high)
{
	return json_object_is_type(v, json_type_int) && json_object_get_int64(v) >= low &&
	       json_object_get_int64(v) <= high;
}

/* Is member `key` of the event what `want` says? */
static bool same_member(struct json_object *line, struct json_object *event, const char *key,
			struct json_object *want)
{
	bool truncated = has_word(get(event, "record_flags"), "truncated");
	struct json_object *got;
	char other[64];

	if (ends_in(key, "_max", other, sizeof(other)))
		return between(get(event, other), 0, json_object_get_int64(want));
	if (ends_in(key, "_tick", other, sizeof(other)))
		return between(get(event, other), json_object_get_int64(want),
			       json_object_get_int64(want) + TICK_NS);
	got = get(event, key);
	if (json_object_is_type(want, json_type_object) && has(want, "absent"))
		return !has(event, key);
	if (!has(event, key))
		return false;
	if (!want)
		return !got;
	if (aspect_of(key) == ARGS && may(line, event, "args_unreadable"))
		return true;
	if (!strcmp(key, "args") && truncated)
		return same_cut_args(get(line, "want"), event);
	if (json_object_is_type(want, json_type_string) || is_hex(want))
		return same_string(want, got,
				   !strcmp(key, "exe") && may(line, event, "path_truncated"));
	if (!strcmp(key, "exec_flags"))
		return same_set(want, got);
	if (json_object_is_type(want, json_type_array))
		return same_list(want, got);
	return json_object_get_type(want) == json_object_get_type(got) &&
	       json_object_equal(want, got);
}

/* What the line wants in this mode; the mode's own members come first. */
static struct json_object *wanted(struct json_object *line, const char *mode, const char *key)
{
	struct json_object *special = get(line, mode);

	return has(special, key) ? get(special, key) : get(get(line, "want"), key);
}

/*
 * Record flags that no line allows, and the mark for strings that are not UTF-8, which must be
 * there with them alone.
 */
static bool same_marks(struct json_object *line, struct json_object *event)
{
	struct json_object *flags = get(event, "record_flags"), *args = get(event, "args");
	static const char *const strings[] = { "command", "filename", "exe",	"interpreter",
					       "comm",	  "argv0",    "address" };
	bool mapped = false;
	struct bytes b;
	size_t i;

	for (i = 0;
	     json_object_is_type(flags, json_type_array) && i < json_object_array_length(flags);
	     i++) {
		const char *flag = json_object_get_string(json_object_array_get_idx(flags, i));

		/*
		 * These are told apart by what they mark: see same_member. address_unverified is
		 * how a mode works.
		 */
		if (strcmp(flag, "truncated") && strcmp(flag, "address_unverified") &&
		    !may(line, event, flag))
			return false;
	}
	for (i = 0; i < sizeof(strings) / sizeof(*strings); i++) {
		if (!json_object_is_type(get(event, strings[i]), json_type_string))
			continue;
		b = from_agent(get(event, strings[i]));
		mapped |= b.mapped;
		free(b.data);
	}
	for (i = 0;
	     json_object_is_type(args, json_type_array) && i < json_object_array_length(args);
	     i++) {
		b = from_agent(json_object_array_get_idx(args, i));
		mapped |= b.mapped;
		free(b.data);
	}
	return mapped == has(event, "non_utf8");
}

/* Does the event itself say that it does not know this for sure? */
static bool is_marked(struct json_object *event, enum aspect a)
{
	static const struct {
		enum aspect aspect;
		const char *flag;
	} marks[] = {
		{ NAME, "filename_unreadable" }, { PATH, "exe_unresolved" },
		{ ARGS, "truncated" },		 { ARGS, "args_unreadable" },
		{ ARGS, "args_from_proc" },	 { ARGS, "args_from_call" },
		{ ADDRESS, "address_unknown" },
	};
	size_t i;

	for (i = 0; i < sizeof(marks) / sizeof(*marks); i++)
		if (marks[i].aspect == a && has_word(get(event, "record_flags"), marks[i].flag))
			return true;
	return false;
}

static void judge_member(struct verdict *v, struct json_object *line, struct json_object *event,
			 const char *key, struct json_object *want, const struct mode *mode)
{
	enum aspect a = aspect_of(key);

	if (mode->names_alone && !looked_at(event, key))
		return;
	if (mode->marks_unknown && (!strcmp(key, "exe") || !strcmp(key, "interpreter")))
		a = PATH;
	v->has[a] = true;
	if (same_member(line, event, key, want))
		return;
	if (mode->marks_unknown && is_marked(event, a)) {
		v->marked[a] = true;
		return;
	}
	v->wrong[a] = true;
	if (!*v->first_wrong)
		snprintf(v->first_wrong, sizeof(v->first_wrong), "%s", key);
}

struct verdict judge(struct json_object *line, struct json_object *event, const struct mode *mode)
{
	struct verdict v = { .first_wrong = "" };

	json_object_object_foreach(get(line, "want"), key, ignored) {
		(void)ignored;
		judge_member(&v, line, event, key, wanted(line, mode->name, key), mode);
	}
	if (has(line, mode->name)) {
		json_object_object_foreach(get(line, mode->name), special, want) {
			if (!has(get(line, "want"), special))
				judge_member(&v, line, event, special, want, mode);
		}
	}
	v.has[OTHER] = true;
	if (!mode->names_alone && !same_marks(line, event)) {
		v.wrong[OTHER] = true;
		if (!*v.first_wrong)
			snprintf(v.first_wrong, sizeof(v.first_wrong), "record_flags or non_utf8");
	}
	v.late =
		!v.wrong[NAME] && !v.wrong[ADDRESS] && has_word(get(event, "record_flags"), "late");
	return v;
}

/*
 * A 32-bit program's stack is read where the kernel has BTF; then a probe also tells that it is
 * one.
 */
static bool fits_probes(struct json_object *line, struct json_object *event)
{
	struct json_object *want = get(line, "want");
	struct bytes name = from_truth(get(want, "filename"));
	bool fits = name.len <= PROBE_NAME && number(want, "argv_bytes") <= PROBE_ARGV &&
		    (!has_word(get(want, "exec_flags"), "compat32") ||
		     has_word(get(event, "exec_flags"), "compat32"));

	free(name.data);
	return fits;
}

struct limits judge_limits(const struct verdict *v, struct json_object *line,
			   struct json_object *event)
{
	static const char *const marks[] = { "truncated", "args_from_proc", "args_unreadable",
					     "filename_unreadable" };
	struct json_object *flags = get(event, "record_flags");
	struct limits l = {
		.fits = fits_probes(line, event),
		.right = !v->wrong[NAME] && !v->marked[NAME] && !v->wrong[ARGS] &&
			 !v->marked[ARGS] && has_word(flags, "args_from_probe"),
	};
	size_t i;

	for (i = 0; i < sizeof(marks) / sizeof(*marks); i++)
		l.marked = l.marked || has_word(flags, marks[i]);
	return l;
}

const struct mode *mode_find(const char *name)
{
	static const struct mode modes[] = {
		{ .name = "default" },
		{ .name = "lean" },
		{ .name = "bpf-plain", .marks_unknown = true },
		{ .name = "ftrace", .marks_unknown = true, .has_probes = true },
		{ .name = "ftrace-no-probes", .marks_unknown = true },
		{ .name = "names", .names_alone = true },
	};
	size_t i;

	for (i = 0; i < sizeof(modes) / sizeof(*modes); i++)
		if (!strcmp(name, modes[i].name))
			return &modes[i];
	return NULL;
}
