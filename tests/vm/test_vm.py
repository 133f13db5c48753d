# SPDX-License-Identifier: MIT
"""test_vm.py NO_BPF: the parts of scripts/test-kernels that need no guest."""
import base64
import ctypes
import errno
import io
import json
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

NO_BPF = ""
SYS_BPF = {"x86_64": 321, "aarch64": 280}
BPF, PLAIN, FTRACE = kernels.WAYS[:3]
KERNEL = {k.name: k for k in kernels.KERNELS}


def figures(**types):
    whole = {"expected": 10, "unseen": 0, "found": 10, "right": 10, "names": 10, "names_right": 10, "args": 10,
             "args_right": 10, "addresses": 0, "addresses_right": 0, "paths": 0, "paths_right": 0, "names_marked": 0,
             "args_marked": 0, "addresses_marked": 0, "paths_marked": 0, "other": 0, "extra": 0, "fits": 0,
             "fits_right": 0, "unmarked": 0}
    return {"differences": 0, "broken": 0, "types": {kind: dict(whole, **changed) for kind, changed in types.items()}}


def done(lost=None, **types):
    return {"status": "done", "exit": 0, "silent": [], "lost": lost or {}, "figures": figures(**types)}


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

    def test_limits(self):
        self.assertEqual(self.wrong(done(exec={"fits": 7, "fits_right": 7})), [])
        self.assertTrue(self.wrong(done(exec={"fits": 7, "fits_right": 6})))
        self.assertTrue(self.wrong(done(exec={"unmarked": 1})))

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
            self.assertEqual(matrix.read_cell(folder)["why"], "source: no BTF here")
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
        row = {"label": "L", "release": "6.1", "wrong": [], "cells": {
            "bpf": dict(done(exec={}, fork={}, connect={}), wrong=[]),
            "ftrace": dict(done({"exec": 2}, exec={"found": 8, "right": 5, "names": 8, "names_right": 8, "args": 8,
                                                   "args_right": 5, "fits": 4, "fits_right": 4}), wrong=[],
                           note="n"),
            "bpf-plain": {"status": "cannot", "why": "a | b"}}}
        text = matrix.markdown([row, {"label": "M", "left_out": "no network", "wrong": []}])
        self.assertIn("| L (6.1) | 100 / 100 / 100 | no: a \\| b | 50 (names 100, arguments 62.5, within the limits 100 "
                      "of 4, 2 missing, 2 told as lost) / - / -; n | not run |", text)
        self.assertIn("| M | left out: no network |", text)


class Kernels(unittest.TestCase):
    def test_lists(self):
        short = [k.name for k in kernels.wanted([])]
        for name in ("5.10", "6.1", "6.12", "newest", "5.10-btf-hidden"):
            self.assertIn(name, short)
        self.assertTrue(any(name.endswith("arm64") for name in short))
        self.assertEqual(len(kernels.wanted([], everything=True)), len(kernels.KERNELS))
        self.assertEqual([k.name for k in kernels.wanted(["host", "6.1"])], ["6.1", "host"])
        with self.assertRaises(ValueError):
            kernels.wanted(["6.13"])
        with self.assertRaises(ValueError):
            kernels.wanted_ways("bfp")


if __name__ == "__main__":
    NO_BPF = sys.argv.pop(1)
    unittest.main()
