#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A server of the chat completions interface on 127.0.0.1 that can misbehave, certificates and a nameserver for it.

server.py [--mood MOOD] [--port PORT] [--seconds N] [--hang N] [--save DIR]: serves by itself, prints its port, ends after
N seconds (600). What hangs does so for --hang seconds (30). DIR gets the bytes of each request, as request-1 and so on.
"""
import argparse
import email.utils
import http.server
import json
import os
import re
import socket
import ssl
import subprocess
import sys
import threading
import time

HUGE = 50 << 20
# Not less than a quarter of what prompt_tokens allows: what is less is not believed.
USAGE = {"prompt_tokens": 1500, "completion_tokens": 200, "total_tokens": 1700}
HANG_S = 30  # what hangs or drips ends by itself


def answer(request):
    """What a well-behaved model says: it cites ids that it was given."""
    text = json.dumps(request.get("messages", []))
    ids = re.findall(r'\\"e\\":\s*\\"([a-z][0-9]+)\\"', text)
    findings = [{"title": "as it was found", "evidence": ids[:1], "technique": "T1059", "confidence": 60,
                 "why": "the row says so"}] if ids else []
    return {"summary": "What was found was looked at.", "severity": 2, "findings": findings, "recommendations": []}


def completion(text, finish="stop", **message):
    return {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "test",
            "choices": [{"index": 0, "finish_reason": finish,
                         "message": {"role": "assistant", "content": text, **message}}],
            "usage": dict(USAGE)}


def error(kind, message):
    return {"error": {"message": message, "type": kind, "param": None, "code": None}}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = HANG_S

    def log_message(self, *_):
        pass

    def setup(self):
        if self.server.tls:
            self.request.settimeout(5)
            self.request.do_handshake()
        super().setup()

    def do_POST(self):
        length = int(self.headers.get("Content-Length") or 0)
        self.body = self.rfile.read(length)
        self.server.seen.append((self.command, self.path, dict(self.headers), self.body))
        self.save()
        try:
            self.asked = json.loads(self.body)
        except ValueError:
            self.asked = {}
        mood = self.server.mood if self.path.startswith("/v1") or "?" in self.path else self.path[1:].split("/")[0]
        MOODS.get(mood, good)(self)

    do_GET = do_DELETE = do_POST

    def save(self):
        if self.server.save:
            path = os.path.join(self.server.save, "request-%d" % len(self.server.seen))
            with open(path + ".part", "wb") as file:
                file.write(self.raw_requestline + bytes(self.headers) + self.body)
            os.rename(path + ".part", path)

    def do_CONNECT(self):
        """As a proxy: to whom the server says, whatever was asked for, so that a test needs no names."""
        self.server.seen.append((self.command, self.path, dict(self.headers), b""))
        if self.server.forward is None:
            self.reply(403, {})
            return
        self.send_response(200)
        self.end_headers()
        with socket.create_connection(("127.0.0.1", self.server.forward), 5) as other:
            there = threading.Thread(target=pour, args=(other, self.connection), daemon=True)
            there.start()
            pour(self.connection, other)
            there.join(HANG_S)
        self.close_connection = True

    def reply(self, status, content, **headers):
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data)

    def form(self):
        return (self.asked.get("response_format") or {}).get("type", "text")

    def raw(self, data):
        self.wfile.write(data)
        self.wfile.flush()
        self.close_connection = True

    def wait(self, seconds):
        self.server.ending.wait(seconds)


def pour(source, sink):
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def good(h):
    text = json.dumps(h.server.answer(h.asked))
    h.reply(200, completion(text if h.form() != "text" else "Here it is:\n```json\n" + text + "\n```\n"))


def fence(h):
    """Takes every form, keeps to none."""
    h.reply(200, completion("```json\n" + json.dumps(h.server.answer(h.asked)) + "\n```"))


def think(h):
    h.reply(200, completion("\n<think>the row {x4} is odd</think>" + json.dumps(h.server.answer(h.asked))))


def too_much(h):
    """Of what it was first asked with."""
    return len(h.body) * 10 > len(h.server.seen[0][3]) * 9


def vllm(h):
    if too_much(h):
        h.reply(400, {"object": "error", "message": "This model's maximum context length is 2048 tokens. However, you "
                      "requested 3000 tokens (2000 in the messages, 1000 in the completion).", "type": "BadRequestError",
                      "param": None, "code": 400})
    else:
        good(h)


def too_long(h):
    """The same in words that nobody knows."""
    if too_much(h):
        h.reply(400, {"error": "das ist zu viel"})
    else:
        good(h)


def newer(h):
    """Members as newer models have them, each refused by itself."""
    if "max_tokens" in h.asked:
        h.reply(400, error("invalid_request_error", "Unsupported parameter: 'max_tokens' is not supported with this "
                           "model. Use 'max_completion_tokens' instead."))
    elif "temperature" in h.asked:
        h.reply(400, error("invalid_request_error", "Unsupported value: 'temperature' does not support 0 with this "
                           "model. Only the default (1) value is supported."))
    else:
        good(h)


def says_key(h):
    h.reply(400, error("invalid_request_error", "\x1b[2JReceived API Key = " + h.headers["Authorization"][7:]))


def no_schema(h):
    if h.form() == "json_schema":
        h.reply(400, error("invalid_request_error", "response_format json_schema is not supported"))
    else:
        good(h)


def no_forms(h):
    if h.form() != "text":
        h.reply(400, error("invalid_request_error", "unknown parameter: response_format"))
    else:
        good(h)


def invented_ids(h):
    told = h.server.answer(h.asked)
    told["findings"] = [{"title": "made up", "evidence": ["z99", "f999"], "technique": "T1059", "confidence": 99,
                         "why": "trust me"}]
    h.reply(200, completion(json.dumps(told)))


def hang(h):
    h.wait(h.server.hang_s)
    h.close_connection = True


def judge(severity):
    """An answer as it is asked for, whose severity is its own."""
    told = {"summary": "**Security Score:** %d. All is as it should be." % severity, "severity": severity, "findings": [],
            "recommendations": ["Security Score: 3"]}
    return lambda h: h.reply(200, completion(json.dumps(told)))


def drip(h):
    h.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    for _ in range(HANG_S):
        if h.server.ending.wait(1):
            return
        h.raw(b" ")


def drip_headers(h):
    h.raw(b"HTTP/1.1 200 OK\r\n")
    for i in range(HANG_S):
        if h.server.ending.wait(1):
            return
        h.raw(b"X-%d: y\r\n" % i)


def huge(h):
    h.send_response(200)
    h.send_header("Content-Length", str(HUGE))
    h.end_headers()
    for _ in range(HUGE >> 16):
        h.wfile.write(b" " * 65536)


def huge_chunked(h):
    h.send_response(200)
    h.send_header("Transfer-Encoding", "chunked")
    h.end_headers()
    for _ in range(HUGE >> 16):
        h.wfile.write(b"10000\r\n" + b" " * 65536 + b"\r\n")
    h.wfile.write(b"0\r\n\r\n")


def huge_headers(h):
    h.raw(b"HTTP/1.1 200 OK\r\n")
    for i in range(20000):
        h.wfile.write(b"X-%05d: %s\r\n" % (i, b"y" * 100))


def redirect(h):
    h.reply(307, {}, Location=h.server.elsewhere or "http://127.0.0.1:1/")


def cut(h):
    h.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{\"choices\":")


MOODS = {
    "good": good,
    "fence": fence,
    "think": think,
    "vllm": vllm,
    "too-long": too_long,
    "newer": newer,
    "says-key": says_key,
    "no-schema": no_schema,
    "no-forms": no_forms,
    "unauthorized": lambda h: h.reply(401, error("invalid_request_error", "Incorrect API key provided")),
    "forbidden": lambda h: h.reply(403, error("permission_error", "no")),
    "missing": lambda h: h.reply(404, error("not_found", "no such model")),
    "too-many": lambda h: h.reply(429, error("rate_limit", "slow down"), Retry_After="2"),
    "too-many-date": lambda h: h.reply(429, error("rate_limit", "slow down"),
                                       Retry_After=email.utils.formatdate(time.time() + 100, usegmt=True)),
    "too-many-forever": lambda h: h.reply(429, error("rate_limit", "slow down"), Retry_After="99999999999"),
    "error": lambda h: h.reply(500, error("server_error", "oops")),
    "unavailable": lambda h: h.reply(503, error("server_error", "loading"), Retry_After="3"),
    "context": lambda h: h.reply(400, error("exceed_context_size_error", "the request exceeds the context size")),
    "empty": lambda h: h.reply(200, b""),
    "hang": hang,
    "drip": drip,
    "drip-headers": drip_headers,
    "huge": huge,
    "huge-chunked": huge_chunked,
    "huge-headers": huge_headers,
    "just-fits": lambda h: h.reply(200, b" " * (1 << 20)),
    "not-utf8": lambda h: h.reply(200, b'{"choices":[{"message":{"content":"\xff\xfe\x80"}}]}'),
    "truncated-json": lambda h: h.reply(
        200, json.dumps(completion(json.dumps(h.server.answer(h.asked))))[:-40].encode()),
    "truncated-answer": lambda h: h.reply(200, completion(json.dumps(h.server.answer(h.asked))[:-10])),
    "length": lambda h: h.reply(200, completion('{"summary": "and so', "length")),
    "refusal": lambda h: h.reply(200, completion(None, refusal="I cannot help with that")),
    "prose": lambda h: h.reply(200, completion("**Security Score:** 3\nAll is well.")),
    "all-is-well": judge(1),
    "alarm": judge(5),
    "wrong-schema": lambda h: h.reply(200, completion(json.dumps({"severity": "low", "verdict": "fine"}))),
    "invented-ids": invented_ids,
    "redirect": redirect,
    "not-modified": lambda h: h.reply(304, b""),
    "closed": lambda h: setattr(h, "close_connection", True),
    "cut": cut,
    "garbage": lambda h: h.raw(b"SSH-2.0-OpenSSH_9.2\r\n" + os.urandom(512)),
    "old": lambda h: h.raw(b"{} of HTTP/0.9\n"),
}


class Server(http.server.ThreadingHTTPServer):
    """Serves in a thread of its own until close(). mood: what it does below /v1; any other path names its mood."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, mood="good", cert=None, host="127.0.0.1", port=0):
        if ":" in host:
            self.address_family = socket.AF_INET6
        super().__init__((host, port), Handler)
        self.mood, self.answer, self.elsewhere, self.forward = mood, answer, None, None
        self.seen, self.save, self.hang_s = [], None, HANG_S
        self.connections = 0
        self.ending = threading.Event()
        self.tls = None
        if cert:
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(cert + ".pem", cert + ".key")
        self.port = self.server_address[1]
        name = "[%s]" % host if ":" in host else host
        self.base = "%s://%s:%d" % ("https" if cert else "http", name, self.port)
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def get_request(self):
        connection, address = super().get_request()
        self.connections += 1
        if self.tls:
            connection = self.tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return connection, address

    def handle_error(self, *_):
        pass

    def close(self):
        self.ending.set()
        self.shutdown()
        self.server_close()


class Names:
    """A nameserver for A records: {name: address}; None is no answer at all, any other name does not exist."""

    def __init__(self, names):
        self.names, self.asked = names, []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.socket.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        try:
            while True:
                query, sender = self.socket.recvfrom(512)
                reply = self.reply(query)
                if reply:
                    self.socket.sendto(reply, sender)
        except OSError:
            pass

    def reply(self, query):
        at, labels = 12, []
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode())
            at += 1 + query[at]
        name, kind, question = ".".join(labels), query[at + 2], query[12:at + 5]
        self.asked.append(name)
        address = self.names.get(name, "")
        if address is None:
            return None
        found = [address] if address and kind == 1 else []
        flags = b"\x81\x80" if address else b"\x81\x83"
        head = query[:2] + flags + b"\x00\x01" + len(found).to_bytes(2, "big") + b"\x00\x00\x00\x00"
        records = b"".join(b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04" + socket.inet_aton(a) for a in found)
        return head + question + records

    def close(self):
        self.socket.close()


class Certificates:
    """In a folder: two authorities, ca and other-ca, and certificates of 127.0.0.1, ::1, localhost and model.test."""

    NAMES = "DNS:localhost,DNS:model.test,IP:127.0.0.1,IP:::1"

    def __init__(self, folder):
        self.folder = folder
        for ca in ("ca", "other-ca"):
            self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                         "-subj", "/CN=" + ca, "-keyout", self.path(ca + ".key"), "-out", self.path(ca + ".pem"))
        self.good = self.make("good", "ca", self.NAMES)
        self.wrong_name = self.make("wrong-name", "ca", "DNS:elsewhere.test")
        self.unknown = self.make("unknown", "other-ca", self.NAMES)
        self.expired = self.make("expired", "ca", self.NAMES, old=True)
        self.ca = self.path("ca.pem")

    def path(self, name):
        return os.path.join(self.folder, name)

    def openssl(self, *arguments):
        subprocess.run(["openssl", *arguments], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def make(self, name, ca, names, old=False):
        with open(self.path(name + ".ext"), "w", encoding="ascii") as file:
            file.write("subjectAltName=" + names + "\n")
        self.openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=" + name,
                     "-keyout", self.path(name + ".key"), "-out", self.path(name + ".csr"))
        self.openssl("x509", "-req", "-in", self.path(name + ".csr"), "-CA", self.path(ca + ".pem"),
                     "-CAkey", self.path(ca + ".key"), "-CAcreateserial", "-extfile", self.path(name + ".ext"),
                     "-days", "-1" if old else "1", "-out", self.path(name + ".pem"))
        return self.path(name)


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--mood", choices=sorted(MOODS), default="good")
    options.add_argument("--port", type=int, default=0)
    options.add_argument("--seconds", type=float, default=600)
    options.add_argument("--hang", type=float, default=HANG_S)
    options.add_argument("--save")
    chosen = options.parse_args()
    server = Server(chosen.mood, port=chosen.port)
    server.save, server.hang_s = chosen.save, chosen.hang
    print(server.port, flush=True)
    try:
        time.sleep(chosen.seconds)
    except KeyboardInterrupt:
        pass
    server.close()


if __name__ == "__main__":
    sys.exit(main())
