#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Each way in which a server, a name or the network can misbehave, through client.h: outcome, bytes, time.

After each of them the same client answers a good request: nothing of one exchange is left for the next.
"""
import os
import sys
import tempfile
import time
import unittest

sys.dont_write_bytecode = True
from client import Agent, children  # noqa: E402
from server import HUGE, Certificates, Names, Server  # noqa: E402

KEY = "sk-test-0123456789abcdefghijkl"
ANSWER_MAX = 1 << 20
TIMEOUT_S = 3
SLACK_MS = 4000  # the machine's, under load

# What the server does: outcome, status, Retry-After, bytes (None: some); at least and at most milliseconds.
MISBEHAVIOURS = {
    "good": ("done", 200, 0, None, 0, 0),
    "no-schema": ("done", 200, 0, None, 0, 0),
    "unauthorized": ("done", 401, 0, None, 0, 0),
    "forbidden": ("done", 403, 0, None, 0, 0),
    "missing": ("done", 404, 0, None, 0, 0),
    "context": ("done", 400, 0, None, 0, 0),
    "too-many": ("done", 429, 2, None, 0, 0),
    "too-many-date": ("done", 429, (90, 100), None, 0, 0),
    "too-many-forever": ("done", 429, 86400, None, 0, 0),
    "error": ("done", 500, 0, None, 0, 0),
    "unavailable": ("done", 503, 3, None, 0, 0),
    "empty": ("done", 200, 0, 0, 0, 0),
    "hang": ("timeout", 0, 0, 0, TIMEOUT_S, TIMEOUT_S),
    "drip": ("timeout", 200, 0, 0, TIMEOUT_S, TIMEOUT_S),
    "drip-headers": ("timeout", 200, 0, 0, TIMEOUT_S, TIMEOUT_S),
    "huge": ("too-large", 200, 0, 0, 0, 0),
    "huge-chunked": ("too-large", 200, 0, 0, 0, 0),
    "huge-headers": ("too-large", 200, 0, 0, 0, 0),
    "just-fits": ("done", 200, 0, ANSWER_MAX, 0, 0),
    "not-utf8": ("done", 200, 0, None, 0, 0),
    "truncated-json": ("done", 200, 0, None, 0, 0),
    "wrong-schema": ("done", 200, 0, None, 0, 0),
    "invented-ids": ("done", 200, 0, None, 0, 0),
    "redirect": ("redirect", 307, 0, 0, 0, 0),
    "not-modified": ("redirect", 304, 0, 0, 0, 0),
    "closed": ("cut", 0, 0, 0, 0, 0),
    "cut": ("cut", 200, 0, 0, 0, 0),
    "garbage": ("cut", 0, 0, 0, 0, 0),
    "old": ("cut", 0, 0, 0, 0, 0),
}


class Client(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="edr-client-")
        cls.certificates = Certificates(cls.folder.name)
        cls.key_file = os.path.join(cls.folder.name, "key")
        with open(os.open(cls.key_file, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as file:
            file.write(KEY + "\n")
        cls.plain = Server()
        cls.tls = Server(cert=cls.certificates.good)
        cls.elsewhere = Server()
        cls.plain.elsewhere = cls.tls.elsewhere = cls.elsewhere.base + "/v1/stolen"

    @classmethod
    def tearDownClass(cls):
        for server in (cls.plain, cls.tls, cls.elsewhere):
            server.close()
        cls.folder.cleanup()

    def setUp(self):
        self.agent = Agent()
        self.assertEqual(self.agent.started["errno"], 0, self.agent.started)
        for server in (self.plain, self.tls, self.elsewhere):
            server.seen.clear()
            server.connections = 0

    def tearDown(self):
        self.assertEqual(self.agent.close(), 0)

    def ask(self, server, path="/good", **more):
        if server.tls:
            more.setdefault("ca", self.certificates.ca)
        request = {"base": server.base, "path": path, "timeout": TIMEOUT_S, "key_file": self.key_file, **more}
        return self.agent.ask(**request)

    def still_works(self):
        got = self.ask(self.plain)
        self.assertEqual((got["outcome"], got["status"]), ("done", 200), got)

    def check(self, server, mood):
        outcome, status, retry, size, least_s, most_s = MISBEHAVIOURS[mood]
        got = self.ask(server, "/" + mood)
        self.assertEqual((got["outcome"], got["status"]), (outcome, status), got)
        if isinstance(retry, tuple):
            self.assertTrue(retry[0] <= got["retry_after"] <= retry[1], got)
        else:
            self.assertEqual(got["retry_after"], retry, got)
        if size is None:
            self.assertGreater(got["bytes"], 0)
        else:
            self.assertEqual(got["bytes"], size)
        self.assertGreaterEqual(got["ms"], least_s * 1000 - 50)
        self.assertLess(got["ms"], most_s * 1000 + SLACK_MS)
        self.assertLess(got["longest_call_ms"], 1000, "no call waits")
        self.assertEqual([], [s for s in self.elsewhere.seen], "a redirect was followed")
        self.still_works()

    def test_plain(self):
        for mood in MISBEHAVIOURS:
            with self.subTest(mood):
                self.check(self.plain, mood)
        self.assertEqual(self.elsewhere.connections, 0)

    def test_tls(self):
        for mood in MISBEHAVIOURS:
            with self.subTest(mood):
                self.check(self.tls, mood)
        self.assertEqual(self.elsewhere.connections, 0)

    def test_what_is_sent(self):
        self.ask(self.tls, "/v1/chat/completions", body_bytes=100000)
        method, path, headers, body = self.tls.seen[-1]
        self.assertEqual((method, path, body), ("POST", "/v1/chat/completions", b"x" * 100000))
        self.assertEqual(headers["Authorization"], "Bearer " + KEY)
        self.assertEqual(headers["Content-Type"], "application/json")
        for name in ("Cookie", "Accept-Encoding", "Expect", "Referer"):
            self.assertNotIn(name, headers)
        self.ask(self.plain, "/v1/models", method="GET", key_file="")
        method, path, headers, body = self.plain.seen[-1]
        self.assertEqual((method, path, body), ("GET", "/v1/models", b""))
        self.assertNotIn("Authorization", headers)

    def test_a_file_and_its_end(self):
        """An upload is made of the request's bytes; what has no such method is not sent."""
        self.ask(self.tls, "/v1/files", method="FILE", body_bytes=900000)
        method, path, headers, body = self.tls.seen[-1]
        self.assertEqual((method, path, headers["Authorization"]), ("POST", "/v1/files", "Bearer " + KEY))
        self.assertNotIn("Expect", headers)
        kind, _, boundary = headers["Content-Type"].partition("; boundary=")
        parts = [part.partition(b"\r\n\r\n")[::2] for part in body.split(b"--" + boundary.encode())[1:-1]]
        self.assertEqual((kind, [data for _, data in parts]),
                         ("multipart/form-data", [b"batch\r\n", b"x" * 900000 + b"\r\n"]))
        self.assertIn(b'name="purpose"', parts[0][0])
        self.assertIn(b'name="file"; filename="application/json"', parts[1][0])
        self.ask(self.tls, "/v1/files/file-1", method="DELETE", body_bytes=0)
        method, path, headers, body = self.tls.seen[-1]
        self.assertEqual((method, path, body), ("DELETE", "/v1/files/file-1", b""))
        before = len(self.tls.seen)
        self.assertEqual(self.ask(self.tls, "/v1/files", method="PUT")["outcome"], "died")
        self.assertEqual(len(self.tls.seen), before)
        self.still_works()

    def test_largest_request(self):
        got = self.ask(self.tls, body_bytes=1 << 20)
        self.assertEqual((got["outcome"], len(self.tls.seen[-1][3])), ("done", 1 << 20))
        self.assertEqual(self.ask(self.tls, body_bytes=(1 << 20) + 1)["errno"], 7)  # E2BIG
        self.still_works()

    def test_certificates(self):
        for cert in ("wrong_name", "unknown", "expired"):
            with self.subTest(cert):
                server = Server(cert=getattr(self.certificates, cert))
                got = self.ask(server)
                self.assertEqual((got["outcome"], got["status"], got["bytes"]), ("tls", 0, 0))
                self.assertEqual(server.seen, [], "the key went out")
                server.close()
                self.still_works()
        got = self.ask(self.tls, ca="")  # this host's authorities do not know ours
        self.assertIn(got["outcome"], ("tls", "refused"))
        self.assertEqual(self.tls.seen, [])
        # TLS to a server that has none, and none to one that has.
        got = self.ask(self.plain, base=self.plain.base.replace("http:", "https:"), ca=self.certificates.ca)
        self.assertEqual(got["outcome"], "tls")
        got = self.ask(self.tls, base=self.tls.base.replace("https:", "http:"))
        self.assertEqual(got["outcome"], "cut")

    def test_nobody_there(self):
        gone = Server()
        gone.close()
        self.assertEqual(self.ask(gone)["outcome"], "no-connect")
        self.still_works()

    def test_v6(self):
        try:
            server = Server(host="::1", cert=self.certificates.good)
        except OSError:
            self.skipTest("no ::1 here")
        self.assertEqual(self.ask(server)["outcome"], "done")
        self.assertEqual(self.ask(server, base="https://localhost:%d" % server.port)["outcome"], "done")
        server.close()

    def test_names(self):
        names = Names({"model.test": "127.0.0.1", "silent.test": None, "elsewhere.test": "127.0.0.1"})

        def ask(name, **more):
            base = "https://%s:%d" % (name, self.tls.port)
            return self.ask(self.tls, base=base, nameserver=names.address, connect_timeout=1, **more)

        self.assertEqual(ask("model.test")["outcome"], "done")
        self.assertIn("model.test", names.asked)
        self.assertEqual(self.tls.seen[-1][2]["Host"], "model.test:%d" % self.tls.port)
        self.assertEqual(ask("nowhere.test")["outcome"], "no-name")
        got = ask("silent.test")
        self.assertEqual(got["outcome"], "no-name")
        self.assertTrue(900 <= got["ms"] < 1000 + SLACK_MS, got)
        self.assertEqual(ask("elsewhere.test")["outcome"], "tls", "its certificate has another name")
        names.close()
        self.assertEqual(ask("model.test")["outcome"], "no-name")
        self.still_works()

    def test_proxy(self):
        proxy = Server()
        proxy.forward = self.tls.port
        there = {"base": "https://model.test:443", "ca": self.certificates.ca, "proxy": proxy.base}
        self.assertEqual(self.ask(self.tls, **there)["outcome"], "done")
        method, path, headers, _ = proxy.seen[-1]
        self.assertEqual((method, path), ("CONNECT", "model.test:443"))
        self.assertNotIn("Authorization", headers, "the key is not for the proxy")
        self.assertEqual(self.tls.seen[-1][2]["Authorization"], "Bearer " + KEY)
        proxy.forward = None
        self.assertEqual(self.ask(self.tls, **there)["outcome"], "no-connect")
        # Not for loopback.
        self.assertEqual(self.ask(self.tls, proxy=proxy.base)["outcome"], "done")
        self.assertEqual(len(proxy.seen), 2)
        proxy.close()

    def test_cancel(self):
        begun = time.monotonic()
        self.assertEqual(self.ask(self.plain, "/hang", cancel_ms=300)["outcome"], "cancelled")
        self.assertLess(time.monotonic() - begun, TIMEOUT_S)
        self.still_works()

    def test_one_worker_an_exchange(self):
        for _ in range(3):
            self.agent.begin(base=self.plain.base, path="/hang", timeout=1)
            time.sleep(0.4)
            self.assertEqual(len(children(self.agent.client)), 1)
            self.assertEqual(self.agent.finish()["outcome"], "timeout")
            self.assertEqual(children(self.agent.client), [])

    def test_huge_is_not_read(self):
        """50 MB are offered; what we took of it is no more than we keep, and what lay in the sockets."""
        before = time.monotonic()
        self.assertEqual(self.ask(self.plain, "/huge")["outcome"], "too-large")
        self.assertLess(time.monotonic() - before, 5)
        self.assertGreater(HUGE, 8 * ANSWER_MAX)


if __name__ == "__main__":
    unittest.main()
