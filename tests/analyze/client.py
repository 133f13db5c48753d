# SPDX-License-Identifier: MIT
"""The driver that stands for the agent, and what the tests of the client share."""
import json
import os
import subprocess
import tempfile

BUILD = os.environ["EDR_BUILD_DIR"]
DRIVER = os.path.join(BUILD, "analyze", "client_driver")
PROGRAM = os.path.join(BUILD, "linux-edr-client")


class Agent:
    """One client_driver with its client. ask(base=..., path=..., ...) gives the outcome as a dict."""

    def __init__(self, program=PROGRAM, user=None, environment=None, before=None, driver=DRIVER):
        """program None: the client that the driver finds."""
        self.log = tempfile.TemporaryFile("w+")
        arguments = [word for word in (driver, program, user) if word]
        self.process = subprocess.Popen(arguments, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=self.log, text=True,
                                        env=dict(os.environ, **(environment or {})), preexec_fn=before)
        self.started = json.loads(self.process.stdout.readline())
        self.client = self.started["pid"]

    def begin(self, **request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()

    def finish(self):
        return json.loads(self.process.stdout.readline())

    def ask(self, **request):
        self.begin(**request)
        return self.finish()

    def again(self):
        """Another client, when this one is gone."""
        started = self.ask(again=1)
        self.client = started["pid"]
        return started

    def said(self):
        self.log.seek(0)
        return self.log.read()

    def close(self):
        """Its exit status: what the sanitizers find is in it."""
        self.process.stdin.close()
        status = self.process.wait(20)
        self.process.stdout.close()
        self.log.close()
        return status


def status_of(pid):
    """/proc/PID/status as a dict; {} when it is gone."""
    try:
        with open("/proc/%d/status" % pid, encoding="utf-8") as file:
            return {k: v.strip() for k, v in (line.split(":", 1) for line in file)}
    except OSError:
        return {}


def children(pid):
    try:
        with open("/proc/%d/task/%d/children" % (pid, pid), encoding="ascii") as file:
            return [int(word) for word in file.read().split()]
    except OSError:
        return []
