#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A week's report through the batch interface, by the duty and its real client: what is asked, what it costs, what
remains at the server, and that it is answered once, whatever the server does and whenever we are killed."""
import glob
import json
import os
import signal
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
from batch_server import BatchServer, good_line, lost, says, tells  # noqa: E402

BUILD = os.environ["EDR_BUILD_DIR"]
DRIVER = os.path.join(BUILD, "analyze", "batch_driver")
PROGRAM = os.path.join(BUILD, "linux-edr-client")
# 1500 tokens in, 200 out, at 1500 and 6000 cents a million: in millionths of a dollar.
PRICE, HALF = 34500, 17250
GOOD = ["upload", "create", "poll", "poll", "poll", "fetch", "delete", "delete"]


class Batch(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="edr-batch-")
        self.reports = os.path.join(self.folder.name, "reports")
        self.server = None

    def tearDown(self):
        self.server.close()
        self.folder.cleanup()

    def serve(self, **wrong):
        if self.server:
            self.server.close()
        self.server = BatchServer(**wrong)
        return self.server

    def again(self, **wrong):
        """From the beginning."""
        self.folder.cleanup()
        os.makedirs(self.folder.name)
        return self.serve(**wrong)

    def run_duty(self, seconds=0, die_at=0, **settings):
        """What it says at its end; None when it was killed."""
        environment = dict(os.environ, **{"EDR_" + key: str(value) for key, value in settings.items()})
        command = [DRIVER, PROGRAM, self.server.base + "/v1", self.reports, str(seconds), str(die_at)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False,
                              env=environment)
        self.said = done.stderr
        if die_at and done.returncode == -signal.SIGKILL:
            return None
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def verdict(self, level="weekly"):
        found = glob.glob(self.reports + "/analysis/%s-*.json" % level)
        if not found:
            return None
        with open(found[0], encoding="utf-8") as file:
            return json.load(file)

    def queue(self):
        with open(self.reports + "/analysis/queue.json", encoding="utf-8") as file:
            return json.load(file)

    def steps(self):
        """Without the day's report, which is an ordinary request always."""
        steps = list(self.server.steps)
        steps.remove("chat")
        return steps

    def nothing_left(self, end):
        self.assertEqual((end["waiting"], end["open"], end["given_up"]), (0, 0, 0), self.said)
        self.assertEqual(self.server.files, {}, "at the server")
        self.assertEqual(self.queue()["batches"], [])
        self.assertIsNotNone(self.verdict())
        self.assertIsNotNone(self.verdict("daily"))

    def by_batch(self, end):
        self.nothing_left(end)
        self.assertEqual(self.server.steps.count("chat"), 1, "of the day alone")
        self.assertEqual(len(self.server.batches), 1)
        self.assertEqual(self.verdict()["micro_usd"], HALF)

    def directly(self, end, batches=None):
        self.nothing_left(end)
        self.assertEqual(self.server.steps.count("chat"), 2)
        self.assertEqual(self.verdict()["micro_usd"], PRICE)
        if batches is not None:
            self.assertEqual(len(self.server.batches), batches)

    def test_success(self):
        self.serve()
        end = self.run_duty()
        self.by_batch(end)
        self.assertEqual(self.steps(), GOOD)
        self.assertEqual((end["answered"], end["batches"], end["batch_failed"], end["faults"]), (2, 1, 0, 0))
        self.assertEqual((end["micro_usd"], end["tokens"], end["requests"]), (PRICE + HALF, 3400, 2))
        self.assertEqual(len(self.verdict()["findings"]), 1)
        self.assertEqual({seen[2]["Authorization"] for seen in self.server.seen}, {"Bearer sk-test-batch"})

    def test_a_month(self):
        self.serve()
        end = self.run_duty(LEVEL="monthly")
        self.assertEqual((end["answered"], end["batches"], self.steps()), (2, 1, GOOD))
        self.assertEqual(self.verdict("monthly")["micro_usd"], HALF)

    def test_only_when_asked(self):
        self.serve()
        end = self.run_duty(BATCH=0)
        self.assertEqual((end["answered"], end["batches"], self.server.steps), (2, 0, ["chat", "chat"]))

    def test_a_budget(self):
        """An answer is thought to cost 60000 at most, half of it in a batch; what is asked comes on top."""
        self.serve()
        end = self.run_duty(MICRO_USD=60000)
        self.assertEqual((end["answered"], self.server.steps), (1, GOOD))
        self.assertIsNotNone(self.verdict())
        self.again()
        end = self.run_duty(MICRO_USD=30000)
        self.assertEqual((end["answered"], self.server.steps), (0, []))

    def test_exchanges_are_kept(self):
        self.serve()
        self.run_duty()
        with open(glob.glob(self.reports + "/analysis/exchanges-*.jsonl")[0], encoding="utf-8") as file:
            lines = [json.loads(line) for line in file]
        week = [line for line in lines if line["report_id"].startswith("weekly")]
        self.assertEqual([(line["batch"], line["status"], line["micro_usd"]) for line in week], [(True, 200, HALF)])
        sent = next(seen[3] for seen in self.server.seen if seen[1] == "/v1/files")
        self.assertIn(json.dumps(week[0]["request"]["messages"][1]["content"])[1:-1].encode()[:20], sent)
        self.assertEqual([line.get("batch") for line in lines if line not in week], [None])

    def test_polls_grow_apart(self):
        self.serve().looks = 12
        end = self.run_duty()
        self.by_batch(end)
        # 1, 2, 4, 8, 16, then 30 minutes each.
        self.assertEqual(end["minutes"], 31 + 8 * 30)

    def test_no_such_interface(self):
        for status in (404, 405, 400, 501):
            for step, asked in (("upload", ["upload", "chat"]), ("create", ["upload", "create", "delete", "chat"])):
                with self.subTest(step=step, status=status):
                    self.again(**{step: says(status)})
                    end = self.run_duty()
                    self.directly(end, 0)
                    self.assertEqual(sorted(self.steps()), sorted(asked))
                    self.assertEqual(self.said.count("has no batch interface"), 1)
                    self.assertEqual(end["micro_usd"], 2 * PRICE, "what was set aside was given back")
                    self.assertEqual([w["server"] for w in self.queue()["without_batches"]],
                                     [self.server.base + "/v1"])

    def test_it_is_remembered(self):
        self.serve(upload=says(404))
        self.run_duty()
        for path in glob.glob(self.reports + "/analysis/weekly-*") + glob.glob(self.reports + "/weekly/*"):
            os.unlink(path)
        queue = self.queue()
        queue["last"]["weekly"]["seen"] = ""
        with open(self.reports + "/analysis/queue.json", "w", encoding="utf-8") as file:
            json.dump(queue, file)
        self.server.steps.clear()
        self.run_duty(3600)
        self.assertEqual(self.server.steps, ["chat"])
        self.assertNotIn("has no batch interface", self.said)

    def test_it_ends_without_an_answer(self):
        for status in ("failed", "expired", "cancelled"):
            with self.subTest(status):
                self.again().ended = status
                end = self.run_duty()
                self.directly(end, 1)
                self.assertEqual(end["micro_usd"], 2 * PRICE, "half of it was given back")
                self.assertEqual(end["batch_failed"], 1)

    def test_it_does_not_end(self):
        self.serve().looks = 1000
        end = self.run_duty()
        self.directly(end, 1)
        self.assertIn("cancel", self.server.steps)
        self.assertGreater(self.server.steps.index("cancel"), 50)
        # The next day's requests: what was set aside was of the day before.
        self.assertEqual(end["micro_usd"], PRICE)
        self.assertGreater(end["minutes"], 26 * 60)

    def test_lost_answers(self):
        for step, found in (("upload", "find_file"), ("create", "find"), ("poll", "poll"), ("fetch", "fetch"),
                            ("delete", "delete")):
            with self.subTest(step):
                self.again(**{step: [lost]})
                end = self.run_duty()
                self.by_batch(end)
                self.assertIn(found, self.server.steps)
                self.assertEqual(self.server.steps.count("upload"), 1)
                self.assertEqual(self.server.steps.count("create"), 1)

    def test_what_was_not_made_is_made_again(self):
        for step, found in (("upload", "find_file"), ("create", "find")):
            with self.subTest(step):
                self.again(**{step: [says(500)]})
                end = self.run_duty()
                self.by_batch(end)
                self.assertEqual((self.server.steps.count(step), self.server.steps.count(found)), (2, 1))
                self.assertEqual(end["micro_usd"], PRICE + HALF)

    def test_no_lists(self):
        """What was made cannot be looked for: a file is made again, a batch is not, and may be paid for."""
        self.serve(upload=[says(500)], find_file=says(405))
        self.by_batch(self.run_duty())
        self.again(create=[lost], find=says(404))
        self.directly(self.run_duty(), 1)

    def test_errors_that_pass(self):
        for step in ("upload", "create", "poll", "fetch", "delete"):
            for wrong in (says(429, Retry_After="600"), says(401), says(403), says(503, Retry_After="900")):
                self.again(**{step: [wrong]})
                end = self.run_duty()
                self.by_batch(end)
                self.assertGreaterEqual(end["minutes"], 10)
                self.assertEqual(end["micro_usd"], PRICE + HALF)

    def test_killed_at_every_moment(self):
        self.serve()
        whole = self.run_duty()["moments"]
        for at in range(1, whole + 1):
            with self.subTest(at):
                self.again()
                self.assertIsNone(self.run_duty(0, at))
                end = self.run_duty(300)
                # The day's may have been asked twice; the batch was not.
                self.nothing_left(end)
                self.assertEqual(len(self.server.batches), 1)
                self.assertEqual(self.server.steps.count("upload"), 1)
                self.assertEqual(self.verdict()["micro_usd"], HALF)
        print("killed at each of %d moments" % whole)

    def test_killed_again_and_again(self):
        """Soon after the start, each time at another moment of the first two requests."""
        self.serve()
        for i in range(60):
            end = self.run_duty(300 * i, 3 + i % 4)
            if end:
                break
        self.nothing_left(end)
        self.assertEqual((len(self.server.batches), self.server.steps.count("upload")), (1, 1))

    def test_hostile_files(self):
        two = lambda c, t: good_line(c, t) + good_line(c, t)  # noqa: E731
        cases = {
            "two lines": two, "another id": lambda c, t: good_line("edr-0", t), "empty": lambda c, t: b"",
            "truncated": lambda c, t: good_line(c, t)[:-30] + b"\n", "huge": lambda c, t: b" " * (50 << 20),
            "no object": lambda c, t: b"[1, 2]\n", "body no object": lambda c, t: good_line(c, "x"),
            "not UTF-8": lambda c, t: good_line(c, t).replace(b"looked at", b"\xff\xfe"),
            "odd status": lambda c, t: good_line(c, t, 99999), "deep": lambda c, t: b"[" * 100000 + b"\n",
            "null": lambda c, t: json.dumps({"custom_id": c, "response": None, "error": {}}).encode(),
        }
        for name, line in cases.items():
            with self.subTest(name):
                self.again().line = line
                end = self.run_duty()
                self.directly(end, 1)
                self.assertEqual((end["faults"], end["batch_failed"]), (1, 1))

    def test_the_answer_is_validated_as_any_other(self):
        bad = {"summary": "x", "severity": 9, "findings": [], "recommendations": []}
        server = self.serve()
        server.line = lambda c, t: good_line(c, {**t, "choices": [{"message": {
            "role": "assistant", "content": json.dumps(bad)}, "finish_reason": "stop"}]})
        end = self.run_duty()
        self.directly(end, 1)
        self.assertEqual(end["faults"], 1)
        # And one that the server itself refused: another form, without a batch.
        self.again().line = lambda c, t: good_line(c, {"error": {}}, 400)
        self.directly(self.run_duty(), 1)
        last = [json.loads(s[3])["response_format"]["type"] for s in self.server.seen if s[1].endswith("completions")]
        self.assertEqual(sorted(last), ["json_object", "json_schema"])

    def test_hostile_ids(self):
        odd = ["../chat/completions", "a/b", "a?b", "a b", "", "x" * 129, "a\r\nX: y", "é", None, 5, {"a": 1}, ".."]
        for ident in odd:
            with self.subTest(ident):
                self.again(upload=tells({"id": ident, "object": "file"}))
                self.directly(self.run_duty(), 0)
                self.again(create=tells({"id": ident, "object": "batch"}))
                self.directly(self.run_duty(), 0)
                for seen in self.server.seen:
                    self.assertRegex(seen[1], r"^/v1/(chat/completions|batches|files)([/?][A-Za-z0-9_=&/-]*)?$")
        for ident in odd[:8]:
            with self.subTest(output=ident):
                self.again(poll=lambda h, i: h.reply(200, {"id": i, "status": "completed", "output_file_id": ident}))
                self.directly(self.run_duty(), 1)
                self.assertNotIn("fetch", self.server.steps)

    def test_hostile_objects(self):
        for step in ("upload", "create", "poll"):
            for content in (b"", b"{", b"[]", b"null", b'{"id":"\xff"}', b"x" * (2 << 20), b'{"id":"other","status":"completed","output_file_id":"file-9"}'):
                if step != "poll" and b"other" in content:
                    continue
                with self.subTest(step=step, content=content[:20]):
                    self.again(**{step: tells(content)})
                    end = self.run_duty()
                    self.directly(end)
                    self.assertGreaterEqual(end["faults"], 1)

    def test_it_cannot_be_cleared_away(self):
        for status in (500, 405):
            self.again(delete=says(status))
            end = self.run_duty()
            self.assertEqual((end["waiting"], end["open"], end["answered"]), (0, 0, 2))
            self.assertIn("may still be at the model's server", self.said)

    def test_a_report_that_changed_meanwhile(self):
        self.serve().looks = 3
        self.assertIsNone(self.run_duty(0, 14))
        path = self.reports + "/weekly/weekly-2026W47.json"
        with open(path, encoding="utf-8") as file:
            text = file.read()
        with open(path, "w", encoding="utf-8") as file:
            file.write(text.replace('"run-memfd"', '"run-deleted"'))
        self.assertEqual([b["step"] for b in self.queue()["batches"]], ["poll"])
        self.directly(self.run_duty(600), 1)

    def test_another_server(self):
        first = self.serve()
        first.looks = 1000
        self.assertIsNone(self.run_duty(0, 14))
        second = self.server = BatchServer()
        end = self.run_duty(600)
        self.assertEqual((end["waiting"], end["open"]), (0, 0))
        self.assertEqual({seen[1] for seen in second.seen}, {"/v1/chat/completions"})
        first.close()

    def test_a_queue_that_was_forged(self):
        self.serve().looks = 3
        self.assertIsNone(self.run_duty(0, 14))
        queue = self.queue()
        for key, value in (("batch", "../x"), ("file", "a/b"), ("sha256", "x" * 90), ("step", "pay"), ("next", -5)):
            with self.subTest(key):
                forged = json.loads(json.dumps(queue))
                forged["batches"][0][key] = value
                with open(self.reports + "/analysis/queue.json", "w", encoding="utf-8") as file:
                    json.dump(forged, file)
                self.run_duty(600, 1)
                self.assertIn("queue.json is damaged", self.said)


if __name__ == "__main__":
    unittest.main(verbosity=2)
