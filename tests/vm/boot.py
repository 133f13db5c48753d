#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""boot.py ARCH VMLINUZ DIRECTORY COMMAND [OUT]

Boots a kernel in qemu, without KVM, from an initramfs that holds busybox and DIRECTORY as /opt with the libraries that
its programs need; runs COMMAND there with busybox's shell, as root, and shows what it prints. What it leaves in /out is
put into OUT. Exit status: the command's; 124 when it took too long, 125 when the guest died.

Environment: EDR_BUSYBOX   a static busybox of that architecture
             EDR_SYSROOT   where its libraries are; / when not set
"""
import base64
import ctypes
import io
import os
import re
import select
import signal
import stat
import subprocess
import sys
import tarfile
import time

TRIPLET = {"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}
MACHINE = {"amd64": 62, "arm64": 183}  # e_machine
BARE = (3, 40)  # i386, ARM: a 32-bit program of ours has no libraries
CONSOLE = {"amd64": "ttyS0", "arm64": "ttyAMA0"}
# qemu64 with cx16: one run of seven of Debian's 6.12 panics at boot. One thread for all CPUs of a guest, for with one
# for each qemu 7.2 at times runs half of an instruction that the kernel is just patching (6.1 and 6.12 died of that).
QEMU = {
    "amd64": ["qemu-system-x86_64", "-M", "q35", "-cpu", "qemu64,-cx16"],
    "arm64": ["qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a57"],
}
TIME_LIMIT, GUEST_DIED = 124, 125
LOG_MAX = 64 << 20  # of a guest that prints without end

INIT = """#!/bin/busybox sh
/bin/busybox --install -s
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev 2>/dev/null
exec </dev/console >/dev/console 2>&1
stty -opost -echo 2>/dev/null
mkdir -p /dev/pts /dev/shm
ln -sf /proc/self/fd /dev/fd
ln -sf /proc/self/fd/0 /dev/stdin
ln -sf /proc/self/fd/1 /dev/stdout
ln -sf /proc/self/fd/2 /dev/stderr
mount -t devpts pts /dev/pts
for dir in /dev/shm /tmp /run; do mount -t tmpfs tmpfs $dir; done
mount -t tracefs tracefs /sys/kernel/tracing
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t bpf bpf /sys/fs/bpf 2>/dev/null
ip link set lo up
hostname guest
cd /opt
printf %s '{begin}'
/bin/sh /command </dev/null
rc=$?
if [ -n "$(ls -A /out)" ]; then printf %s '{files}'; tar cz -C /out . | base64; fi
printf '{end}%d\\n' $rc
sync
sleep 1
poweroff -f
"""
DIRECTORIES = """/proc /sys /dev /tmp /run /out /root /etc /opt /bin /sbin /usr/bin /usr/sbin /var/lib /var/log /mnt
/boot /lib/modules""".split()
ETC = {
    "passwd": b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n",
    "group": b"root:x:0:\nnogroup:x:65534:\n",
    "hosts": b"127.0.0.1 localhost\n::1 localhost\n",
}


class Trouble(Exception):
    """Something is missing here; the message says what."""


def elf_machine(path):
    """e_machine of a program or shared library; 0 for any other file, such as a BPF object."""
    with open(path, "rb") as f:
        head = f.read(20)
    if len(head) < 20 or head[:4] != b"\x7fELF" or int.from_bytes(head[16:18], "little") not in (2, 3):
        return 0
    return int.from_bytes(head[18:20], "little")


def needed(path):
    """The interpreter and the libraries that an ELF file names."""
    text = subprocess.run(["readelf", "-W", "-dl", path], capture_output=True, text=True, check=True).stdout
    interpreter = re.findall(r"interpreter: (\S+?)\]", text)
    return interpreter, re.findall(r"NEEDED\)\s+Shared library: \[(.*?)\]", text)


class Initramfs:
    """The files of a guest; `write` makes an uncompressed newc archive of them (cpio(5))."""

    def __init__(self, arch, busybox, sysroot="/"):
        self.arch = arch
        self.sysroot = sysroot.rstrip("/")
        self.files = {}  # path in the guest -> (mode, bytes)
        for directory in DIRECTORIES:
            self.directory(directory)
        with open(busybox, "rb") as f:
            self.put("/bin/busybox", f.read())
        self.put("/bin/sh", b"busybox", stat.S_IFLNK | 0o777)
        for name, data in ETC.items():
            self.put("/etc/" + name, data, stat.S_IFREG | 0o644)

    def directory(self, path):
        while path not in ("", "/"):
            self.files.setdefault(path, (stat.S_IFDIR | 0o755, b""))
            path = os.path.dirname(path)

    def put(self, path, data, mode=stat.S_IFREG | 0o755):
        self.directory(os.path.dirname(path))
        self.files[path] = (mode, data)

    def library(self, name, by):
        """Where the library or interpreter of that name is on this machine."""
        triplet = TRIPLET[self.arch]
        folders = (f"/lib/{triplet}/", f"/usr/lib/{triplet}/", "/lib64/", "/usr/lib64/", "/lib/", "/usr/lib/",
                   "/usr/local/lib/")
        places = [name] if name.startswith("/") else []
        for place in places + [folder + os.path.basename(name) for folder in folders]:
            if os.path.exists(self.sysroot + place):
                return os.path.realpath(self.sysroot + place)
        raise Trouble(f"{by} needs {name}, which is not below {self.sysroot or '/'}")

    def add(self, source, path):
        """A file with the libraries that it needs, or a folder of such files."""
        if os.path.isdir(source):
            self.directory(path)
            for name in sorted(os.listdir(source)):
                self.add(os.path.join(source, name), path + "/" + name)
            return
        with open(source, "rb") as f:
            self.put(path, f.read(), stat.S_IFREG | stat.S_IMODE(os.stat(source).st_mode))
        machine = elf_machine(source)
        if machine in (0, *BARE):
            return
        if machine != MACHINE[self.arch]:
            raise Trouble(f"{source} is a program for another machine than {self.arch}")
        interpreters, libraries = needed(source)
        for name in interpreters + libraries:
            inside = name if name.startswith("/") else "/lib/" + name
            if inside in self.files:
                continue
            self.add(self.library(name, source), inside)

    def write(self, f):
        number = 0

        def entry(name, mode, data, device=(0, 0)):
            nonlocal number
            number += 1
            name = name.encode() + b"\0"
            fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(name), 0)
            head = b"070701" + b"".join(b"%08X" % v for v in fields)
            f.write(head + name + b"\0" * (-(len(head) + len(name)) % 4) + data + b"\0" * (-len(data) % 4))

        for path in sorted(self.files):
            entry(path.lstrip("/"), *self.files[path])
        entry("dev/console", stat.S_IFCHR | 0o600, b"", (5, 1))
        entry("dev/null", stat.S_IFCHR | 0o666, b"", (1, 3))
        entry("TRAILER!!!", 0, b"")


class Console:
    """What the guest prints, cut at the markers that INIT prints: output, files, exit status."""

    def __init__(self, nonce):
        self.begin, self.files, self.end = (f"@@{w}-{nonce}@@" for w in ("BEGIN", "FILES", "END"))
        self.text = b""

    def status(self):
        found = re.search(re.escape(self.end.encode()) + rb"(\d+)\r?\n", self.text)
        return int(found[1]) if found else None

    def started(self):
        return self.begin.encode() in self.text

    def output(self):
        rest = self.text.split(self.begin.encode(), 1)[-1]
        return rest.split(self.files.encode())[0].split(self.end.encode())[0]

    def last_words(self):
        """Of a guest that died: where the kernel says why, else its last lines."""
        text = self.text.decode(errors="replace").replace("\r", "")
        found = re.search(r"(BUG: |Oops|Kernel panic|Internal error|general protection).*", text)
        return text[found.start():found.start() + 1500] if found else text[-500:]

    def unpack(self, out):
        if self.files.encode() not in self.text:
            return
        packed = self.text.split(self.files.encode(), 1)[1].split(self.end.encode())[0]
        with tarfile.open(fileobj=io.BytesIO(base64.b64decode(packed)), mode="r:gz") as archive:
            for member in archive:
                name = os.path.normpath(member.name)
                if not member.isfile() or name.startswith(("/", "..")):
                    continue
                path = os.path.join(out, name)
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(path, "wb") as f:
                    f.write(archive.extractfile(member).read())


def follow(process, console, log, limit, tell):
    """Reads until the guest has told its exit status; returns it, or why there is none. tell: gets each line that its
    command prints."""
    deadline, told = time.monotonic() + limit, 0
    while True:
        left = deadline - time.monotonic()
        if left <= 0:
            return TIME_LIMIT
        if not select.select([process.stdout], [], [], min(left, 1))[0]:
            continue
        data = os.read(process.stdout.fileno(), 65536)
        if not data or len(console.text) > LOG_MAX:
            return GUEST_DIED
        log.write(data)
        log.flush()
        console.text += data
        if console.started():
            lines = console.output().split(b"\n")[:-1]
            for line in lines[told:]:
                tell(line.decode(errors="replace").strip())
            told = len(lines)
        if b"\n" in data and console.status() is not None:
            return console.status()


PR_SET_PDEATHSIG = 1


def die_with_parent():
    """In the child: nothing of ours stays when we are killed."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def boot(arch, kernel, image, command, work, limit=300, append="", memory=1024, cpus=2, tell=lambda line: None,
         options=()):
    """Runs it; `work` is a folder for what it takes, and gets console.log. Returns exit status and Console."""
    console = Console(os.urandom(6).hex())
    init = INIT
    for word in ("begin", "files", "end"):
        init = init.replace("{" + word + "}", getattr(console, word))
    image.put("/init", init.encode())
    image.put("/command", command.encode() + b"\n")
    os.makedirs(work, exist_ok=True)
    initrd = os.path.join(work, "initrd")
    with open(initrd, "wb") as f:
        image.write(f)
    words = f"console={CONSOLE[arch]} quiet loglevel=1 panic=-1 rdinit=/init net.ifnames=0 {append}".strip()
    qemu = QEMU[arch] + ["-accel", "tcg,thread=single", "-m", str(memory), "-smp", str(cpus), "-nographic", "-no-reboot",
                         "-nic", "none", "-monitor", "none", "-serial", "stdio",
                         "-kernel", kernel, "-initrd", initrd, "-append", words, *options]
    process = subprocess.Popen(qemu, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               preexec_fn=die_with_parent)
    try:
        with open(os.path.join(work, "console.log"), "wb") as log:
            status = follow(process, console, log, limit, tell)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        process.stdout.close()
        os.unlink(initrd)
    return status, console


def main(argv):
    if len(argv) not in (5, 6) or argv[1] not in QEMU:
        print(__doc__, file=sys.stderr)
        return 64
    image = Initramfs(argv[1], os.environ.get("EDR_BUSYBOX", "/bin/busybox"), os.environ.get("EDR_SYSROOT", "/"))
    image.add(argv[3], "/opt")
    work = argv[5] if len(argv) == 6 else os.path.join(os.environ.get("TMPDIR", "/tmp"), f"edr-boot.{os.getpid()}")
    status, console = boot(argv[1], argv[2], image, argv[4], work)
    sys.stdout.buffer.write(console.output() if console.started() else console.text)
    if len(argv) == 6:
        console.unpack(argv[5])
    if status in (TIME_LIMIT, GUEST_DIED):
        print("boot.py: the guest " + ("took too long" if status == TIME_LIMIT else "died"), file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv))
