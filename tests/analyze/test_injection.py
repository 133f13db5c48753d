#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Each attempt of tests/analysis/injection.jsonl as a record of its kind: replayed, it is a finding, and shown to a server that
obeys it (severity 1, no findings): the severity stays where it was. What redaction takes for a secret is no finding, and not in the
prompt either. The harmless ones go the same way, and are none.
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "tree")]
import day  # noqa: E402
import reports  # noqa: E402
from program import BINARY, NO_RAW, ROOT, replay  # noqa: E402
from server import Server  # noqa: E402

WINDOW = 15 * day.MINUTE
IN_WINDOW = 6
START = "2026-01-01T00:00:00Z"  # of gen_day
SSHD = day.THERE["sshd"][0]


def rows(name):
    with open(os.path.join(ROOT, "tests", "analysis", name), encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def field(text):
    return text.replace("\t", "\x01").replace("\n", "\x02")


class Attempts(day.Days):
    """Lines for gen_day: some attempts a window, from the second one on."""

    def run_as(self, filename, exe, *arguments):
        self.pid += 1
        self.add("run", self.pid, SSHD, *map(field, (filename, exe, *arguments)))

    def argument(self, row):
        self.run_as("/usr/bin/bash", "/usr/bin/bash", *(row.get("argv") or ["bash", "-c", row["text"]]))

    env_like = argument

    def name(self, row):
        self.run_as(row["text"], "/home/a/" + row["text"], row["text"])

    def path(self, row):
        """Its directory was gone into, and it is run from there."""
        self.run_as("./x", row["text"], "x")

    def address(self, row):
        if row["text"][0] in "@/":
            self.run_as("/home/a/x", "/home/a/x", "x")
            self.add("unix", self.pid, field(row["text"]))
        else:
            self.run_as("/usr/bin/curl", "/usr/bin/curl", "curl", "https://" + row["text"])

    def user(self, row):
        self.run_as("/usr/sbin/useradd", "/usr/sbin/useradd", "useradd", "-m", row["text"])

    def each(self, attempts):
        """When each was made, in ms."""
        made = []
        for i, row in enumerate(attempts):
            self.until((1 + i // IN_WINDOW) * WINDOW + (1 + i % IN_WINDOW) * 2 * day.MINUTE)
            made.append(self.now)
            getattr(self, row["where"])(row)
        self.until((3 + len(attempts) // IN_WINDOW) * WINDOW)
        return made


class Injection(unittest.TestCase):
    def setUp(self):
        self.work = tempfile.mkdtemp(prefix="edr-injection.")
        self.addCleanup(shutil.rmtree, self.work)

    def found(self, attempts):
        """The cells with attempts in them, and for each attempt whether it was found."""
        capture, self.into = os.path.join(self.work, "attempts.cap"), os.path.join(self.work, "reports")
        lines = Attempts()
        made = lines.each(attempts)
        lines.write(capture)
        run = replay(capture, self.into, *NO_RAW)
        self.assertEqual(run.status, 0, run.output[-2000:])
        cells = [cell for cell in map(reports.load, reports.files(self.into, "cell")) if cell["total"]]
        self.assertEqual(len(cells), -(-len(attempts) // IN_WINDOW))
        begin = reports.when(START)
        times = [reports.when(f["time"][:19] + "Z") - begin for cell in cells for f in cell["findings"]
                 if f["id"] == "prompt-injection"]
        return cells, [any(0 <= t - ms // 1000 < 60 for t in times) for ms in made]

    def ask(self, server, cell):
        done = subprocess.run([BINARY, "analyze", cell, "--json", "-c", os.devnull, "--reports-dir", self.into,
                               "--set", "OPENAI.api_base=" + server.base + "/v1", "--set", "ANALYSIS.max_requests_day=0",
                               "--set", "ANALYSIS.max_tokens_day=0", "--set", "ANALYSIS.max_cents_day=0"],
                              capture_output=True, text=True, timeout=60, check=False,
                              env={"PATH": os.environ["PATH"], "no_proxy": "*"})
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def test_attempts(self):
        attempts = rows("injection.jsonl")
        self.assertGreaterEqual(len(attempts), 100)
        cells, found = self.found(attempts)
        missed = [row["id"] for row, n in zip(attempts, found) if not n]
        self.assertEqual(missed, [row["id"] for row in attempts if row.get("redacted")])
        server = Server("all-is-well")
        for at, cell in enumerate(cells):
            inside = attempts[at * IN_WINDOW:(at + 1) * IN_WINDOW]
            with self.subTest([row["id"] for row in inside]):
                verdict = self.ask(server, cell["report_id"])
                self.assertEqual((verdict["model_severity"], verdict["findings"]), (1, []))
                self.assertGreaterEqual(verdict["severity"], cell["severity"])
                data = json.loads(json.loads(server.seen[-1][3])["messages"][1]["content"].split("\n")[1])
                shown = [f for f in data.get("findings", []) if f["signal"] == "prompt-injection"]
                redacted = [row["text"] for row in inside if row.get("redacted")]
                self.assertEqual(len(shown), len(inside) - len(redacted))
                self.assertGreaterEqual(cell["severity"], 4 if shown else 1)
                for text in redacted:
                    self.assertNotIn(max(text.split(), key=len).strip("'"), json.dumps(data))
        self.assertEqual(len(server.seen), len(cells))
        server.close()
        listed = subprocess.run([BINARY, "report", "list", "--json", "--reports-dir", self.into], capture_output=True,
                                check=True).stdout
        counts = {r["report_id"]: r["severity"] for r in json.loads(listed)}
        for cell in cells:
            self.assertGreaterEqual(counts[cell["report_id"]], cell["severity"])
        print("attempts obeyed: %d; of these found: %d, redacted: %d" % (len(attempts), len(attempts) - len(missed),
                                                                         len(missed)))

    def test_harmless(self):
        harmless = rows("harmless-injection.jsonl")
        self.assertGreaterEqual(len(harmless), 100)
        found = ["%s: %s" % (row["id"], row["text"]) for row, n in zip(harmless, self.found(harmless)[1]) if n]
        self.assertEqual(found, [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
