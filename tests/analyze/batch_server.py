# SPDX-License-Identifier: MIT
"""server.py with the batch interface: files and batches in memory, and what it is told to do wrong."""
import json
import re
import sys

sys.dont_write_bytecode = True
from server import Handler, Server, completion, error  # noqa: E402

ROUTES = [
    ("upload", "POST", r"/v1/files$"), ("find_file", "GET", r"/v1/files\?"), ("fetch", "GET", r"/v1/files/([^/]+)/content$"),
    ("delete", "DELETE", r"/v1/files/([^/]+)$"), ("create", "POST", r"/v1/batches$"), ("find", "GET", r"/v1/batches\?"),
    ("poll", "GET", r"/v1/batches/([^/]+)$"), ("cancel", "POST", r"/v1/batches/([^/]+)/cancel$"),
    ("chat", "POST", r"/v1/chat/completions$"),
]


class BatchHandler(Handler):
    def do_POST(self):
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.seen.append((self.command, self.path, dict(self.headers), self.body))
        for step, method, pattern in ROUTES:
            found = re.match(pattern, self.path)
            if found and method == self.command:
                self.step = step
                self.server.steps.append(step)
                wrong = self.server.wrong.get(step)
                wrong = wrong.pop(0) if isinstance(wrong, list) and wrong else wrong
                if callable(wrong):
                    wrong(self, *found.groups())
                else:
                    getattr(self, step)(*found.groups())
                return
        self.reply(404, error("not_found", "no such path"))

    do_GET = do_DELETE = do_POST

    def upload(self):
        kind = re.match(r"multipart/form-data; boundary=(\S+)$", self.headers["Content-Type"]).group(1)
        parts = {}
        for part in self.body.split(b"--" + kind.encode())[1:-1]:
            head, _, data = part.partition(b"\r\n\r\n")
            parts[re.search(rb'name="(\w+)"', head).group(1).decode()] = (head.decode(), data[:-2])
        assert parts["purpose"][1] == b"batch" and set(parts) == {"purpose", "file"}
        name = re.search(r'filename="([^"]+)"', parts["file"][0]).group(1)
        self.reply(200, self.server.add_file(parts["file"][1], name))

    def find_file(self):
        assert "purpose=batch" in self.path
        self.reply(200, {"data": [f for f, _ in self.server.files.values()], "has_more": False})

    def create(self):
        asked = json.loads(self.body)
        assert asked["endpoint"] == "/v1/chat/completions" and asked["completion_window"] == "24h"
        assert asked["input_file_id"] in self.server.files
        ident = "batch_%d" % (len(self.server.batches) + 1)
        self.server.batches[ident] = {"id": ident, "object": "batch", "status": "validating", "looks": 0,
                                      "input_file_id": asked["input_file_id"], "metadata": asked["metadata"],
                                      "output_file_id": None, "error_file_id": None}
        self.reply(200, self.server.batches[ident])

    def find(self):
        self.reply(200, {"data": list(self.server.batches.values()), "has_more": False})

    def poll(self, ident):
        batch = self.server.batches[ident]
        batch["looks"] += 1
        if batch["status"] in ("validating", "in_progress", "cancelling"):
            if batch["status"] == "cancelling":
                batch["status"] = "cancelled"
            elif batch["looks"] <= self.server.looks:
                batch["status"] = "in_progress"
            else:
                self.server.end(batch)
        self.reply(200, batch)

    def fetch(self, ident):
        if ident in self.server.files:
            self.reply(200, self.server.files[ident][1])
        else:
            self.reply(404, error("not_found", "no such file"))

    def delete(self, ident):
        gone = self.server.files.pop(ident, None)
        self.reply(200 if gone else 404, {"id": ident, "deleted": bool(gone)})

    def cancel(self, ident):
        self.server.batches[ident]["status"] = "cancelling"
        self.reply(200, self.server.batches[ident])

    def chat(self):
        self.reply(200, completion(json.dumps(self.server.answer(json.loads(self.body)))))


class BatchServer(Server):
    """wrong: {step: what it does in place of it, or a list of that, None for what is right}. looks: before a batch
    ends. ended: its status then. line: makes the file of the answer, of custom_id and completion."""

    def __init__(self, **wrong):
        self.files, self.batches, self.steps, self.wrong = {}, {}, [], wrong
        self.looks, self.ended, self.line, self.n_files = 2, "completed", good_line, 0
        super().__init__()
        self.RequestHandlerClass = BatchHandler

    def add_file(self, data, name):
        self.n_files += 1
        ident = "file-%d" % self.n_files
        self.files[ident] = ({"id": ident, "object": "file", "filename": name, "purpose": "batch"}, data)
        return self.files[ident][0]

    def end(self, batch):
        batch["status"] = self.ended
        if self.ended != "completed":
            return
        lines = self.files[batch["input_file_id"]][1].decode().splitlines()
        assert len(lines) == 1
        asked = json.loads(lines[0])
        assert (asked["method"], asked["url"]) == ("POST", "/v1/chat/completions")
        told = completion(json.dumps(self.answer(asked["body"])))
        batch["output_file_id"] = self.add_file(self.line(asked["custom_id"], told), "output.jsonl")["id"]


def good_line(custom_id, told, status=200):
    return (json.dumps({"id": "batch_req_1", "custom_id": custom_id,
                        "response": {"status_code": status, "request_id": "r", "body": told},
                        "error": None}) + "\n").encode()


def lost(h, *args):
    """It is done, and nobody hears of it."""
    h.reply = lambda *_, **__: None
    getattr(h, h.step)(*args)
    h.close_connection = True


def says(status, **headers):
    return lambda h, *_: h.reply(status, error("x", "no"), **headers)


def tells(content):
    return lambda h, *_: h.reply(200, content)
