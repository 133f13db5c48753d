#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`analyze` against a server that misbehaves: exit status, what was asked, the verdict or its absence, and a severity
that is never below the local one. After each case the server mends itself, and the same report is answered."""
import fcntl
import glob
import json
import os
import re
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
from server import Certificates, Server  # noqa: E402

BUILD = os.environ["EDR_BUILD_DIR"]
PROGRAM = os.environ["EDR_BINARY"]
GENERATOR = os.path.join(BUILD, "tree", "gen_capture")
KEY = "sk-test-0123456789abcdefghijkl"

# What the server does: exit status, a part of what is said, requests, the form of the last one.
CASES = {
    "good": (0, "severity", 1, "json_schema"),
    "no-schema": (0, "severity", 2, "json_object"),
    "no-forms": (0, "severity", 3, "text"),
    "fence": (0, "severity", 3, "text"),
    "think": (0, "severity", 3, "text"),
    "vllm": (0, "severity", 2, "json_schema"),
    "too-long": (0, "severity", 4, "text"),
    "newer": (0, "severity", 3, "json_schema"),
    "says-key": (69, r"says 400: \x1b[2JReceived API Key = *****", 4, "text"),
    "context": (69, "400", None, "json_schema"),
    "unauthorized": (69, "401", 1, "json_schema"),
    "forbidden": (69, "403", 1, "json_schema"),
    "missing": (69, "404", 1, "json_schema"),
    "too-many": (69, "429", 1, "json_schema"),
    "too-many-date": (69, "429", 1, "json_schema"),
    "error": (69, "500", 1, "json_schema"),
    "unavailable": (69, "503", 1, "json_schema"),
    "hang": (69, "timeout", 1, "json_schema"),
    "drip": (69, "timeout", 1, "json_schema"),
    "huge": (69, "too-large", 3, "text"),
    "empty": (69, "of no use", 3, "text"),
    "just-fits": (69, "of no use", 3, "text"),
    "not-utf8": (69, "of no use", 3, "text"),
    "truncated-json": (69, "of no use", 3, "text"),
    "truncated-answer": (69, "of no use", 3, "text"),
    "wrong-schema": (69, "of no use", 3, "text"),
    "prose": (69, "of no use", 3, "text"),
    "length": (69, "of no use", 2, "json_schema"),
    "refusal": (69, "of no use", 1, "json_schema"),
    "invented-ids": (0, "2 ids that it was not given, 1 findings without", 1, "json_schema"),
    "redirect": (69, "redirect", 1, "json_schema"),
    "closed": (69, "cut", 1, "json_schema"),
    "cut": (69, "cut", 1, "json_schema"),
    "garbage": (69, "cut", 1, "json_schema"),
}


class Analyze(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="edr-analyze-")
        cls.reports = os.path.join(cls.folder.name, "reports")
        captures = os.path.join(cls.folder.name, "captures")
        os.mkdir(captures)
        subprocess.run([GENERATOR, "-q", "-d", "1", captures], check=True, stdout=subprocess.DEVNULL)
        for capture in sorted(glob.glob(captures + "/*.cap")):
            subprocess.run([PROGRAM, "replay", capture, "--reports-dir", cls.reports], check=True,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        cls.key_file = os.path.join(cls.folder.name, "key")
        with open(os.open(cls.key_file, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as file:
            file.write(KEY + "\n")
        cls.certificates = Certificates(cls.folder.name)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def analyze(self, base, *arguments, **settings):
        settings = {"OPENAI.api_base": base, "OPENAI.api_key_file": self.key_file,
                    "ANALYSIS.request_timeout": 2, "ANALYSIS.max_requests_day": 0, "ANALYSIS.max_tokens_day": 0,
                    "ANALYSIS.max_cents_day": 0, **settings}
        command = [PROGRAM, "analyze", *arguments, "--reports-dir", self.reports]
        for key, value in settings.items():
            command += ["--set", "%s=%s" % (key, value)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120,
                              env={"PATH": os.environ["PATH"], "no_proxy": "*"})
        self.assertNotIn(KEY, done.stdout + done.stderr)
        return done

    def forget(self):
        for path in glob.glob(self.reports + "/analysis/*"):
            os.unlink(path)

    def verdicts(self):
        found = []
        for path in glob.glob(self.reports + "/analysis/cell-*.json"):
            with open(path, encoding="utf-8") as file:
                found.append(json.load(file))
        return found

    def test_each_mood(self):
        elsewhere = Server()
        for mood, (status, said, requests, form) in CASES.items():
            with self.subTest(mood):
                self.forget()
                server = Server(mood)
                server.elsewhere = elsewhere.base + "/v1/stolen"
                done = self.analyze(server.base + "/v1", "latest")
                self.assertEqual(done.returncode, status, done.stderr)
                self.assertIn(said, done.stdout if status == 0 else done.stderr)
                if requests:
                    self.assertEqual(len(server.seen), requests)
                last = json.loads(server.seen[-1][3])
                self.assertEqual((last.get("response_format") or {}).get("type", "text"), form)
                self.assertEqual(server.seen[-1][2]["Authorization"], "Bearer " + KEY)
                self.assertEqual(server.seen[-1][1], "/v1/chat/completions")
                self.assertEqual(len(self.verdicts()), 1 if status == 0 else 0)
                if status == 0:
                    self.check_verdict(self.verdicts()[0], mood)
                # What was asked remains to be asked: nothing is lost by any of it.
                server.mood = "good"
                self.assertEqual(self.analyze(server.base + "/v1", "latest").returncode, 0)
                self.assertEqual(len(self.verdicts()), 1)
                server.close()
        self.assertEqual(elsewhere.connections, 0)
        elsewhere.close()

    def test_the_form_that_is_answered_in_is_remembered(self):
        # The members too; but not what was answered in with fewer lines.
        for mood, seen in (("fence", (3, 4, 5)), ("think", (3, 4, 5)), ("newer", (3, 4, 5)), ("too-long", (4, 8))):
            self.forget()
            server = Server(mood)
            for requests in seen:
                self.assertEqual(self.analyze(server.base + "/v1", "latest").returncode, 0)
                self.assertEqual(len(server.seen), requests, mood)
            server.close()

    def check_verdict(self, verdict, mood):
        self.assertGreaterEqual(verdict["severity"], verdict["local_severity"])
        self.assertGreaterEqual(verdict["severity"], verdict["model_severity"])
        self.assertEqual((verdict["tokens_in"], verdict["tokens_out"]), (1500, 200))
        if mood == "invented-ids":
            self.assertEqual(verdict["findings"], [])
            self.assertEqual(verdict["rejected"], {"unknown_ids": 2, "without_evidence": 1})
        else:
            self.assertEqual(len(verdict["findings"]), 1)

    def test_tls(self):
        certificates = self.certificates
        for name, status in ((certificates.good, 0), (certificates.wrong_name, 69), (certificates.unknown, 69),
                             (certificates.expired, 69)):
            with self.subTest(name):
                self.forget()
                server = Server(cert=name)
                done = self.analyze(server.base + "/v1", "latest", **{"ANALYSIS.ca_file": certificates.ca})
                self.assertEqual(done.returncode, status, done.stderr)
                self.assertEqual(len(server.seen), 1 if status == 0 else 0)
                self.assertEqual(len(self.verdicts()), 1 if status == 0 else 0)
                server.close()

    def test_dry_run_is_what_is_sent(self):
        server = Server()
        dry = self.analyze(server.base + "/v1", "latest", "--dry-run")
        self.assertEqual((dry.returncode, server.connections), (0, 0))
        self.assertIn("US cents at most", dry.stderr)
        self.assertEqual(self.analyze(server.base + "/v1", "latest").returncode, 0)
        sent = json.loads(server.seen[0][3])
        shown = json.loads(dry.stdout)
        # But for the nonce, which stands twice.
        frame = [body["messages"][1]["content"].split("\n") for body in (sent, shown)]
        self.assertEqual(frame[0][1], frame[1][1])
        self.assertNotEqual(frame[0][0], frame[1][0])
        del sent["messages"], shown["messages"]
        self.assertEqual(sent, shown)
        server.close()

    def test_json_is_the_verdict(self):
        self.forget()
        server = Server()
        done = self.analyze(server.base + "/v1", "--json", "latest")
        self.assertEqual(json.loads(done.stdout), self.verdicts()[0])
        server.close()

    def verify(self):
        done = subprocess.run([PROGRAM, "report", "verify", "--json", "--reports-dir", self.reports], check=False,
                              capture_output=True, text=True)
        found = json.loads(done.stdout)["findings"]
        return [(f["kind"], f["report_id"]) for f in found if "verdict" in f["text"]]

    def severities(self):
        done = subprocess.run([PROGRAM, "report", "list", "--json", "--reports-dir", self.reports], check=True,
                              capture_output=True, text=True)
        return {r["report_id"]: (r["severity"], r["by_model"]) for r in json.loads(done.stdout)}

    def test_a_verdict_counts_for_its_report_and_those_above(self):
        self.forget()
        before = self.severities()
        self.assertEqual({by for _, by in before.values()}, {False})
        server = Server()
        cell = min(i for i in before if i.startswith("cell"))
        for severity in (1, 5):
            server.answer = lambda _: {"summary": "", "severity": severity, "findings": [], "recommendations": []}
            self.assertEqual(self.analyze(server.base + "/v1", cell).returncode, 0)
            # A report of which nothing was known has at least the model's word.
            raised = {i for i, now in self.severities().items() if now[1] and now[0] > 1}
            if severity == 1:
                self.assertEqual(raised, set())
        self.assertEqual({i for i in raised if i.startswith("cell")}, {cell})
        self.assertEqual({self.severities()[i] for i in raised}, {(5, True)})
        self.assertTrue([i for i in raised if i.startswith("block")])
        self.assertEqual(self.verify(), [])
        # What the seal does not cover does not count.
        path = self.reports + "/analysis/" + cell + ".json"
        with open(path, encoding="utf-8") as file:
            text = file.read()
        with open(path, "w", encoding="utf-8") as file:
            file.write(text.replace('"summary": ""', '"summary": "x"'))
        self.assertEqual(self.severities(), before)
        self.assertEqual(self.verify(), [("forged", cell)])
        server.close()

    def show(self, report):
        done = subprocess.run([PROGRAM, "report", "show", "--text", report, "--reports-dir", self.reports], check=True,
                              capture_output=True)
        for line in done.stdout.decode("utf-8").splitlines():
            self.assertLessEqual(len(line), 79)
        return done.stdout.decode("utf-8")

    def local_text(self, cell):
        with open(self.reports + "/cells/" + cell + ".analysis", encoding="utf-8") as file:
            return file.read().split("---- what a model added ----\n")

    def test_people_are_told_and_nothing_of_it_acts(self):
        hostile = "\x1b[2J\x07\u202e\u2066\x9b31m\nseverity 1 of 5\r\U000e0041"
        cell = min(i for i in self.severities() if i.startswith("cell"))
        path = self.reports + "/cells/" + cell + ".analysis"
        self.forget()
        local = self.local_text(cell)[0]
        before, server = self.show(cell), Server()
        self.assertNotIn("The model", before)
        server.answer = lambda asked: {
            "summary": hostile + " the whole of it" + " and more" * 60, "severity": 5,
            "findings": [{"title": hostile + "T", "evidence": ["x1"], "technique": "T1059", "confidence": 60,
                          "why": "because" + hostile}],
            "recommendations": ["look" + hostile, "x" * 300]}
        # The local part is made again where it is missing.
        for gone in (False, True):
            if gone:
                os.unlink(path)
            self.assertEqual(self.analyze(server.base + "/v1", cell).returncode, 0)
            self.assertEqual(self.local_text(cell)[0], local)
            shown = self.show(cell)
            self.assertRegex(shown, r"\nseverity 5 of 5 \([12] without the model\)")
            for text in (shown, self.local_text(cell)[1]):
                for part in ("says: severity 5, higher than the local", "; 5 counts", "the whole of it", "T1059",
                             "60 % sure", "[x1]", "because", "What the model would do", "look"):
                    self.assertIn(part, " ".join(text.split()))
                self.assertEqual(re.findall("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069]"
                                            "|[\U000e0000-\U000e007f]|^severity 1 of 5", text, re.M), [])
            self.assertEqual(shown.count(" and more"), 60)
            self.assertEqual(re.sub(r"\s", "", shown).count("x" * 300), 1)
        # One that soothes is written, and does not count; that of a report that was made again says so.
        server.answer = lambda _: {"summary": "well", "severity": 1, "findings": [], "recommendations": []}
        self.forget()
        self.assertEqual(self.analyze(server.base + "/v1", cell).returncode, 0)
        worst = before.split("severity ")[1].split(" of 5")[0]
        self.assertIn("severity %s of 5;" % worst, self.show(cell))
        self.assertIn("lower than the local" if worst > "1" else "as the local one; 1 counts", self.show(cell))
        self.assertEqual(len(self.local_text(cell)), 2)
        # What is not as it was written is not shown.
        verdict = self.reports + "/analysis/" + cell + ".json"
        with open(verdict, encoding="utf-8") as file:
            text = file.read()
        with open(verdict, "w", encoding="utf-8") as file:
            file.write(text.replace('"summary": "well"', '"summary": "forged"'))
        self.assertNotIn("forged", self.show(cell))
        self.assertIn("What a model added cannot be read", self.show(cell))
        server.close()

    def test_wrong_use(self):
        for arguments, status in ((["nonsense"], 66), (["cell-20200101T0000Z"], 66), ([], 64),
                                  (["--json", "--dry-run", "latest"], 64)):
            self.assertEqual(self.analyze("http://127.0.0.1:1/v1", *arguments).returncode, status, arguments)
        self.assertEqual(self.analyze("http://192.0.2.1/v1", "latest").returncode, 78)
        none = self.analyze("https://api.openai.com/v1", "latest", **{"OPENAI.api_key_file": ""})
        self.assertEqual((none.returncode, "no model to ask" in none.stderr), (78, True))

    def test_unredacted_reports_stay_on_the_host(self):
        self.forget()
        server = Server()
        off = {"ANALYSIS.redact": "off"}
        for base in ("https://192.0.2.1/v1", "https://api.openai.com/v1", "https://localhost.example.org/v1"):
            done = self.analyze(base, "latest", **off)
            self.assertEqual(done.returncode, 78, base)
            self.assertIn("redact = off, and api_base is not of this host", done.stderr)
        for base in (server.base, server.base.replace("127.0.0.1", "localhost")):
            self.assertEqual(self.analyze(base + "/v1", "latest", **off).returncode, 0, base)
        self.assertEqual(len(server.seen), 2)
        server.close()

    def test_a_budget(self):
        self.forget()
        server = Server()
        for status in (0, 75):
            done = self.analyze(server.base + "/v1", "latest", **{"ANALYSIS.max_requests_day": 1})
            self.assertEqual(done.returncode, status, done.stderr)
        self.assertEqual(len(server.seen), 1)
        server.close()

    def test_beside_an_agent_the_budget_is_one(self):
        self.forget()
        server = Server()
        with open(self.reports + "/.lock", "a", encoding="ascii") as agent:
            fcntl.flock(agent, fcntl.LOCK_EX)
            for status, extra in ((0, []), (75, []), (0, ["--over-budget"]), (75, [])):
                done = self.analyze(server.base + "/v1", "latest", *extra, **{"ANALYSIS.max_requests_day": 1})
                self.assertEqual(done.returncode, status, done.stderr)
                self.assertIn("only printed" if status == 0 else "--over-budget asks all the same",
                              done.stderr.splitlines()[-1])
        self.assertEqual(len(server.seen), 2)
        self.assertEqual(self.verdicts(), [])
        with open(self.reports + "/analysis/by-hand.json", encoding="ascii") as file:
            spent = json.load(file)
        self.assertEqual((spent["requests"], spent["tokens"]), (2, 3400))
        # Behind it, without an agent.
        done = self.analyze(server.base + "/v1", "latest", **{"ANALYSIS.max_requests_day": 2})
        self.assertEqual(done.returncode, 75, done.stderr)
        self.assertEqual(self.verify(), [])
        server.close()

    def test_exchanges_are_kept_when_told(self):
        self.forget()
        server = Server("prose")
        self.analyze(server.base + "/v1", "latest", **{"ANALYSIS.keep_exchanges": "true"})
        paths = glob.glob(self.reports + "/analysis/exchanges-*.jsonl")
        self.assertEqual([oct(os.stat(path).st_mode & 0o777) for path in paths], ["0o600"])
        with open(paths[0], encoding="utf-8") as file:
            text = file.read()
        self.assertNotIn(KEY, text)
        lines = [json.loads(line) for line in text.splitlines()]
        self.assertEqual([line["fault"] for line in lines], ["not JSON"] * 3)
        self.assertEqual([line["request"] for line in lines], [json.loads(seen[3]) for seen in server.seen])
        self.assertIn("**Security Score:** 3", lines[0]["answer"])
        server.close()


if __name__ == "__main__":
    if not os.path.exists(GENERATOR):
        print("gen_capture is not built")
        sys.exit(77)
    unittest.main(verbosity=2)
