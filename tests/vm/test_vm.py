# SPDX-License-Identifier: MIT
"""test_vm.py NO_BPF: the parts of scripts/test-kernels that need no guest."""
import base64
import bz2
import ctypes
import errno
import gzip
import io
import json
import lzma
import os
import platform
import subprocess
import sys
import tarfile
import tempfile
import unittest

import boot
import debian
import kernels
import matrix
import test_kernels
import vmlinux

NO_BPF = ""
SYS_BPF = {"x86_64": 321, "aarch64": 280}
BPF, FILE, PLAIN, FTRACE = kernels.WAYS[:4]
KERNEL = {k.name: k for k in kernels.KERNELS}


def figures(**types):
    whole = {"expected": 10, "unseen": 0, "found": 10, "right": 10, "names": 10, "names_right": 10, "args": 10,
             "args_right": 10, "addresses": 0, "addresses_right": 0, "paths": 0, "paths_right": 0, "names_marked": 0,
             "args_marked": 0, "addresses_marked": 0, "paths_marked": 0, "other": 0, "extra": 0, "fits": 0,
             "fits_right": 0, "unmarked": 0}
    return {"differences": 0, "broken": 0, "types": {kind: dict(whole, **changed) for kind, changed in types.items()},
            "scenarios": {"tcp4": {}}}


def done(lost=None, **types):
    return {"status": "done", "exit": 0, "silent": [], "lost": lost or {}, "figures": figures(**types), "note": "",
            "asked": ["tcp4"], "left_out": []}


def took(source, degraded=(), **changed):
    return dict({"status": "done", "exit": 0, "silent": [], "source": source, "degraded": list(degraded), "note": "",
                 "check": f"...\nsource: {source}. all is well\n"}, **changed)


def read_archive(data):
    """Names, modes and contents of a newc archive, by cpio(5) and not by the code under test."""
    at, entries = 0, {}
    while True:
        fields = [int(data[at + 6 + 8 * i:at + 14 + 8 * i], 16) for i in range(13)]
        assert data[at:at + 6] == b"070701"
        name = data[at + 110:at + 110 + fields[11] - 1].decode()
        start = (at + 110 + fields[11] + 3) & ~3
        if name == "TRAILER!!!":
            return entries
        entries[name] = (fields[1], data[start:start + fields[6]])
        at = (start + fields[6] + 3) & ~3


class Boot(unittest.TestCase):
    def test_initramfs(self):
        with tempfile.TemporaryDirectory() as folder:
            busybox = os.path.join(folder, "busybox")
            with open(busybox, "wb") as f:
                f.write(b"not really")
            os.mkdir(os.path.join(folder, "what"))
            with open(os.path.join(folder, "what", "odd"), "wb") as f:
                f.write(b"12345")
            arch = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
            image = boot.Initramfs(arch, busybox)
            image.add(os.path.join(folder, "what"), "/opt")
            image.add(NO_BPF, "/opt/no_bpf")
            out = io.BytesIO()
            image.write(out)
            entries = read_archive(out.getvalue())
        self.assertEqual(entries["bin/busybox"][1], b"not really")
        self.assertEqual(entries["opt/odd"][1], b"12345")
        self.assertEqual(entries["bin/sh"], (0o120777, b"busybox"))
        self.assertTrue(any(name.startswith("lib/libc.") for name in entries), sorted(entries))
        interpreter = boot.needed(NO_BPF)[0][0]
        self.assertIn(interpreter.lstrip("/"), entries)
        # Each folder comes before what is in it.
        names = list(entries)
        for name in names:
            if "/" in name:
                self.assertLess(names.index(os.path.dirname(name)), names.index(name))

    def test_other_machine(self):
        other = "arm64" if platform.machine() == "x86_64" else "amd64"
        with self.assertRaises(boot.Trouble):
            boot.Initramfs(other, NO_BPF).add(NO_BPF, "/opt/no_bpf")

    def test_console(self):
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as archive:
            for name in ("./a/b", "../evil", "/evil"):
                member = tarfile.TarInfo(name)
                member.size = 2
                archive.addfile(member, io.BytesIO(b"hi"))
        console = boot.Console("n")
        console.text = (b"noise@@BEGIN-n@@hello\n@@END-x@@9\n@@FILES-n@@" + base64.encodebytes(packed.getvalue()) +
                        b"@@END-n@@")
        self.assertIsNone(console.status())
        console.text += b"3\r\n"
        self.assertEqual(console.status(), 3)
        self.assertEqual(console.output(), b"hello\n@@END-x@@9\n")
        with tempfile.TemporaryDirectory() as folder:
            inner = os.path.join(folder, "in")
            console.unpack(inner)
            self.assertEqual(os.listdir(folder), ["in"])
            self.assertEqual(os.listdir(inner), ["a"])
        console.text = b"hello\r\n[ 1.0] BUG: unable to handle\r\nRIP: 0010:f+0x1\r\n"
        self.assertTrue(console.last_words().startswith("BUG: unable to handle\nRIP"))

    @unittest.skipIf(os.geteuid(), "a seccomp filter without no_new_privs needs root")
    def test_no_bpf(self):
        number = SYS_BPF[platform.machine()]
        code = f"import ctypes; l = ctypes.CDLL(None, use_errno=True); l.syscall({number}, 0, 0, 0); " \
               "print(ctypes.get_errno())"
        out = subprocess.run([NO_BPF, sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        self.assertEqual(int(out), errno.EPERM)
        libc = ctypes.CDLL(None, use_errno=True)
        libc.syscall(number, 0, 0, 0)
        if ctypes.get_errno() == errno.EPERM:
            self.skipTest("bpf is refused here anyhow")


class FakeSuite:
    arch, name = "amd64", "x amd64"

    def __init__(self, packages):
        self.packages = packages

    def show(self, package):
        return self.packages.get(package)


class Debian(unittest.TestCase):
    def test_metapackages(self):
        old = FakeSuite({"linux-image-cloud-amd64": ("5.10.1-1", "linux-image-5.10.0-3-cloud-amd64 (= 5.10.1-1)"),
                         "linux-image-5.10.0-3-cloud-amd64": ("5.10.1-1", "kmod, linux-base (>= 4.3~), initramfs-tools")})
        self.assertEqual(debian.kernel_packages(old), ("5.10.1-1", ["linux-image-5.10.0-3-cloud-amd64"]))
        new = FakeSuite({"linux-image-cloud-amd64": ("7.1-1", "linux-image-7.1+deb13-cloud-amd64 (= 7.1-1)"),
                         "linux-image-7.1+deb13-cloud-amd64":
                             ("7.1-1", "linux-binary-7.1+deb13-cloud-amd64 (= 7.1-1), linux-base-7.1+deb13-cloud-amd64")})
        self.assertEqual(debian.kernel_packages(new), ("7.1-1", ["linux-image-7.1+deb13-cloud-amd64",
                                                                "linux-binary-7.1+deb13-cloud-amd64"]))
        self.assertIsNone(debian.kernel_packages(FakeSuite({})))

    def test_links(self):
        with tempfile.TemporaryDirectory() as root:
            os.makedirs(root + "/usr/lib")
            os.makedirs(root + "/lib")
            with open(root + "/lib/libz.so.1", "wb"):
                pass
            os.symlink("/lib/libz.so.1", root + "/usr/lib/libz.so")
            debian.make_links_relative(root)
            self.assertEqual(os.readlink(root + "/usr/lib/libz.so"), "../../lib/libz.so.1")


class Matrix(unittest.TestCase):
    def wrong(self, cell, way=FTRACE, kernel="6.1"):
        return matrix.judge(KERNEL[kernel], way, cell)

    def test_whole(self):
        self.assertEqual(self.wrong(done(exec={}, fork={}), BPF), [])

    def test_missing(self):
        cell = done(exec={"found": 7, "right": 7})
        self.assertIn("3 of 10 exec missing, 0 told as lost", self.wrong(cell))
        cell["lost"] = {"exec": 3}
        self.assertEqual(self.wrong(cell), [])
        cell["lost"] = {"fork": 3}
        self.assertTrue(self.wrong(cell))

    def test_names_and_extra(self):
        self.assertTrue(self.wrong(done(exec={"names_right": 9})))
        self.assertTrue(self.wrong(done(exec={"extra": 1})))
        self.assertTrue(self.wrong(done(exec={"args_right": 5, "right": 5})))
        self.assertEqual(self.wrong(done(exec={"args_right": 5, "right": 5, "args_marked": 5})), [])

    def test_exact(self):
        cell = done(exec={})
        cell["figures"]["differences"] = 1
        self.assertTrue(self.wrong(cell, BPF))
        self.assertEqual(self.wrong(cell, PLAIN), [])

    def test_crowd(self):
        cell = done(exec={}, connect={"found": 8, "right": 6, "addresses": 8, "addresses_right": 6})
        cell["figures"].update(differences=4, scenarios={"connect_blocked_exit": {"differences": 4}})
        cell["lost"] = {"connect": 2}
        self.assertEqual(self.wrong(cell, BPF, "newest"), [])
        self.assertTrue(self.wrong(cell, BPF))
        cell["figures"]["differences"] = 5
        self.assertEqual(self.wrong(cell, BPF, "newest"), ["1 differences"])
        cell["figures"]["differences"] = 4
        cell["lost"] = {"connect": 1}
        self.assertIn("2 of 10 connect missing, 1 told as lost", self.wrong(cell, BPF, "newest"))
        cell = done(connect={}, exit={"extra": 1})
        cell["figures"].update(differences=1, scenarios={"connect_blocked_exit": {"differences": 1, "late": 0}})
        self.assertEqual(self.wrong(cell, BPF, "newest"), ["1 differences", "1 exit that nobody did"])
        self.assertEqual(self.wrong(cell, FTRACE), [])
        cell = done(connect={})
        cell["figures"].update(differences=2, scenarios={"connect_blocked_exit": {"differences": 2, "late": 1}})
        self.assertEqual(self.wrong(cell, BPF, "newest"), ["1 differences"])
        cell["figures"]["scenarios"]["connect_blocked_exit"]["late"] = 2
        self.assertEqual(self.wrong(cell, BPF, "newest"), [])
        self.assertEqual(self.wrong(cell, BPF), ["2 differences"])

    def test_limits(self):
        self.assertEqual(self.wrong(done(exec={"fits": 7, "fits_right": 7})), [])
        self.assertTrue(self.wrong(done(exec={"fits": 7, "fits_right": 6})))
        self.assertTrue(self.wrong(done(exec={"unmarked": 1})))

    def test_arguments_of_plain(self):
        cell = done(exec={"args_right": 9, "args_marked": 1, "right": 9})
        self.assertEqual(self.wrong(cell, PLAIN),
                         ["1 of 10 exec with arguments that are marked, and are not to be had"])
        self.assertEqual(self.wrong(cell, FTRACE), [])

    def test_extent(self):
        types = {"exec": {"fits": 7, "fits_right": 7}, "fork": {}, "connect": {}}

        def wrong(way=FTRACE, kernel="6.1", changed=None, **other):
            cell = dict(done(**dict(types, **(changed or {}))), **other)
            self.assertEqual(self.wrong(cell, way, kernel), [])  # as of a run of a few scenarios
            return matrix.judge(KERNEL[kernel], way, cell, whole=True)
        for way in kernels.WAYS:
            self.assertEqual(wrong(way), [])
            self.assertEqual(wrong(way, changed={"fork": {"expected": 0, "found": 0}}), ["no fork was done"])
        empty = dict(done(), asked=[])
        self.assertEqual(matrix.judge(KERNEL["6.1"], PLAIN, empty, whole=True),
                         [f"no {kind} was done" for kind in kernels.SHOWN])
        no_fits = {"exec": {"fits": 0}}
        self.assertEqual(wrong(changed=no_fits), ["no exec was within the limits of the probes"])
        self.assertEqual(wrong(PLAIN, changed=no_fits), [])
        self.assertEqual(wrong(kernel="host", changed=no_fits, note="this kernel accepts none"), [])
        self.assertEqual(wrong(asked=["tcp4", "vfork"]), ["nothing of vfork is among what was done"])

    def test_left_out(self):
        def wrong(kernel, *lines):
            cell = dict(done(exec={}, fork={}, connect={}), left_out=lines, asked=[line.split(":")[0] for line in lines])
            return matrix.judge(KERNEL[kernel], PLAIN, cell, whole=True)
        v1, mptcp, io_uring = (f"{name}: truth: not possible here: x" for name in ("container_v1", "mptcp", "io_uring"))
        self.assertEqual(wrong("5.10", v1, mptcp), [])
        self.assertEqual(wrong("5.10-no-btf", v1), [])
        self.assertEqual(wrong("6.1", v1, mptcp), ["left out: " + mptcp])
        self.assertEqual(wrong("5.10", io_uring), ["left out: " + io_uring])
        self.assertEqual(wrong("host", io_uring), [])
        self.assertEqual(wrong("newest-arm64", "exec32: truth: not possible here: /opt/truth/noop32: No such file or directory"),
                         [])

    def test_paths(self):
        marked = {"paths": 10, "paths_right": 4, "paths_marked": 6}
        self.assertEqual(self.wrong(done(exec=marked)), [])
        self.assertIn("1 of 10 exec with wrong resolved paths, and no mark that it may be",
                      self.wrong(done(exec=dict(marked, paths_marked=5))))

    def test_left_as_found(self):
        left = "1c1\n< tracing_on: 1\n---\n> tracing_on: 0\n"
        for cell in (dict(done(exec={}), left=left), {"status": "cannot", "why": "-", "left": left}):
            self.assertEqual(self.wrong(cell, BPF, "5.10-btf-hidden"),
                             ["tracefs is not as it was found: < tracing_on: 1; > tracing_on: 0"])

    def test_probes(self):
        cell = dict(done(exec={}), note="this kernel accepts none")
        self.assertTrue(self.wrong(cell))
        self.assertEqual(self.wrong(cell, kernel="host"), [])

    def test_auto(self):
        plain, hidden, by_file, by_wrong, refused = kernels.AUTOS
        no_bpf, no_file, no_plain = (f"{step} is not used: x" for step in ("bpf", "bpf-btf", "bpf-plain"))
        differ = "bpf-btf is not used: btf_path: x is of another kernel: their build-ids differ"

        def wrong(cell, auto=plain, kernel="6.1"):
            return matrix.judge_auto(KERNEL[kernel], auto, cell)
        self.assertEqual(wrong(took("bpf")), [])
        self.assertEqual(wrong(took("bpf-plain", [no_bpf, no_file]), hidden), [])
        self.assertEqual(wrong(took("bpf-plain", [no_bpf, no_file]), plain, "5.10-no-btf"), [])
        self.assertEqual(wrong(took("bpf-btf", [no_bpf]), by_file, "5.10-btf-hidden"), [])
        self.assertTrue(wrong(took("bpf-plain", [no_bpf, no_file]), by_file, "5.10-btf-hidden"))
        self.assertEqual(wrong(took("bpf-plain", [no_bpf, differ]), by_wrong, "5.10-btf-hidden"), [])
        self.assertTrue(wrong(took("bpf-plain", [no_bpf, no_file]), by_wrong, "5.10-btf-hidden"))
        self.assertTrue(wrong(took("bpf-btf", [no_bpf]), by_wrong, "5.10-btf-hidden"))
        self.assertFalse(by_file.possible(KERNEL["6.12"]) or by_wrong.possible(KERNEL["5.10"]))
        self.assertEqual(wrong(took("ftrace", [no_bpf, no_file, no_plain]), refused), [])
        self.assertEqual(wrong(took("ftrace", [no_bpf, no_file, no_plain]), plain, "host-no-bpf"), [])
        self.assertTrue(wrong(took("ftrace", [no_bpf, no_file, no_plain])))
        self.assertTrue(wrong(took("bpf-plain"), hidden))
        self.assertTrue(wrong(took("bpf", check="source: ftrace. ")))
        self.assertTrue(wrong(took("bpf", exit=1)))
        self.assertTrue(wrong({"status": "cannot", "why": "x"}))
        late = [no_bpf, no_file, no_plain, matrix.NO_ARGS + ": ..."]
        self.assertTrue(wrong(took("ftrace", late), refused))
        self.assertEqual(wrong(took("ftrace", late, note="this kernel accepts none"), refused, "host"), [])
        self.assertTrue(wrong(took("ftrace", late[:3], note="this kernel accepts none"), refused, "host"))
        self.assertFalse(hidden.possible(KERNEL["5.10-no-btf"]) or refused.possible(KERNEL["host-no-caps"]))

    def test_tests(self):
        test, row = kernels.TESTS[0], {"tests": {}}
        with tempfile.TemporaryDirectory() as folder:
            for status, log, verdict in (("0", "ok: a\n", "passed"), ("1", "ok: a\nFAILED: b\nFAILED: c\n", "failed"),
                                         ("77", "SKIPPED: d\n", "left out"), ("", "", "failed")):
                for suffix, text in ((".status", status), (".log", log)):
                    with open(os.path.join(folder, test.name + suffix), "w", encoding="utf-8") as f:
                        f.write(text)
                result = row["tests"][test.name] = matrix.read_test(folder, test)
                self.assertEqual(result["verdict"], verdict)
                self.assertEqual(matrix.show_tests(row, test.column),
                                 "yes" if verdict == "passed" else f"**{test.name} {verdict}**")
                self.assertTrue(verdict != "failed" or not log or result["why"] == "FAILED: b; FAILED: c")
        self.assertEqual(matrix.show_tests(row, "neighbours"), "-")

    def test_verdict(self):
        well, wrong = {"name": "a", "wrong": []}, {"name": "b", "wrong": ["x"]}
        network = {"name": "c", "wrong": [], "left_out": "no network", "excused": True}
        missing = {"name": "d", "wrong": [], "left_out": "not built", "excused": False}
        for rows, here, ci in (([well], 0, 0), ([well, wrong], 1, 1), ([well, network], 77, 77), ([well, missing], 77, 1),
                               ([network, missing], 77, 1), ([wrong, network], 1, 1)):
            self.assertEqual((test_kernels.verdict(rows, False), test_kernels.verdict(rows, True)), (here, ci))

    def test_balance(self):
        counts = {"produced": 9, "delivered": 5, "dropped": 3, "pending_before": -2, "pending_after": -1}
        self.assertEqual(matrix.unbalanced("cell", {"exec": counts}), [])
        silent = matrix.unbalanced("cell", {"exec": dict(counts, delivered=4)})
        self.assertEqual(len(silent), 1)
        self.assertEqual(self.wrong(dict(done(exec={}), silent=silent)), silent)

    def test_cannot(self):
        cell = {"status": "cannot", "why": "no BTF"}
        self.assertTrue(self.wrong(cell, BPF))
        self.assertEqual(self.wrong(cell, BPF, "5.10-btf-hidden"), [])
        self.assertTrue(self.wrong(cell, PLAIN, "5.10-btf-hidden"))
        self.assertEqual(self.wrong(cell, PLAIN, "host-no-bpf"), [])
        self.assertTrue(self.wrong(cell, FILE, "5.10-btf-hidden"))
        self.assertEqual(self.wrong(cell, FILE, "5.10"), [])
        self.assertTrue(self.wrong(cell, FTRACE, "host-no-bpf"))

    def test_exit_status(self):
        self.assertTrue(self.wrong(dict(done(exec={}), exit=1)))

    def test_reading(self):
        with tempfile.TemporaryDirectory() as folder:
            self.assertEqual(matrix.read_cell(folder)["status"], "broken")

            def write(name, text):
                with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
                    f.write(text)
            write("status", "cannot\n")
            write("exit", "69\n")
            write("log", "2026-01-01T00:00:00Z info run: x\n2026-01-01T00:00:00Z error source: no BTF here\n")
            cell = matrix.read_cell(folder)
            self.assertEqual((cell["status"], cell["why"]), ("cannot", "source: no BTF here"))
            # A mistake of ours, or an agent that was up and told nothing, is not what a kernel cannot do.
            for code in ("64", "78", "0", ""):
                write("exit", code)
                cell = matrix.read_cell(folder)
                self.assertEqual(cell["status"], "broken")
                self.assertTrue(self.wrong(cell, BPF, "5.10-no-btf"), code)
            write("status", "done\n")
            write("exit", "0\n")
            write("figures.json", json.dumps(figures(exec={})))
            for n in (1, 2):
                write(f"cell-{n}.json", json.dumps({"source": "bpf", "degraded": ["d"], "loss": {
                    "by_type": {"exec": n}, "blind_seconds": 0.5}, "counts": {"exec": {
                        "produced": 1, "delivered": 1, "dropped": 0, "pending_before": 0, "pending_after": 0}}}))
            cell = matrix.read_cell(folder)
            self.assertEqual((cell["lost"], cell["blind_seconds"]), ({"exec": 3}, 1.0))
            write("figures.json", "{")
            self.assertEqual(matrix.read_cell(folder)["status"], "broken")

    def test_table(self):
        self.assertEqual([matrix.percent(*p) for p in ((1, 1), (9999, 10000), (0, 0), (1, 3))],
                         ["100", "99.9", "-", "33.3"])
        row = {"label": "L", "release": "6.1", "wrong": [], "autos": {
            "auto": took("bpf", wrong=[]), "auto-no-bpf": took("ftrace", note="x", wrong=["y"])}, "tests": {
                "ftrace_recovery": {"verdict": "passed"}}, "cells": {
            "bpf": dict(done(exec={}, fork={}, connect={}), wrong=[]),
            "ftrace": dict(done({"exec": 2}, exec={"found": 8, "right": 5, "names": 8, "names_right": 8, "args": 8,
                                                   "args_right": 5, "fits": 4, "fits_right": 4}), wrong=[],
                           note="n"),
            "bpf-plain": {"status": "cannot", "why": "a | b"}}}
        text = matrix.markdown([row, {"label": "M", "left_out": "no network", "wrong": []}])
        self.assertIn("| L (6.1) | 100 / 100 / 100 | not run | no: a \\| b | 50 (names 100, arguments 62.5, within the limits 100 "
                      "of 4, 2 missing, 2 told as lost) / - / -; n | not run |", text)
        self.assertIn("| M | left out: no network |", text)
        self.assertIn("\n| L (6.1) | bpf | - | - | - | ftrace, no probes **wrong** |\n", text)
        self.assertIn("\n| L (6.1) | - | yes | - | - | - |\n", text)


class Vmlinux(unittest.TestCase):
    @staticmethod
    def image(packed, sectors=2):
        """A kernel's image for x86, as the boot protocol has it, with that payload."""
        head = bytearray((sectors + 1) * 512)
        head[0x1F1], head[0x202:0x206] = sectors, b"HdrS"
        head[0x248:0x250] = (100).to_bytes(4, "little") + len(packed).to_bytes(4, "little")
        return bytes(head) + b"c" * 100 + packed + b"behind it"

    def test_unpack(self):
        elf = b"\x7fELF" + bytes(range(256)) * 40
        size = len(elf).to_bytes(4, "little")
        for packed in (gzip.compress(elf), lzma.compress(elf) + size, bz2.compress(elf) + size,
                       lzma.compress(elf, lzma.FORMAT_ALONE) + size):
            self.assertEqual(vmlinux.unpack(self.image(packed)), elf)
        for wrong in (b"", b"MZ" * 400, self.image(b"\x12\x34" + size), self.image(lzma.compress(elf) + b"\1\0\0\0"),
                      self.image(gzip.compress(b"no ELF"))):
            with self.assertRaises(ValueError):
                vmlinux.unpack(wrong)

    def test_from_parts(self):
        note, vdso = (vmlinux.NOTE + bytes([n]) * 20 for n in (1, 2))
        types = vmlinux.BTF + b"".join(n.to_bytes(4, "little") for n in (0, 12, 12, 5)) + bytes(range(17))
        head = b"MZ".ljust(0x38, b"\0") + b"ARM\x64"
        inner = b"\x7fELF" + bytes(600) + vdso
        image = head + inner + bytes(vmlinux.VDSO_MOST) + note + bytes(33) + types + b"behind"
        made = vmlinux.unpack(image)
        names = int.from_bytes(made[0x3e:0x40], "little")
        table = int.from_bytes(made[0x28:0x30], "little")
        sections = [made[at:at + 64] for at in range(table, len(made), 64)]
        offset, size = (int.from_bytes(sections[names][o:o + 8], "little") for o in (24, 32))
        strings, found = made[offset:offset + size], {}
        for section in sections[1:]:
            name, at, size = (int.from_bytes(section[o:o + n], "little") for o, n in ((0, 4), (24, 8), (32, 8)))
            found[strings[name:strings.index(b"\0", name)]] = made[at:at + size]
        self.assertEqual(found, {b".BTF": types, b".notes": note, b".shstrtab": strings})
        for wrong in (head + inner + types, head + bytes(9) + note, image + note, image + types):
            with self.assertRaises(ValueError):
                vmlinux.unpack(wrong)


class Kernels(unittest.TestCase):
    def test_lists(self):
        short = [k.name for k in kernels.wanted([])]
        for name in ("5.10", "6.1", "6.12", "newest", "5.10-btf-hidden"):
            self.assertIn(name, short)
        self.assertTrue(any(name.endswith("arm64") for name in short))
        self.assertEqual([k.name for k in kernels.wanted([]) if k.tests], ["5.10"])
        self.assertTrue(kernels.wanted(["newest"])[0].tests)
        self.assertEqual(len(kernels.wanted([], everything=True)), len(kernels.KERNELS))
        self.assertEqual([k.name for k in kernels.wanted(["host", "6.1"])], ["6.1", "host"])
        with self.assertRaises(ValueError):
            kernels.wanted(["6.13"])
        with self.assertRaises(ValueError):
            kernels.wanted_of("way", kernels.WAYS, "bfp")
        self.assertEqual(kernels.wanted_of("test", kernels.TESTS, "none"), [])
        self.assertEqual([w.name for w in kernels.wanted_of("way", kernels.WAYS, "ftrace,bpf")], ["bpf", "ftrace"])


if __name__ == "__main__":
    NO_BPF = sys.argv.pop(1)
    unittest.main()
