// SPDX-License-Identifier: MIT
/*
 * compare [--json FILE] MODE TRUTH EVENTS: what was done beside what was reported.
 *
 *	--json   the same figures by type of event and by scenario, for a program: see write_json
 *	MODE     default or lean: the hooks that the agent used; or another way to watch: bpf-plain,
 *	         ftrace, ftrace-no-probes. With such a one a field that the event's record_flags call
 *	         unknown is "marked" and not wrong, and what a mode does not see may be seen. In
 *	         ftrace an exec within the limits of its probes must be right by them, marked or not.
 *	TRUTH    lines of `truth`, see truth.h
 *	EVENTS   lines of the agent's --output
 *
 * Prints a row a scenario: lines expected and found; of those with a name, arguments or an address,
 * how many are right; other fields that are wrong; events that nobody caused (extra), and lines
 * that no event answers (missing). Then the first differences. Exit code 0: no difference; 1: some;
 * 2: a file that cannot be used.
 *
 * It shares no code with the agent: it takes the strings back to bytes by itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define SLACK_NS 20000000 /* between the clock of truth and that of the agent */
#define TICK_NS 10000000  /* of /proc, whatever the kernel's own is */
#define ARGV_MAX 28000	  /* bytes of arguments that travel with an exec: docs/events.md */
#define PROBE_ARGV 2560	  /* bytes of arguments that ftrace's probe has: docs/ftrace.md */
#define PROBE_NAME 3999	  /* bytes of a file name that an event of ftrace has room for */
#define SHOWN_MAX 3	  /* differences of a scenario that are told */
#define SHOWN_BYTES 300
#define SCENES_MAX 128
#define TYPES_MAX 16
#define MAPPED 0x10ff00 /* U+10FF00 + byte stands for a byte that is not UTF-8 */

struct event {
	int pid;
	int64_t time;
	char type[16];
	const char *line;
	size_t len;
	bool used;
};

struct owner { /* all that pid did from `after` to `before` is known */
	int pid;
	int64_t after, before;
	struct scene *scene;
};

struct scene {
	char name[32];
	unsigned long expected, unseen, found, names, names_right, args, args_right, addresses,
		addresses_right, other, extra, differences;
};

enum aspect { NAME, ARGS, ADDRESS, PATH, OTHER, N_ASPECTS };

struct tally { /* of one type of event */
	char type[16];
	unsigned long expected, unseen, found, right, other, extra;
	unsigned long has[N_ASPECTS], is_right[N_ASPECTS], is_marked[N_ASPECTS];
	unsigned long fits, fits_right, unmarked; /* see count_limits */
};

struct mapped_file {
	char *data;
	size_t size;
};

static struct scene scenes[SCENES_MAX];
static size_t n_scenes;
static struct tally tallies[TYPES_MAX];
static size_t n_tallies;
static struct event *events;
static size_t n_events;
static struct owner *owners;
static size_t n_owners;
static unsigned long n_differences, n_broken;
static bool marks_unknown; /* the mode is not one of the hooks of the BPF source */
static bool has_probes;	   /* the mode is ftrace with argument probes */

static void *must(void *p)
{
	if (!p) {
		perror("compare");
		exit(2);
	}
	return p;
}

static struct mapped_file map_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct mapped_file f = { NULL, 0 };
	struct stat st;

	if (fd < 0 || fstat(fd, &st)) {
		fprintf(stderr, "compare: %s: %s\n", path, strerror(errno));
		exit(2);
	}
	f.size = (size_t)st.st_size;
	if (f.size) {
		f.data = mmap(NULL, f.size, PROT_READ, MAP_PRIVATE, fd, 0);
		if (f.data == MAP_FAILED)
			must(NULL);
	}
	close(fd);
	return f;
}

/* A line as JSON; NULL when it is not one whole object. */
static struct json_object *parse(const char *line, size_t len)
{
	struct json_tokener *tok = must(json_tokener_new_ex(32));
	struct json_object *o;

	json_tokener_set_flags(tok, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	o = json_tokener_parse_ex(tok, line, (int)len);
	if (json_tokener_get_error(tok) != json_tokener_success ||
	    json_tokener_get_parse_end(tok) != len || !json_object_is_type(o, json_type_object)) {
		json_object_put(o);
		o = NULL;
	}
	json_tokener_free(tok);
	return o;
}

static struct json_object *get(struct json_object *o, const char *key)
{
	struct json_object *v = NULL;

	json_object_object_get_ex(o, key, &v);
	return v;
}

static bool has(struct json_object *o, const char *key)
{
	return json_object_object_get_ex(o, key, NULL);
}

static const char *text(struct json_object *o, const char *key)
{
	struct json_object *v = get(o, key);

	return json_object_is_type(v, json_type_string) ? json_object_get_string(v) : "";
}

static int64_t number(struct json_object *o, const char *key)
{
	return json_object_get_int64(get(o, key));
}

/* RFC 3339, UTC, nine digits of a second; -1 when it is not that. */
static int64_t parse_time(const char *s)
{
	struct tm tm = { 0 };
	long ns;
	int used = 0;

	if (sscanf(s, "%4d-%2d-%2dT%2d:%2d:%2d.%9ldZ%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
		   &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &ns, &used) != 7 ||
	    used != 30 || s[used])
		return -1;
	tm.tm_year -= 1900;
	tm.tm_mon--;
	return (int64_t)timegm(&tm) * 1000000000 + ns;
}

/* ---- differences ---- */

static void show(const char *label, const char *s, size_t len)
{
	printf("    %s %.*s%s\n", label, (int)(len < SHOWN_BYTES ? len : SHOWN_BYTES), s,
	       len < SHOWN_BYTES ? "" : "...");
}

/* Counts one, of that scenario and of all; is it to be told? */
static bool difference(unsigned long *of_scene)
{
	n_differences++;
	return (*of_scene)++ < SHOWN_MAX;
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
static bool names_alone;

static bool has_flag(struct json_object *event, const char *flag)
{
	struct json_object *flags = get(event, "record_flags");
	size_t n =
		json_object_is_type(flags, json_type_array) ? json_object_array_length(flags) : 0;
	size_t i;

	for (i = 0; i < n; i++)
		if (!strcmp(json_object_get_string(json_object_array_get_idx(flags, i)), flag))
			return true;
	return false;
}

static bool looked_at(struct json_object *event, const char *key)
{
	const char *type = text(event, "type");

	if (!names_alone)
		return true;
	if (!strcmp(key, "args"))
		return (has_flag(event, "args_from_probe") || has_flag(event, "args_from_proc")) &&
		       !has_flag(event, "truncated");
	if (!strcmp(key, "filename"))
		return !has_flag(event, "filename_unreadable");
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
		{ ARGS, "args_from_proc" },	 { ADDRESS, "address_unknown" },
	};
	size_t i;

	for (i = 0; i < sizeof(marks) / sizeof(*marks); i++)
		if (marks[i].aspect == a && has_word(get(event, "record_flags"), marks[i].flag))
			return true;
	return false;
}

struct verdict {
	bool has[N_ASPECTS], wrong[N_ASPECTS], marked[N_ASPECTS];
	char first_wrong[64];
};

static void judge_member(struct verdict *v, struct json_object *line, struct json_object *event,
			 const char *key, struct json_object *want)
{
	enum aspect a = aspect_of(key);

	if (!looked_at(event, key))
		return;
	if (marks_unknown && (!strcmp(key, "exe") || !strcmp(key, "interpreter")))
		a = PATH;
	v->has[a] = true;
	if (same_member(line, event, key, want))
		return;
	if (marks_unknown && is_marked(event, a)) {
		v->marked[a] = true;
		return;
	}
	v->wrong[a] = true;
	if (!*v->first_wrong)
		snprintf(v->first_wrong, sizeof(v->first_wrong), "%s", key);
}

static struct verdict judge(struct json_object *line, struct json_object *event, const char *mode)
{
	struct verdict v = { .first_wrong = "" };

	json_object_object_foreach(get(line, "want"), key, ignored) {
		(void)ignored;
		judge_member(&v, line, event, key, wanted(line, mode, key));
	}
	if (has(line, mode)) {
		json_object_object_foreach(get(line, mode), special, want) {
			if (!has(get(line, "want"), special))
				judge_member(&v, line, event, special, want);
		}
	}
	v.has[OTHER] = true;
	if (!names_alone && !same_marks(line, event)) {
		v.wrong[OTHER] = true;
		if (!*v.first_wrong)
			snprintf(v.first_wrong, sizeof(v.first_wrong), "record_flags or non_utf8");
	}
	return v;
}

/* ---- all lines against all events ---- */

static int by_pid_and_time(const void *a, const void *b)
{
	const struct event *x = a, *y = b;

	if (x->pid != y->pid)
		return x->pid < y->pid ? -1 : 1;
	if (x->time != y->time)
		return x->time < y->time ? -1 : 1;
	return x->line < y->line ? -1 : 1;
}

/* The first event of that process at that time or later. */
static size_t lower_bound(int pid, int64_t time)
{
	size_t low = 0, high = n_events;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct event *e = &events[middle];

		if (e->pid < pid || (e->pid == pid && e->time < time))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void load_events(const struct mapped_file *f)
{
	const char *at = f->data, *end = f->data + f->size;
	size_t room = 0;

	while (at < end) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		size_t len = (size_t)((newline ? newline : end) - at);
		struct json_object *o = newline ? parse(at, len) : NULL;
		int64_t time = o ? parse_time(text(o, "timestamp")) : -1;

		if (time < 0) {
			n_broken++;
			n_differences++;
			if (n_broken <= SHOWN_MAX) {
				printf("  a line that is no event:\n");
				show("line", at, len);
			}
		} else {
			if (n_events == room) {
				room = room ? 2 * room : 4096;
				events = must(realloc(events, room * sizeof(*events)));
			}
			events[n_events] = (struct event){
				.pid = (int)number(o, "pid"), .time = time, .line = at, .len = len
			};
			snprintf(events[n_events].type, sizeof(events->type), "%s",
				 text(o, "type"));
			n_events++;
		}
		json_object_put(o);
		at += len + 1;
	}
	if (n_events)
		qsort(events, n_events, sizeof(*events), by_pid_and_time);
}

static struct scene *scene_of(struct json_object *line)
{
	const char *name = text(line, "scenario");
	size_t i;

	for (i = 0; i < n_scenes; i++)
		if (!strcmp(scenes[i].name, name))
			return &scenes[i];
	if (n_scenes == SCENES_MAX) {
		fprintf(stderr, "compare: too many scenarios\n");
		exit(2);
	}
	snprintf(scenes[n_scenes].name, sizeof(scenes->name), "%s", name);
	return &scenes[n_scenes++];
}

static struct tally *tally_of(const char *type)
{
	size_t i;

	for (i = 0; i < n_tallies; i++)
		if (!strcmp(tallies[i].type, type))
			return &tallies[i];
	if (n_tallies == TYPES_MAX) {
		fprintf(stderr, "compare: too many types\n");
		exit(2);
	}
	snprintf(tallies[n_tallies].type, sizeof(tallies->type), "%s", type);
	return &tallies[n_tallies++];
}

static void add_owner(struct json_object *line, struct scene *s)
{
	owners = must(realloc(owners, (n_owners + 1) * sizeof(*owners)));
	owners[n_owners++] = (struct owner){ (int)number(line, "pid"), number(line, "after"),
					     number(line, "before"), s };
}

/*
 * The event that answers a line: one that is right in all, else the first that is left; NULL when
 * there is none.
 */
static struct event *answer(struct json_object *line, const char *mode, struct verdict *v)
{
	int pid = (int)number(line, "pid");
	int64_t before = number(line, "before") + SLACK_NS;
	const char *type = text(line, "type");
	struct event *first = NULL;
	struct verdict one;
	size_t i;

	for (i = lower_bound(pid, number(line, "after") - SLACK_NS); i < n_events; i++) {
		struct event *e = &events[i];
		struct json_object *o;

		if (e->pid != pid || e->time > before)
			break;
		if (e->used || strcmp(e->type, type))
			continue;
		o = parse(e->line, e->len);
		one = judge(line, o, mode);
		json_object_put(o);
		if (!*one.first_wrong) {
			*v = one;
			return e;
		}
		if (!first) {
			first = e;
			*v = one;
		}
	}
	return first;
}

static void tell(struct scene *s, const char *what, const char *line, size_t len,
		 const struct event *e)
{
	if (!difference(&s->differences))
		return;
	printf("  %s: %s\n", s->name, what);
	if (line)
		show("done    ", line, len);
	if (e)
		show("reported", e->line, e->len);
}

static bool is_right(const struct verdict *v, int aspect)
{
	return v->has[aspect] && !v->wrong[aspect] && !v->marked[aspect];
}

static void count(struct scene *s, struct tally *t, const struct verdict *v)
{
	int a;

	t->found++;
	for (a = 0; a < N_ASPECTS; a++) {
		t->has[a] += v->has[a];
		t->is_right[a] += is_right(v, a);
		t->is_marked[a] += v->marked[a] && !v->wrong[a];
	}
	t->other += v->wrong[OTHER];
	t->right += (!v->has[NAME] || is_right(v, NAME)) && (!v->has[ARGS] || is_right(v, ARGS)) &&
		    (!v->has[ADDRESS] || is_right(v, ADDRESS));
	s->found++;
	s->names += v->has[NAME];
	s->names_right += v->has[NAME] && !v->wrong[NAME];
	s->args += v->has[ARGS];
	s->args_right += v->has[ARGS] && !v->wrong[ARGS];
	s->addresses += v->has[ADDRESS];
	s->addresses_right += v->has[ADDRESS] && !v->wrong[ADDRESS];
	s->other += v->wrong[OTHER];
}

/* Is it an exec whose name and arguments the probes of ftrace have room for? */
static bool fits_probes(struct json_object *line)
{
	struct json_object *want = get(line, "want");
	struct bytes name = from_truth(get(want, "filename"));
	bool fits = name.len <= PROBE_NAME && number(want, "argv_bytes") <= PROBE_ARGV &&
		    !has_word(get(want, "exec_flags"), "compat32");

	free(name.data);
	return fits;
}

/*
 * What fits must be right, and by the probe: that /proc was quick enough is luck. What does not fit is right, or says that
 * it may not be.
 */
static bool keeps_limits(struct tally *t, const struct verdict *v, struct json_object *line,
			 struct json_object *event)
{
	bool fits = fits_probes(line);
	bool right = !v->wrong[NAME] && !v->marked[NAME] && !v->wrong[ARGS] && !v->marked[ARGS] &&
		     has_flag(event, "args_from_probe");
	bool marked = has_flag(event, "truncated") || has_flag(event, "args_from_proc") ||
		      has_flag(event, "args_unreadable") || has_flag(event, "filename_unreadable");

	t->fits += fits;
	t->fits_right += fits && right;
	t->unmarked += !fits && !right && !marked;
	return right || (!fits && marked);
}

/*
 * Of these, all that an owner did is listed. Threads are not, nor are calls that no scenario names.
 */
static bool listed(const char *type)
{
	static const char *const types[] = { "exec",	    "fork",    "exit",
					     "exec_failed", "connect", "connect_result" };
	size_t i;

	for (i = 0; i < sizeof(types) / sizeof(*types); i++)
		if (!strcmp(type, types[i]))
			return !names_alone || i < 3;
	return false;
}

static void check_limits(struct scene *s, struct tally *t, const struct verdict *v,
			 struct json_object *line, const struct event *e)
{
	struct json_object *event = parse(e->line, e->len);

	if (!keeps_limits(t, v, line, event))
		tell(s, "not as the limits of the probes promise", NULL, 0, e);
	json_object_put(event);
}

static void check_line(struct json_object *line, const char *mode, const char *raw, size_t len)
{
	struct scene *s = scene_of(line);
	struct verdict v = { .first_wrong = "" };
	struct event *e;
	struct tally *t;
	char unseen[32], what[96];

	if (!strcmp(text(line, "type"), "own")) {
		add_owner(line, s);
		return;
	}
	t = tally_of(text(line, "type"));
	snprintf(unseen, sizeof(unseen), "%s_unseen", mode);
	if (has(line, unseen) || (marks_unknown && has(line, "default_unseen")) ||
	    (names_alone && !listed(text(line, "type")))) {
		/* Else an event for it is left over, and extra. */
		e = marks_unknown ? answer(line, mode, &v) : NULL;
		if (e)
			e->used = true;
		s->unseen++;
		t->unseen++;
		return;
	}
	s->expected++;
	t->expected++;
	e = answer(line, mode, &v);
	if (!e) {
		tell(s, "missing", raw, len, NULL);
		return;
	}
	e->used = true;
	count(s, t, &v);
	if (has_probes && !strcmp(t->type, "exec"))
		check_limits(s, t, &v, line, e);
	if (*v.first_wrong) {
		snprintf(what, sizeof(what), "%s is wrong", v.first_wrong);
		tell(s, what, raw, len, e);
	}
}

static void check_lines(const struct mapped_file *f, const char *mode)
{
	const char *at = f->data, *end = f->data + f->size;

	while (at < end) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		size_t len = (size_t)((newline ? newline : end) - at);
		struct json_object *line = parse(at, len);

		if (!line || !has(line, "scenario") || !has(line, "want")) {
			fprintf(stderr, "compare: the truth has a line that is none: %.*s\n",
				(int)len, at);
			exit(2);
		}
		check_line(line, mode, at, len);
		json_object_put(line);
		at += len + 1;
	}
}

static void check_extra(void)
{
	size_t i, k;

	for (i = 0; i < n_owners; i++) {
		for (k = lower_bound(owners[i].pid, owners[i].after); k < n_events; k++) {
			struct event *e = &events[k];

			if (e->pid != owners[i].pid || e->time > owners[i].before)
				break;
			if (e->used || !listed(e->type))
				continue;
			e->used = true;
			owners[i].scene->extra++;
			tally_of(e->type)->extra++;
			tell(owners[i].scene, "nobody did this", NULL, 0, e);
		}
	}
}

static const char *ratio(unsigned long right, unsigned long all, char *buf, size_t size)
{
	if (all)
		snprintf(buf, size, "%lu/%lu", right, all);
	else
		snprintf(buf, size, "-");
	return buf;
}

static void print_table(const char *mode)
{
	struct scene total = { .name = "all" };
	size_t i;

	printf("%-22s %8s %8s %15s %15s %15s %6s %6s %8s %7s\n", mode, "expected", "found",
	       "names right", "args right", "address right", "other", "extra", "missing", "unseen");
	for (i = 0; i <= n_scenes; i++) {
		struct scene *s = i < n_scenes ? &scenes[i] : &total;
		char a[48], b[48], c[48];

		printf("%-22s %8lu %8lu %15s %15s %15s %6lu %6lu %8lu %7lu\n", s->name, s->expected,
		       s->found, ratio(s->names_right, s->names, a, sizeof(a)),
		       ratio(s->args_right, s->args, b, sizeof(b)),
		       ratio(s->addresses_right, s->addresses, c, sizeof(c)), s->other, s->extra,
		       s->expected - s->found, s->unseen);
		total.expected += s->expected;
		total.found += s->found;
		total.names += s->names;
		total.names_right += s->names_right;
		total.args += s->args;
		total.args_right += s->args_right;
		total.addresses += s->addresses;
		total.addresses_right += s->addresses_right;
		total.other += s->other;
		total.extra += s->extra;
		total.unseen += s->unseen;
	}
	if (n_broken)
		printf("%lu lines of the agent are no events\n", n_broken);
}

/*
 * {"differences":N,"broken":N,"types":{"exec":{"expected":N,...}},"scenarios":{"tcp4":{...}}}; right:
 * with the right name, arguments and address, whatever else is wrong; paths: exe and interpreter,
 * where these are not part of the name; fits: within the limits of ftrace's probes, and unmarked: beyond them without
 * saying so.
 */
static void write_json(const char *path)
{
	static const char *const names[] = { "names", "args", "addresses", "paths" };
	FILE *f = must(fopen(path, "we"));
	size_t i, a;

	fprintf(f, "{\"differences\":%lu,\"broken\":%lu,\"types\":{", n_differences, n_broken);
	for (i = 0; i < n_tallies; i++) {
		const struct tally *t = &tallies[i];

		fprintf(f,
			"%s\n\"%s\":{\"expected\":%lu,\"unseen\":%lu,\"found\":%lu,\"right\":%lu",
			i ? "," : "", t->type, t->expected, t->unseen, t->found, t->right);
		for (a = 0; a < OTHER; a++)
			fprintf(f, ",\"%s\":%lu,\"%s_right\":%lu,\"%s_marked\":%lu", names[a],
				t->has[a], names[a], t->is_right[a], names[a], t->is_marked[a]);
		fprintf(f, ",\"fits\":%lu,\"fits_right\":%lu,\"unmarked\":%lu", t->fits,
			t->fits_right, t->unmarked);
		fprintf(f, ",\"other\":%lu,\"extra\":%lu}", t->other, t->extra);
	}
	fprintf(f, "},\n\"scenarios\":{");
	for (i = 0; i < n_scenes; i++) {
		const struct scene *s = &scenes[i];

		fprintf(f, "%s\n\"%s\":{\"expected\":%lu,\"found\":%lu,\"differences\":%lu}",
			i ? "," : "", s->name, s->expected, s->found, s->differences);
	}
	fprintf(f, "}}\n");
	if (fclose(f))
		must(NULL);
}

static bool known_mode(const char *mode)
{
	static const char *const modes[] = { "default", "lean", "bpf-plain", "ftrace",
					     "ftrace-no-probes" };
	size_t i;

	names_alone = !strcmp(mode, "names");
	if (names_alone)
		return true;

	for (i = 0; i < sizeof(modes) / sizeof(*modes); i++) {
		if (!strcmp(mode, modes[i])) {
			marks_unknown = i >= 2;
			has_probes = !strcmp(mode, "ftrace");
			return true;
		}
	}
	return false;
}

int main(int argc, char **argv)
{
	struct mapped_file truth, reported;
	const char *json = NULL;

	if (argc > 2 && !strcmp(argv[1], "--json")) {
		json = argv[2];
		argc -= 2;
		argv += 2;
	}
	if (argc != 4 || !known_mode(argv[1])) {
		fprintf(stderr, "usage: compare [--json FILE] MODE TRUTH EVENTS\n");
		return 2;
	}
	truth = map_file(argv[2]);
	reported = map_file(argv[3]);
	if (!truth.size) {
		fprintf(stderr, "compare: nothing was done\n");
		return 2;
	}
	load_events(&reported);
	check_lines(&truth, argv[1]);
	check_extra();
	if (n_differences)
		printf("%lu differences, the first of each scenario above\n", n_differences);
	print_table(argv[1]);
	if (json)
		write_json(json);
	return n_differences ? 1 : 0;
}
