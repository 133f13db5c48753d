# SPDX-License-Identifier: MIT
"""Packages of any Debian suite and architecture, on any host that has apt and dpkg.

Nothing of the host's own apt is used or changed: each suite and architecture has a folder of its own in the cache, with
apt's configuration, lists and packages. apt checks the signatures, with Debian's archive keyring and nothing else.
"""
import glob
import os
import re
import shutil
import subprocess
import time

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
# What has left the first one is in the second.
MIRRORS = os.environ.get("EDR_DEBIAN_MIRROR", "http://deb.debian.org/debian http://archive.debian.org/debian").split()
LISTS_FRESH_S = 12 * 3600
METAPACKAGES = 3  # one inside the other, at most

APT_CONF = """Dir "{room}";
Dir::Etc "{room}";
Dir::Etc::main "/dev/null";
Dir::Etc::parts "/dev/null";
Dir::Etc::sourcelist "{room}/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::Etc::trusted "/dev/null";
Dir::Etc::trustedparts "/dev/null";
Dir::State "{room}/state";
Dir::State::lists "{room}/lists";
Dir::State::status "{room}/status";
Dir::Cache "{room}/cache";
Dir::Cache::archives "{room}/archives";
Dir::Cache::srcpkgcache "";
APT::Architecture "{arch}";
APT::Architectures {{ "{arch}"; }};
APT::Install-Recommends "false";
Acquire::Languages "none";
Acquire::GzipIndexes "true";
Acquire::Retries "2";
Acquire::http::Timeout "30";
Acquire::Check-Valid-Until "false";
"""


class Unreachable(Exception):
    """The network or qemu cannot be had; the message says why."""


class Absent(Exception):
    """Debian can be reached, but does not have it, or it has to be made first; the message says what."""


class Suite:
    """One suite for one architecture: bookworm, amd64."""

    def __init__(self, cache, suite, arch):
        self.name = f"{suite} {arch}"
        self.suite, self.arch = suite, arch
        self.room = os.path.join(cache, "apt", f"{suite}-{arch}")
        self.conf = os.path.join(self.room, "apt.conf")
        self.updated = False

    def _apt(self, tool, *arguments, cwd=None):
        # APT_CONFIG is read before the host's own configuration, so Dir::Etc above keeps that out.
        environment = dict(os.environ, APT_CONFIG=self.conf, LC_ALL="C", DEBIAN_FRONTEND="noninteractive")
        done = subprocess.run([tool, "-q", *arguments], capture_output=True, text=True, env=environment, cwd=cwd,
                              stdin=subprocess.DEVNULL, check=False)
        if done.returncode:
            text = (done.stderr.strip() or done.stdout.strip()).splitlines()
            # What could not be fetched says more than that something could not be.
            errors = ([line for line in text if "Failed to fetch" in line or "not signed" in line] or
                      [line for line in text if line.startswith("E:")] or text or [tool + " failed"])
            trouble = Absent if "not signed" in errors[0] else Unreachable
            raise trouble(f"Debian {self.name}: {errors[0]}")
        return done.stdout

    def _lists(self):
        return glob.glob(os.path.join(self.room, "lists", "*_Packages*"))

    def update(self):
        """Fetches the suite's lists, when those that are here are not fresh."""
        if self.updated:
            return
        for folder in ("lists/partial", "archives/partial", "cache", "state"):
            os.makedirs(os.path.join(self.room, folder), exist_ok=True)
        open(os.path.join(self.room, "status"), "a", encoding="ascii").close()
        with open(self.conf, "w", encoding="ascii") as f:
            f.write(APT_CONF.format(room=self.room, arch=self.arch))
        if self._lists() and all(time.time() - os.stat(p).st_ctime < LISTS_FRESH_S for p in self._lists()):
            self.updated = True
            return
        trouble = None
        for mirror in MIRRORS:
            with open(os.path.join(self.room, "sources.list"), "w", encoding="ascii") as f:
                f.write(f"deb [arch={self.arch} signed-by={KEYRING}] {mirror} {self.suite} main\n")
            try:
                self._apt("apt-get", "update", "--error-on=any")
                self.updated = True
                return
            except (Unreachable, Absent) as e:
                trouble = trouble or e
        raise trouble

    def show(self, package):
        """Version and Depends of the newest package of that name; None when there is none."""
        self.update()
        try:
            text = self._apt("apt-cache", "show", "--no-all-versions", package)
        except Unreachable:
            return None
        fields = dict(re.findall(r"^(Version|Depends): (.*)$", text, re.M))
        return (fields["Version"], fields.get("Depends", "")) if "Version" in fields else None

    def _unpack(self, folder, into):
        packages = glob.glob(os.path.join(folder, "*.deb"))
        for package in packages:
            subprocess.run(["dpkg-deb", "-x", package, into], check=True)
        return len(packages)

    def fetch(self, package, into):
        """Unpacks that one package, without what it depends on."""
        self.update()
        folder = os.path.join(self.room, "one", package)
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        try:
            if os.geteuid() == 0:  # apt downloads as that user, when it may write here
                shutil.chown(folder, "_apt")
        except LookupError:
            pass
        self._apt("apt-get", "download", package, cwd=folder)
        os.makedirs(into, exist_ok=True)
        if not self._unpack(folder, into):
            raise Unreachable(f"Debian {self.name}: {package} was not downloaded")
        shutil.rmtree(folder)

    def fetch_all(self, packages, into):
        """Unpacks these packages and all that they need, as a sysroot."""
        self.update()
        self._apt("apt-get", "install", "-y", "--download-only", *packages)
        os.makedirs(into, exist_ok=True)
        self._unpack(os.path.join(self.room, "archives"), into)
        make_links_relative(into)
        shutil.rmtree(os.path.join(self.room, "archives"))


def make_links_relative(root):
    """An absolute symbolic link of a package would lead out of the folder that it was unpacked in."""
    for folder, folders, files in os.walk(root):
        for name in folders + files:
            path = os.path.join(folder, name)
            if os.path.islink(path) and os.readlink(path).startswith("/"):
                target = os.path.relpath(root + os.readlink(path), folder)
                os.unlink(path)
                os.symlink(target, path)


def same_or_newer(version, than):
    return subprocess.run(["dpkg", "--compare-versions", version, "ge", than], check=False).returncode == 0


def kernel_packages(suite):
    """From the cloud kernel's metapackage to the packages that hold the kernel: version and names; None without one.

    Up to 6.x linux-image-VERSION has vmlinuz; from 7.x on it is a metapackage too, and linux-binary-VERSION has it.
    """
    name = f"linux-image-cloud-{suite.arch}"
    found = suite.show(name)
    if not found:
        return None
    version, names, depends = found[0], [], found[1]
    for _ in range(METAPACKAGES):
        inner = re.findall(r"\b(linux-(?:image|binary)-[0-9][^ ,|()]*)", depends)
        if not inner:
            break
        names.append(inner[0])
        depends = (suite.show(inner[0]) or ("", ""))[1]
    return version, names


def fetch_kernel(cache, name, suites):
    """The newest cloud kernel of these suites as CACHE/kernels/NAME/vmlinuz, with its version in `version`.

    What is in the cache is used when no suite can be reached. Returns the path.
    """
    folder = os.path.join(cache, "kernels", name)
    image, version_file = os.path.join(folder, "vmlinuz"), os.path.join(folder, "version")
    try:
        found = [(suite, kernel_packages(suite)) for suite in suites]
        found = [(suite, *packages) for suite, packages in found if packages and packages[1]]
        if not found:
            raise Absent(f"no cloud kernel in Debian {', '.join(s.name for s in suites)}")
        best = found[0]
        for other in found[1:]:
            if not same_or_newer(best[1], other[1]):
                best = other
    except (Unreachable, Absent):
        if os.path.exists(image):
            return image
        raise
    suite, version, names = best
    if os.path.exists(image) and os.path.exists(version_file):
        with open(version_file, encoding="ascii") as f:
            if f.read().strip() == f"{suite.suite} {version}":
                return image
    unpacked = os.path.join(folder, "unpacked")
    shutil.rmtree(folder, ignore_errors=True)
    for package in reversed(names):
        suite.fetch(package, unpacked)
        images = glob.glob(os.path.join(unpacked, "**", "vmlinuz*"), recursive=True)
        if images:
            shutil.move(images[0], image)
            shutil.rmtree(unpacked)
            with open(version_file, "w", encoding="ascii") as f:
                f.write(f"{suite.suite} {version}\n")
            return image
    raise Absent(f"Debian {suite.name}: no vmlinuz in {', '.join(names)}")
