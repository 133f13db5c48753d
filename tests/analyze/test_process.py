#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What /proc says of the client; a worker that was taken over; a client that speaks to the agent as it likes."""
import ctypes
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

sys.dont_write_bytecode = True
from client import BUILD, DRIVER, PROGRAM, Agent, children, status_of  # noqa: E402
from server import Server  # noqa: E402

TAKEN_OVER = os.path.join(BUILD, "analyze", "taken_over")
TRY = os.path.join(BUILD, "analyze", "try_attempts")
ROOT = os.geteuid() == 0
PR_CAPBSET_DROP, CAP_SETGID, CAP_SETUID = 24, 6, 7
KEY = "sk-test-zyxwvutsrqponmlkjihgfedcba"

# What each attempt comes to: killed, or refused with this errno.
ENOENT, EACCES = "errno 2", "errno 13"
ATTEMPTS = {
    "open": ENOENT, "open-old": ENOENT, "openat2": ENOENT, "create": ENOENT, "stat": ENOENT, "readlink": ENOENT,
    "unix": EACCES, "unix-pair": EACCES, "netlink": EACCES, "packet": EACCES, "raw": "killed", "listen": "killed",
    "sctp": "killed", "mptcp": "killed", "icmp": "killed", "attach-filter": "killed", "ulp": "killed",
    "chdir": "killed", "unlink": "killed", "name-to-handle": "killed", "bpf": "killed", "ptrace": "killed",
    "read-memory": "killed", "kill": "killed", "pidfd": "killed", "fork": "killed", "exec": "killed",
    "exec-memory": "killed", "make-exec": "killed", "personality": "killed", "io-uring": "killed", "memfd": "killed",
    "keyctl": "killed", "shm": "killed", "unshare": "killed", "setuid": "killed", "dumpable": "killed",
    "limits": "killed", "int80": "killed", "x32": "killed",
}
# That this kernel, or the one who runs the tests, cannot do either where nothing is locked down.
MAY_FAIL_FREE = {"io-uring", "unshare", "x32", "int80", "keyctl", "openat2", "pidfd", "bpf", "name-to-handle",
                 "sctp", "mptcp", "icmp", "ulp"}


def soon(holds):
    for _ in range(200):
        if holds():
            return True
        time.sleep(0.02)
    return False


def ends_soon(pid):
    return soon(lambda: status_of(pid).get("State", "Z").startswith(("Z", "X")))


def with_groups():
    os.setgroups([4242])


def without_ids():
    """Root that may not change ids: what exec gives is no more than the bounding set."""
    libc = ctypes.CDLL(None, use_errno=True)
    for cap in (CAP_SETGID, CAP_SETUID):
        libc.prctl(PR_CAPBSET_DROP, cap, 0, 0, 0)


def as_daemon():
    daemon = pwd.getpwnam("daemon")
    os.setgroups([])
    os.setgid(daemon.pw_gid)
    os.setuid(daemon.pw_uid)


class Beside(unittest.TestCase):
    """The client that lies beside the program: run only when nobody else can have put it there."""

    def start(self, folder_mode=0o755, mode=0o755, owner=None, link=False):
        with tempfile.TemporaryDirectory() as folder:
            driver = shutil.copy(DRIVER, folder)
            client = os.path.join(folder, "linux-edr-client")
            if link:
                os.symlink(PROGRAM, client)
            else:
                shutil.copy(PROGRAM, client)
                os.chmod(client, mode)
            if owner:
                os.chown(client, owner, owner)
            os.chmod(folder, folder_mode)
            agent = Agent(program=None, driver=driver)
            exe = os.readlink("/proc/%d/exe" % agent.client) if agent.client and ROOT else client
            with open("/proc/%d/comm" % (agent.client or os.getpid()), encoding="ascii") as file:
                name = file.read().strip()
            started, said = agent.started, agent.said()
            agent.close()
            return started, said, exe == client, name

    def test_trusted(self):
        started, said, beside, name = self.start()
        self.assertEqual((started["errno"], said, beside, name), (0, "", True, "linux-edr-clien"))

    def refused(self, why, **how):
        started, said, beside, _ = self.start(**how)
        self.assertIn(why, said)
        if started["pid"]:
            self.assertFalse(beside, "the installed one, if any")
        else:
            self.assertIn(why, started["err"])

    def test_of_others(self):
        self.refused("folder that others can write into", folder_mode=0o777)
        self.refused("folder that others can write into", folder_mode=0o1777)
        self.refused("folder that others can write into", folder_mode=0o775)
        self.refused("can be written by others", mode=0o757)
        self.refused("can be written by others", mode=0o775)
        self.refused("is no file", link=True)

    @unittest.skipUnless(ROOT, "needs root to give a file away")
    def test_of_another_user(self):
        self.refused("belongs neither to root", owner=65534)


class Locked(unittest.TestCase):
    """Of the program as it ships."""

    def setUp(self):
        self.server = Server()
        self.agent = Agent(before=with_groups if ROOT else None)
        self.assertEqual(self.agent.started["errno"], 0, self.agent.started)

    def tearDown(self):
        self.assertEqual(self.agent.close(), 0)
        self.server.close()

    def both(self):
        """The launcher, and a worker that waits for its server."""
        self.agent.begin(base=self.server.base, path="/hang", timeout=3)
        for _ in range(100):
            if self.server.seen:
                break
            time.sleep(0.02)
        workers = children(self.agent.client)
        self.assertEqual(len(workers), 1)
        return self.agent.client, workers[0]

    @unittest.skipUnless(ROOT, "needs root to have something to give up")
    def test_status(self):
        for pid in self.both():
            status = status_of(pid)
            self.no_capabilities(pid)
            self.assertEqual(status["Uid"].split(), ["65534"] * 4)
            self.assertEqual(status["Gid"].split(), ["65534"] * 4)
            self.assertEqual(status["Groups"], "")
            self.assertEqual(status["NoNewPrivs"], "1")
            self.assertEqual(status["Seccomp"], "2")
            self.assertEqual(status["Threads"], "1")
            # Not dumpable: its files in /proc are root's.
            self.assertEqual(os.stat("/proc/%d/mem" % pid).st_uid, 0)
        filters = [int(status_of(pid).get("Seccomp_filters", 0)) for pid in (self.agent.client, pid)]
        if filters[0]:
            self.assertEqual(filters[1], filters[0] + 1, "the worker has one more")
        self.assertEqual(self.agent.finish()["outcome"], "timeout")
        self.assertIn("65534", self.agent.started["degraded"])

    def no_capabilities(self, pid, *but):
        status = status_of(pid)
        for name in {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"} - set(but):
            self.assertEqual(int(status[name], 16), 0, name)

    @unittest.skipUnless(ROOT, "needs root to give it up")
    def test_ids_are_kept(self):
        """Without the right to change them: that is said, and all else is given up."""
        agent = Agent(before=without_ids)
        self.assertEqual(agent.started["errno"], 0, agent.started)
        self.assertIn("may not change its uid", agent.started["degraded"])
        self.assertEqual(status_of(agent.client)["Uid"].split(), ["0"] * 4)
        self.no_capabilities(agent.client)
        self.assertEqual(agent.ask(base=self.server.base, path="/good")["outcome"], "done")
        self.assertEqual(agent.close(), 0)

    @unittest.skipUnless(ROOT, "needs root to become another")
    def test_not_root(self):
        try:
            agent = Agent(before=as_daemon)
        except OSError:
            self.skipTest("the build is in a folder that others may not read")
        self.assertEqual(agent.started["errno"], 0, agent.started)
        self.assertIn("may not change its uid", agent.started["degraded"])
        self.no_capabilities(agent.client, "CapBnd")
        self.assertEqual(os.stat("/proc/%d/mem" % agent.client).st_uid, 0, "it is dumpable")
        self.assertEqual(agent.ask(base=self.server.base, path="/good")["outcome"], "done")
        self.assertEqual(agent.close(), 0)

    @unittest.skipUnless(ROOT, "needs root to change the uid")
    def test_user(self):
        agent = Agent(user="daemon")
        self.assertEqual((agent.started["errno"], agent.started["degraded"]), (0, ""))
        self.assertEqual(status_of(agent.client)["Uid"].split(), [str(pwd.getpwnam("daemon").pw_uid)] * 4)
        self.assertEqual(agent.close(), 0)

    def test_limits(self):
        with open("/proc/%d/limits" % self.agent.client, encoding="ascii") as file:
            limits = {line[:26].strip(): line[26:].split()[:2] for line in file}
        self.assertEqual(limits["Max core file size"], ["0", "0"])
        self.assertEqual(limits["Max file size"], ["0", "0"])
        self.assertEqual(limits["Max open files"], ["32", "32"])
        with open("/proc/%d/maps" % self.agent.client, encoding="utf-8") as file:
            if "asan" not in file.read():
                self.assertEqual(limits["Max address space"], [str(256 << 20)] * 2)

    @unittest.skipUnless(ROOT, "needs root to look")
    def test_descriptors(self):
        """Also what the agent inherited itself is not handed on."""
        with tempfile.TemporaryFile() as other:
            os.set_inheritable(other.fileno(), True)
            launcher, worker = self.both()
        fds = {pid: {int(fd): os.readlink("/proc/%d/fd/%s" % (pid, fd)) for fd in os.listdir("/proc/%d/fd" % pid)}
               for pid in (launcher, worker)}
        for pid in fds:
            self.assertEqual([fds[pid][fd] for fd in (0, 1, 2)], ["/dev/null"] * 3)
        self.assertEqual(sorted(fds[launcher])[:4], [0, 1, 2, 3])
        self.assertEqual([re.sub(r":.*", "", fds[launcher][fd]) for fd in sorted(fds[launcher])[3:]],
                         ["socket", "pipe"])  # the agent; the worker
        kinds = [re.sub(r":.*", "", name) for fd, name in fds[worker].items() if fd > 2]
        self.assertEqual(sorted(kinds), ["pipe", "socket"])  # the launcher; the server
        self.assertNotIn(fds[launcher][3], fds[worker].values(), "the agent's socket is not the worker's")
        self.agent.finish()

    def test_environment(self):
        for pid in self.both():
            with open("/proc/%d/environ" % pid, "rb") as file:
                self.assertEqual(file.read(), b"")
        self.agent.finish()

    def test_ends_with_the_agent(self):
        launcher, worker = self.both()
        os.kill(launcher, signal.SIGSTOP)  # it need not even notice
        self.agent.process.kill()
        self.assertTrue(ends_soon(worker))
        self.assertTrue(ends_soon(launcher))
        for file in (self.agent.process.stdin, self.agent.process.stdout, self.agent.log):
            file.close()
        self.agent.process.wait()
        self.agent = Agent()

    def test_killed(self):
        """Somebody ends the client while it works: the agent says so and goes on."""
        launcher, _ = self.both()
        os.kill(launcher, 9)
        self.assertEqual(self.agent.finish()["outcome"], "gone")
        self.assertEqual(self.agent.ask(base=self.server.base, path="/good")["errno"], 32)
        self.assertIn("is gone", self.agent.said())

class Key(unittest.TestCase):
    """Where the API key must not be seen, and what is not taken for one."""

    def setUp(self):
        self.server = Server()
        self.folder = tempfile.TemporaryDirectory(prefix="edr-key-")
        self.agent = Agent()

    def tearDown(self):
        self.assertEqual(self.agent.close(), 0)
        self.server.close()
        self.folder.cleanup()

    def file(self, content, mode=0o600, name="key"):
        path = os.path.join(self.folder.name, name)
        with open(path, "wb") as file:
            file.write(content)
        os.chmod(path, mode)
        return path

    def ask(self, **request):
        return self.agent.ask(base=self.server.base, path="/good", **request)

    def test_nowhere(self):
        key_file = self.file(KEY.encode() + b"\n")
        self.agent.begin(base=self.server.base, path="/hang", timeout=2, key_file=key_file)
        for _ in range(100):
            if self.server.seen:
                break
            time.sleep(0.02)
        self.assertEqual(self.server.seen[0][2]["Authorization"], "Bearer " + KEY)
        pids = [self.agent.process.pid, self.agent.client, *children(self.agent.client)]
        self.assertEqual(len(pids), 3)
        for pid in pids:
            for name in ("cmdline", "environ"):
                with open("/proc/%d/%s" % (pid, name), "rb") as file:
                    self.assertFalse(KEY.encode() in file.read(), (pid, name))
        if ROOT:
            self.assertTrue(has_key(pids[2]), "this test cannot see")
            self.assertTrue(soon(lambda: not has_key(pids[1])), "the launcher has not wiped it")
        self.agent.finish()
        self.ask(key_file=key_file)
        if ROOT:
            self.assertTrue(soon(lambda: not has_key(pids[0])), "the agent's side has not wiped its copies")
        self.assertNotIn(KEY, self.agent.said())

    def test_files(self):
        for mode in (0o640, 0o604, 0o660, 0o601):
            got = self.ask(key_file=self.file(KEY.encode(), mode))
            self.assertEqual((got["outcome"], got["errno"]), ("refused", 1), oct(mode))
        for content in (b"two words", b"a\nb", b"nul\0", b"\xff", b"x" * 5000):
            got = self.ask(key_file=self.file(content))
            self.assertEqual(got["outcome"], "refused" if content != b"nul\0" else "done", content)
            self.assertNotIn("words", got.get("err", ""))
        self.assertEqual(self.ask(key_file=self.folder.name)["outcome"], "refused")
        self.assertEqual(self.ask(key_file=os.path.join(self.folder.name, "none"))["errno"], 2)
        fifo = os.path.join(self.folder.name, "fifo")
        os.mkfifo(fifo, 0o600)
        self.assertEqual(self.ask(key_file=fifo)["errno"], 22)
        if ROOT:
            other = self.file(KEY.encode(), name="other")
            os.chown(other, 12345, 12345)
            self.assertEqual(self.ask(key_file=other)["errno"], 1)

    def test_credential(self):
        self.file(KEY.encode() + b"\n", name="openai_api_key", mode=0o440)
        agent = Agent(environment={"CREDENTIALS_DIRECTORY": self.folder.name})
        self.assertEqual(agent.ask(base=self.server.base, path="/good")["outcome"], "done")
        self.assertEqual(self.server.seen[-1][2]["Authorization"], "Bearer " + KEY)
        self.assertEqual(agent.close(), 0)


def kill_as_nobody(pid):
    """Whoever runs as uid 65534 may end the client, where that has no user of its own."""
    if ROOT:
        subprocess.run(["setpriv", "--reuid", "65534", "--clear-groups", "kill", "-9", str(pid)], check=True)
    else:
        os.kill(pid, signal.SIGKILL)


class LockedAgain(Locked):
    """All of that of the second one, which an agent with threads started."""

    def setUp(self):
        super().setUp()
        kill_as_nobody(self.agent.client)
        first = self.agent.client
        started = self.agent.again()
        self.assertEqual((started["errno"], started["err"]), (0, ""))
        self.assertNotIn(self.agent.client, (0, first))
        self.assertEqual(status_of(first), {}, "it is reaped")

    def test_again_and_again(self):
        for _ in range(3):
            self.assertEqual(self.agent.ask(base=self.server.base, path="/good")["outcome"], "done")
            kill_as_nobody(self.agent.client)
            self.assertEqual(self.agent.again()["errno"], 0)

    def test_in_the_middle(self):
        """Of a request: that is told, and the next one is answered."""
        launcher, worker = self.both()
        kill_as_nobody(launcher)
        self.assertEqual(self.agent.finish()["outcome"], "gone")
        self.assertTrue(ends_soon(worker))
        self.assertEqual(self.agent.again()["errno"], 0)
        self.assertEqual(self.agent.ask(base=self.server.base, path="/good")["outcome"], "done")


def has_key(pid):
    """In what it can write: heap, stack, data. No more than that is said of another process's memory."""
    with open("/proc/%d/maps" % pid, encoding="utf-8") as maps, open("/proc/%d/mem" % pid, "rb", 0) as mem:
        for line in maps:
            start, end = (int(word, 16) for word in line.split()[0].split("-"))
            if "rw" not in line.split()[1] or end - start >= 1 << 28:
                continue
            mem.seek(start)
            try:
                if KEY.encode() in mem.read(end - start):
                    return True
            except OSError:
                pass
    return False


class TakenOver(unittest.TestCase):
    """A worker that runs what we choose, in the program that ships but for the file that speaks HTTP."""

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="edr-reports-")
        self.report = os.path.join(self.folder.name, "cell.json")
        for path in (self.report, self.report + ".spare"):
            with open(path, "w", encoding="ascii") as file:
                file.write("{}")
        os.chmod(self.folder.name, 0o755)  # that it is readable is no help
        self.agent = Agent(program=TAKEN_OVER)
        self.assertEqual(self.agent.started["errno"], 0, self.agent.started)

    def tearDown(self):
        self.assertEqual(self.agent.close(), 0)
        self.folder.cleanup()

    def do(self, name, argument="", **more):
        return self.agent.ask(base="http://127.0.0.1", path="/%s:%s" % (name, argument), **more)

    def goes_on(self):
        for name in ("getpid", "inet"):
            self.assertEqual(self.do(name).get("body"), "done")

    def arguments(self, name):
        if name in ("ptrace", "read-memory", "kill", "pidfd"):
            return [str(self.agent.process.pid), str(self.agent.client), "1"]
        if name.startswith("open") or name == "stat":
            return [self.report, self.folder.name, "/etc/passwd", "/proc/1/environ", "/proc/self/mem",
                    "/proc/%d/fd/3" % self.agent.client, "/sys/fs/bpf", "/dev/null"]
        return [self.report]

    def test_attempts(self):
        killed = refused = 0
        for name, expected in ATTEMPTS.items():
            for argument in self.arguments(name):
                with self.subTest(name, argument=argument):
                    got = self.do(name, argument)
                    if expected == "killed":
                        self.assertEqual((got["outcome"], got["bytes"]), ("died", 0), got)
                        killed += 1
                    else:
                        self.assertEqual((got["outcome"], got.get("body")), ("done", expected), got)
                        refused += 1
                    self.assertEqual(children(self.agent.client), [])
            self.goes_on()
        self.assertEqual(sorted(os.listdir(self.folder.name)), ["cell.json", "cell.json.spare"])
        print("%d attempts were killed, %d refused" % (killed, refused), file=sys.stderr)

    @unittest.skipUnless(ROOT, "needs root: only then all of them work")
    def test_attempts_are_real(self):
        """The same calls, where nothing is locked down."""
        sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(20)"])
        for name in ATTEMPTS:
            argument = str(sleeper.pid) if name in ("ptrace", "kill", "pidfd", "read-memory") else self.report
            got = subprocess.run([TRY, name, argument], stdout=subprocess.PIPE, timeout=10, text=True)
            if name not in MAY_FAIL_FREE:
                self.assertEqual(got.stdout.strip(), "done", name)
        sleeper.kill()
        sleeper.wait()

    def test_lies(self):
        for name in ("lie-length", "lie-outcome", "lie-message", "shout", "crash", "leave"):
            with self.subTest(name):
                got = self.do(name)
                self.assertEqual((got["outcome"], got["status"], got["bytes"]), ("died", 0, 0), got)
                self.goes_on()

    def test_never_ends(self):
        for name, outcome, least_ms in (("spin", "timeout", 5900), ("close-and-spin", "died", 0)):
            got = self.do(name, timeout=1)
            self.assertEqual(got["outcome"], outcome)
            self.assertTrue(least_ms <= got["ms"] < least_ms + 5000, got)
            self.assertEqual(children(self.agent.client), [])
            self.goes_on()

    def test_numbers_of_no_kind(self):
        """The launcher hands on what is whole; the agent looks at what it says, and ends a client that says this."""
        self.assertEqual(self.do("lie-status")["outcome"], "gone")
        self.assertEqual(self.do("getpid")["errno"], 32)
        self.assertIn("broke the protocol", self.agent.said())


# A client that speaks to the agent as it likes. %s: what it does.
ROGUE = """#!%s
import os, signal, socket, struct, sys, time
agent = socket.socket(fileno=3)
HELLO = struct.pack("=IIIIIIII", 0x31524445, 1, 16, 0, 0, 0, 0, 0)
def message(magic=0x31524445, kind=3, length=24, sequence=1, outcome=0, status=200, ms=1, body=0, retry=0):
    return struct.pack("=IIIIIIIIQ", magic, kind, length, sequence, outcome, status, ms, body, retry)
def hear():
    head = b""
    while len(head) < 16:
        head += agent.recv(16 - len(head))
    left = struct.unpack("=IIII", head)[2]
    while left:
        left -= len(agent.recv(min(left, 65536)))
%s
time.sleep(30)
"""

ROGUE_STARTS = {
    "ends": "sys.exit(0)",
    "garbage": "agent.send(b'x' * 100)",
    "no hello": "agent.send(message())",
    "odd hello": "agent.send(HELLO[:16] + struct.pack('=IIII', 99, 0, 0, 0))",
    "half a hello": "agent.send(HELLO[:20]); sys.exit(0)",
    "could not": "agent.send(HELLO[:16] + struct.pack('=IIII', 9, 22, 0, 0))",
}
ROGUE_REPLIES = {
    "magic": "message(magic=1)",
    "kind": "message(kind=1)",
    "a request": "message(kind=2)",
    "too short": "message(length=23)",
    "too long": "message(length=24 + (1 << 20) + 1)",
    "far too long": "message(length=0xffffffff)",
    "sequence before": "message(sequence=0)",
    "sequence behind": "message(sequence=2)",
    "body is shorter": "message(length=34, body=11) + b'x' * 10",
    "body is longer": "message(length=34, body=9) + b'x' * 10",
    "outcome": "message(outcome=9)",
    "no such outcome": "message(outcome=1000)",
    "status": "message(status=1000)",
    "retry": "message(retry=86401)",
    "hello again": "HELLO",
    "half, then gone": "message()[:30]",
}


class Rogue(unittest.TestCase):
    def program(self, what):
        path = os.path.join(self.folder.name, "rogue")
        with open(path, "w", encoding="ascii") as file:
            file.write(ROGUE % (sys.executable, what))
        os.chmod(path, 0o755)
        return path

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="edr-rogue-")

    def tearDown(self):
        self.folder.cleanup()

    def test_starts(self):
        for name, what in ROGUE_STARTS.items():
            with self.subTest(name):
                agent = Agent(program=self.program(what))
                self.assertNotEqual(agent.started["errno"], 0)
                self.assertNotEqual(agent.started["err"], "")
                self.assertEqual(agent.close(), 1)

    def test_silent_start(self):
        begun = time.monotonic()
        agent = Agent(program=self.program("pass"))
        self.assertEqual(agent.started["errno"], 110)  # ETIMEDOUT
        self.assertLess(time.monotonic() - begun, 10)
        self.assertEqual(agent.close(), 1)

    def test_no_program(self):
        agent = Agent(program=os.path.join(self.folder.name, "none"))
        self.assertEqual(agent.started["errno"], 2)
        self.assertIn("could not be run: No such file", agent.started["err"])
        self.assertEqual(agent.close(), 1)

    def test_not_with_less(self):
        """One that had ids of its own is not followed by one that has not."""
        for first, then, errno in ((0, 0, 0), (1, 1, 0), (1, 0, 0), (0, 1, 1)):
            path = self.program("import os.path; mark = %r; again = os.path.exists(mark); open(mark, 'w').close()\n"
                                "agent.send(HELLO[:16] + struct.pack('=IIII', 0, 0, %d if again else %d, 0))\n"
                                "again or sys.exit(0)" % (os.path.join(self.folder.name, "begun"), then, first))
            with self.subTest(first=first, then=then):
                agent = Agent(program=path)
                self.assertEqual(agent.started["errno"], 0)
                got = agent.again()
                self.assertEqual((got["errno"], got["pid"] != 0), (errno, errno == 0), got)
                self.assertEqual(agent.close(), 0)
                os.unlink(os.path.join(self.folder.name, "begun"))

    def test_replies(self):
        for name, what in ROGUE_REPLIES.items():
            with self.subTest(name):
                ends = "; sys.exit(0)" if name.startswith("half") else ""
                agent = Agent(program=self.program("agent.send(HELLO); hear(); agent.send(%s)%s" % (what, ends)))
                self.assertEqual(agent.started["errno"], 0)
                got = agent.ask(base="http://127.0.0.1", path="/")
                self.assertEqual(got["outcome"], "gone", got)
                self.assertLess(got["longest_call_ms"], 1000)
                self.assertEqual(agent.ask(base="http://127.0.0.1", path="/")["errno"], 32)
                self.assertIn("is gone", agent.said())
                self.assertTrue(ends_soon(agent.client), "it was not ended")
                self.assertEqual(agent.close(), 0)

    def test_good(self):
        """So that the above is due to what was sent."""
        reply = "message(length=27, body=3) + b'yes'"
        agent = Agent(program=self.program("agent.send(HELLO); hear(); agent.send(%s)" % reply))
        self.assertEqual(agent.ask(base="http://127.0.0.1", path="/")["body"], "yes")
        self.assertEqual(agent.close(), 0)

    def test_unasked(self):
        agent = Agent(program=self.program("agent.send(HELLO); hear(); agent.send(message()); agent.send(message())"))
        self.assertEqual(agent.ask(base="http://127.0.0.1", path="/")["outcome"], "done")
        time.sleep(0.3)
        self.assertEqual(agent.ask(base="http://127.0.0.1", path="/")["outcome"], "gone")
        agent.close()

    def test_reply_before_the_request(self):
        agent = Agent(program=self.program("agent.send(HELLO); agent.recv(16); agent.send(message())"))
        self.assertEqual(agent.ask(base="http://127.0.0.1", path="/", body_bytes=1 << 20)["outcome"], "gone")
        self.assertIn("before the request", agent.said())
        self.assertEqual(agent.close(), 0)

    def test_does_not_read(self):
        """A request that fits no socket's buffer: client_send() does not wait, and the deadline holds."""
        agent = Agent(program=self.program("agent.send(HELLO)"))
        got = agent.ask(base="http://127.0.0.1", path="/", body_bytes=1 << 20, timeout=1)
        self.assertEqual(got["outcome"], "gone")
        self.assertLess(got["longest_call_ms"], 1000)
        self.assertTrue(15900 < got["ms"] < 20000, got)
        self.assertEqual(agent.close(), 0)


if __name__ == "__main__":
    unittest.main()
