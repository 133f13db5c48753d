/* SPDX-License-Identifier: MIT */
/* Each reason of the local analyser: when it holds, and the nearest that does not. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "detect/baseline.h"
#include "detect/signal.h"
#include "report/local.h"
#include "suite.h"

#define S 1000000000ull
#define MINUTE (60 * S)

/* A cell of a quarter of an hour, as a view of rows that are made here. */
static struct cell_totals totals;
static struct cell_finding findings[300];
static struct cell_exe exes[20];
static struct cell_connection connections[20];
static struct cell_blind blind[3];
static struct cell_view view;
static struct local_parent parent;
static bool is_parent;
static struct local_analysis made;

static void setup(void)
{
	totals = (struct cell_totals){ .window_start_ns = (edr_s64)(100000 * 15 * MINUTE),
				       .window_end_ns = (edr_s64)(100001 * 15 * MINUTE),
				       .interval_min = 15,
				       .watched_ns = 15 * MINUTE };
	view = (struct cell_view){ .totals = &totals,
				   .findings = findings,
				   .exes = exes,
				   .connections = connections,
				   .blind = blind };
	parent = (struct local_parent){ .worst_child = 0 };
	is_parent = false;
}

static void teardown(void)
{
	local_free(&made);
}

static struct wire_span span(const char *s)
{
	return (struct wire_span){ s, strlen(s) };
}

static void add_finding(const char *id, unsigned severity)
{
	findings[view.n_findings++] = (struct cell_finding){ .id = span(id),
							     .title = span("a title"),
							     .details = span("details"),
							     .technique = span("T1"),
							     .time_ns = 1,
							     .severity = severity };
	totals.findings[severity]++;
}

static void add_exe(const char *name, edr_u64 runs, unsigned marks)
{
	exes[view.n_exes++] =
		(struct cell_exe){ .name = span(name), .counts = { .runs = runs }, .marks = marks };
}

static void add_connection(const char *address, edr_u64 connects, unsigned marks)
{
	connections[view.n_connections++] = (struct cell_connection){ .exe = span("/bin/nc"),
								      .address = span(address),
								      .port = 4444,
								      .connects = connects,
								      .marks = marks };
}

static unsigned judge(void)
{
	local_free(&made);
	ck_assert_int_eq(local_analyse(&made, &view, is_parent ? &parent : NULL), 0);
	ck_assert_uint_gt(made.n_reasons, 0);
	for (size_t i = 1; i < made.n_reasons; i++)
		ck_assert_uint_ge(made.reasons[i - 1].severity, made.reasons[i].severity);
	ck_assert_uint_eq(made.severity, made.reasons[0].severity);
	return made.severity;
}

static const struct local_sentence *reason(const char *id)
{
	for (size_t i = 0; i < made.n_reasons; i++)
		if (strcmp(made.reasons[i].reason, id) == 0)
			return &made.reasons[i];
	return NULL;
}

/* That reason holds with that severity and evidence; others may, too. */
static void holds(const char *id, unsigned severity, const char *evidence)
{
	const struct local_sentence *s;
	char text[LOCAL_ID_MAX], all[LOCAL_EVIDENCE * LOCAL_ID_MAX] = "";

	judge();
	s = reason(id);
	ck_assert_msg(s, "%s does not hold", id);
	ck_assert_uint_eq(s->severity, severity);
	for (size_t i = 0; i < s->n_evidence; i++) {
		local_evidence_text(s->evidence[i], text);
		strcat(all, i ? " " : "");
		strcat(all, text);
	}
	ck_assert_str_eq(all, evidence);
}

static void holds_not(const char *id)
{
	judge();
	ck_assert_msg(!reason(id), "%s holds", id);
}

START_TEST(test_ordinary)
{
	holds("ordinary", 1, "");
	ck_assert_uint_eq(made.n_recommendations, 0);
	add_exe("/bin/true", 5, BASELINE_RARE);
	holds("ordinary", 1, "");
	ck_assert_uint_eq(made.marked_rare, 1);
	add_finding("some-rule", 1);
	holds_not("ordinary");
	ck_assert_uint_eq(made.severity, 1);
}
END_TEST

START_TEST(test_findings)
{
	add_finding("b", 4);
	add_finding("a", 3);
	add_finding("b", 3);
	holds("finding", 4, "f1 f3");
	ck_assert_uint_eq(made.n_reasons, 2);  /* one for each id */
	ck_assert_uint_eq(made.n_findings, 2); /* two of them say the same */
	ck_assert_uint_eq(made.findings[0].n_evidence, 2);
	ck_assert_str_eq(made.findings[0].text.data, "a title: details");
	ck_assert_str_eq(made.recommendations[0].text.data,
			 "Look at what was found, for no more is known of its kind.");
}
END_TEST

/* Findings of severity 2 make no more, however many there are. */
START_TEST(test_small_findings)
{
	for (unsigned i = 0; i < 256; i++)
		add_finding(i % 3 ? i % 2 ? "discovery" : "setuid-new" : "new-connects", 2);
	ck_assert_uint_eq(judge(), 2);
	ck_assert_uint_eq(reason("finding")->n_evidence, LOCAL_EVIDENCE);
	ck_assert_uint_eq(made.n_recommendations, 0);
}
END_TEST

/* A signal's own advice; below severity 3 there is none. */
START_TEST(test_advice)
{
	add_finding("server-shell", 4);
	add_finding("discovery", 2);
	judge();
	ck_assert_uint_eq(made.n_recommendations, 1);
	ck_assert_str_eq(made.recommendations[0].text.data,
			 detect_signals[DETECT_SERVER_SHELL].advice);
}
END_TEST

/*
 * What is counted and not listed is not below what is listed, but a report that says so is
 * believed.
 */
START_TEST(test_unlisted)
{
	totals.findings[5] = 1;
	holds("finding", 5, "");
	add_finding("x", 5);
	holds("finding", 5, "f1");
	ck_assert_uint_eq(made.n_reasons, 1);
}
END_TEST

START_TEST(test_several)
{
	add_finding("a", 3);
	add_finding("b", 3);
	add_finding("b", 3);
	holds_not("several");
	add_finding("c", 2);
	holds_not("several");
	findings[3].severity = 3;
	holds("several", 4, "f1 f2 f4");
	findings[0].severity = 5;
	holds("several", 5, "f1 f2 f4");
}
END_TEST

START_TEST(test_pair)
{
	add_finding("new-connects", 4);
	add_finding("server-shel", 4);
	holds_not("critical-pair");
	findings[1].id = span("server-shell");
	holds("critical-pair", 5, "f2 f1");
	findings[0].severity = 3;
	holds_not("critical-pair");
	findings[0].severity = 4;
	findings[1].id = span("run-memfd");
	holds("critical-pair", 5, "f2 f1");
	findings[1].id = span("run-deleted");
	holds("critical-pair", 5, "f2 f1");
	findings[1].severity = 2; /* usual: an upgraded daemon */
	holds_not("critical-pair");
	findings[1].severity = 4;
	findings[1].id = span("run-world-writable");
	holds_not("critical-pair");
}
END_TEST

START_TEST(test_loss)
{
	struct edr_counters *connects = &totals.type[EDR_CONNECT].counted,
			    *execs = &totals.type[EDR_EXEC].counted;

	*connects = (struct edr_counters){ .produced = 1000, .dropped = 10 };
	holds_not("loss");
	connects->dropped = 11;
	holds("loss", 2, "");
	ck_assert_str_eq(made.reasons[0].text.data, "11 of 1000 connect events were lost");
	connects->dropped = 1000;
	holds_not("loss-heavy");
	*execs = (struct edr_counters){ .produced = 1000, .dropped = 200 };
	holds_not("loss-heavy");
	execs->dropped = 201;
	holds("loss-heavy", 3, "");
	*execs = (struct edr_counters){ .produced = ~0ull, .dropped = ~0ull / 4 };
	holds("loss-heavy", 3, "");
}
END_TEST

START_TEST(test_blind)
{
	view.n_blind = 2;
	totals.blind_ns = MINUTE;
	holds_not("blind");
	totals.blind_ns = MINUTE + 1;
	holds("blind", 2, "b1 b2");
	totals.blind_ns = totals.watched_ns / 2;
	holds("blind", 2, "b1 b2");
	totals.blind_ns++;
	holds("blind", 3, "b1 b2");
	totals.watched_ns = 10 * MINUTE - 1; /* too short to be more than a beginning */
	holds("blind", 2, "b1 b2");
}
END_TEST

START_TEST(test_coverage)
{
	totals.watched_ns = 15 * MINUTE / 2;
	holds_not("coverage");
	totals.watched_ns--;
	holds("coverage", 2, "");
	is_parent = true;
	holds_not("coverage");
	parent.missing_ns = 15 * MINUTE / 4;
	holds_not("coverage");
	parent.missing_ns++;
	holds("coverage", 2, "");
}
END_TEST

START_TEST(test_new)
{
	add_exe("/bin/a", 1, BASELINE_RARE | BASELINE_ODD_HOUR);
	add_exe("/bin/b", 0, BASELINE_NEW);
	add_connection("192.0.2.1", 0, BASELINE_NEW);
	holds_not("new");
	add_exe("/bin/c", 1, BASELINE_NEW_USER);
	holds("new", 2, "x3");
	add_exe("/bin/d", 1, BASELINE_NEW | BASELINE_RARE);
	add_connection("192.0.2.2", 1, BASELINE_NEW);
	holds("new", 2, "x4 c2 x3");
	ck_assert_str_eq(made.reasons[0].text.data,
			 "1 executable and 1 destination never seen here before; 1 executable with "
			 "a parent or user that is new to it");
	ck_assert_uint_eq(made.marked_new, 3);
	ck_assert_uint_eq(made.marked_rare, 2);
	ck_assert_uint_eq(made.n_changes, 4);
	ck_assert_str_eq(made.changes[0].text.data, "/bin/d is new");
	ck_assert_str_eq(made.changes[1].text.data,
			 "192.0.2.2 port 4444 is a new destination, of /bin/nc");
	ck_assert_str_eq(made.changes[2].text.data, "/bin/c is run by a user that is new to it");
	ck_assert_str_eq(made.changes[3].text.data, "/bin/a runs at an hour that is odd for it");
}
END_TEST

/* However many changes there are, that of the number of execs is told. */
START_TEST(test_volume)
{
	edr_u64 *execs = &totals.type[EDR_EXEC].delivered;

	for (unsigned i = 0; i < 20; i++)
		add_exe("/bin/x", 1, BASELINE_NEW);
	*execs = 1000000;
	holds_not("volume");
	totals.baseline.usual_execs = 100;
	*execs = 1099;
	holds_not("volume");
	*execs = 1100;
	holds("volume", 2, "");
	totals.baseline.usual_execs = 1000;
	*execs = 7999;
	holds_not("volume");
	*execs = 8000;
	holds("volume", 2, "");
	ck_assert_uint_eq(made.n_changes, LOCAL_CHANGES);
	ck_assert_str_eq(made.changes[LOCAL_CHANGES - 1].text.data,
			 "8000 execs; 1000 are usual at this time");
}
END_TEST

START_TEST(test_child)
{
	is_parent = true;
	parent = (struct local_parent){ .worst_child = 3,
					.worst_child_number = 7,
					.worst_child_id = "cell-x" };
	holds("child", 3, "r7");
	ck_assert_ptr_null(reason("ordinary"));
	add_finding("a", 3);
	holds_not("child");
	parent.worst_child = 4;
	holds("child", 4, "r7");
	is_parent = false;
	holds_not("child");
}
END_TEST

/* More kinds than there is room for: the worst are there, and the other reasons too. */
START_TEST(test_many_kinds)
{
	static char ids[256][8];

	for (unsigned i = 0; i < 256; i++) {
		strcpy(ids[i], "k000");
		ids[i][1] = (char)('0' + i / 100);
		ids[i][2] = (char)('0' + i / 10 % 10);
		ids[i][3] = (char)('0' + i % 10);
		add_finding(ids[i], i < 5 ? 4 : 1);
	}
	totals.watched_ns = 0;
	holds("coverage", 2, "");
	ck_assert_uint_eq(made.severity, 5); /* several */
	ck_assert_uint_eq(made.n_reasons, LOCAL_FINDING_REASONS + 2);
	ck_assert_uint_eq(made.n_findings, LOCAL_KEY_FINDINGS);
	ck_assert_uint_eq(made.n_recommendations, LOCAL_RECOMMENDATIONS);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_ordinary, test_findings, test_small_findings, test_advice,	    test_unlisted,
		test_several,  test_pair,     test_loss,	   test_blind,	    test_coverage,
		test_new,      test_volume,   test_child,	   test_many_kinds,
	};

	return suite_run("local", tests, sizeof(tests) / sizeof(tests[0]), setup, teardown, 30);
}
