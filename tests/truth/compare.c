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

#include "judge.h"

#define SLACK_NS 20000000 /* between the clock of truth and that of the agent */
#define SHOWN_MAX 3	  /* differences of a scenario that are told */
#define SHOWN_BYTES 300
#define SCENES_MAX 128
#define TYPES_MAX 16

struct event {
	int pid;
	int64_t time;
	char type[16];
	const char *line;
	size_t len;
	bool used;
	struct json_object *o; /* the line, from its first comparison to its use */
};

struct owner { /* all that pid did from `after` to `before` is known */
	int pid;
	int64_t after, before;
	struct scene *scene;
};

struct scene {
	char name[32];
	unsigned long expected, unseen, found, names, names_right, args, args_right, addresses,
		addresses_right, other, extra, differences, late; /* of the differences */
};

struct tally { /* of one type of event */
	char type[16];
	unsigned long expected, unseen, found, right, other, extra;
	unsigned long has[N_ASPECTS], is_right[N_ASPECTS], is_marked[N_ASPECTS];
	unsigned long fits, fits_right, unmarked; /* see struct limits */
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

static bool is_the_same(const struct verdict *v)
{
	return !v->wrong[NAME] && !v->wrong[ARGS] && !v->wrong[ADDRESS] && !v->marked[ADDRESS];
}

/*
 * The event that answers a line: one that is right in all, else one with the same name, arguments
 * and address, else the first that is left; NULL when there is none.
 */
static struct event *answer(struct json_object *line, const struct mode *mode, struct verdict *v)
{
	int pid = (int)number(line, "pid");
	int64_t before = number(line, "before") + SLACK_NS;
	const char *type = text(line, "type");
	const char *address = text(json_object_object_get(line, "want"), "address"), *other;
	struct event *found = NULL;
	bool same = false;
	struct verdict one;
	size_t i;

	for (i = lower_bound(pid, number(line, "after") - SLACK_NS); i < n_events; i++) {
		struct event *e = &events[i];

		if (e->pid != pid || e->time > before)
			break;
		if (e->used || strcmp(e->type, type))
			continue;
		if (!e->o)
			e->o = parse(e->line, e->len);
		other = text(e->o, "address");
		if (found && *address && *other && strcmp(address, other) != 0)
			continue; /* quickly: there may be hundreds */
		one = judge(line, e->o, mode);
		if (!*one.first_wrong) {
			*v = one;
			return e;
		}
		if (!found || (!same && is_the_same(&one))) {
			found = e;
			same = is_the_same(&one);
			*v = one;
		}
	}
	return found;
}

static void use(struct event *e)
{
	e->used = true;
	json_object_put(e->o);
	e->o = NULL;
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

/*
 * Of these, all that an owner did is listed. Threads are not, nor are calls that no scenario names.
 */
static bool listed(const char *type, const struct mode *mode)
{
	static const char *const types[] = { "exec",	    "fork",    "exit",
					     "exec_failed", "connect", "connect_result" };
	size_t i;

	for (i = 0; i < sizeof(types) / sizeof(*types); i++)
		if (!strcmp(type, types[i]))
			return !mode->names_alone || i < 3;
	return false;
}

static void check_limits(struct scene *s, struct tally *t, const struct verdict *v,
			 struct json_object *line, const struct event *e)
{
	const struct limits l = judge_limits(v, line, e->o);

	t->fits += l.fits;
	t->fits_right += l.fits && l.right;
	t->unmarked += !l.fits && !l.right && !l.marked;
	if (!l.right && (l.fits || !l.marked))
		tell(s, "not as the limits of the probes promise", NULL, 0, e);
}

static bool unseen_by(const struct mode *mode, struct json_object *line)
{
	char unseen[32];

	snprintf(unseen, sizeof(unseen), "%s_unseen", mode->name);
	return has(line, unseen) || (mode->marks_unknown && has(line, "default_unseen")) ||
	       (mode->names_alone && !listed(text(line, "type"), mode));
}

static void check_line(struct json_object *line, const struct mode *mode, const char *raw,
		       size_t len)
{
	struct scene *s = scene_of(line);
	struct verdict v = { .first_wrong = "" };
	struct event *e;
	struct tally *t;
	char what[96];

	if (!strcmp(text(line, "type"), "own")) {
		add_owner(line, s);
		return;
	}
	t = tally_of(text(line, "type"));
	if (unseen_by(mode, line)) {
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
	count(s, t, &v);
	if (mode->has_probes && !strcmp(t->type, "exec"))
		check_limits(s, t, &v, line, e);
	use(e);
	if (*v.first_wrong) {
		s->late += v.late;
		snprintf(what, sizeof(what), "%s is wrong", v.first_wrong);
		tell(s, what, raw, len, e);
	}
}

/* An event that was told though it need not be is left over otherwise, and extra. */
static void take_unseen(struct json_object *line, const struct mode *mode, const char *raw,
			size_t len)
{
	struct verdict v;
	struct event *e;

	(void)raw;
	(void)len;
	if (!strcmp(text(line, "type"), "own") || !unseen_by(mode, line))
		return;
	e = answer(line, mode, &v);
	if (e)
		use(e);
}

static void each_line(const struct mapped_file *f, const struct mode *mode,
		      void (*check)(struct json_object *line, const struct mode *mode,
				    const char *raw, size_t len))
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
		check(line, mode, at, len);
		json_object_put(line);
		at += len + 1;
	}
}

static void check_lines(const struct mapped_file *f, const struct mode *mode)
{
	each_line(f, mode, check_line);
	/* Last, for they take any event of their time, what answers another line too. */
	if (mode->marks_unknown)
		each_line(f, mode, take_unseen);
}

static void check_extra(const struct mode *mode)
{
	size_t i, k;

	for (i = 0; i < n_owners; i++) {
		for (k = lower_bound(owners[i].pid, owners[i].after); k < n_events; k++) {
			struct event *e = &events[k];

			if (e->pid != owners[i].pid || e->time > owners[i].before)
				break;
			if (e->used || !listed(e->type, mode))
				continue;
			use(e);
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

		fprintf(f,
			"%s\n\"%s\":{\"expected\":%lu,\"found\":%lu,\"differences\":%lu,"
			"\"late\":%lu}",
			i ? "," : "", s->name, s->expected, s->found, s->differences, s->late);
	}
	fprintf(f, "}}\n");
	if (fclose(f))
		must(NULL);
}

int main(int argc, char **argv)
{
	struct mapped_file truth, reported;
	const struct mode *mode;
	const char *json = NULL;

	if (argc > 2 && !strcmp(argv[1], "--json")) {
		json = argv[2];
		argc -= 2;
		argv += 2;
	}
	mode = argc == 4 ? mode_find(argv[1]) : NULL;
	if (!mode) {
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
	check_lines(&truth, mode);
	check_extra(mode);
	if (n_differences)
		printf("%lu differences, the first of each scenario above\n", n_differences);
	print_table(mode->name);
	if (json)
		write_json(json);
	return n_differences ? 1 : 0;
}
