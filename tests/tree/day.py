# SPDX-License-Identifier: MIT
"""Ordinary days of a host, made up: building, installing packages, administration, containers, services.

A capture is made of them by gen_day. Everything is invented: no trace of a host that is.
"""
import os
import subprocess

from program import TOOLS

DAY, HOUR, MINUTE = 86400000, 3600000, 60000
SETUID, MEMFD, DELETED, SCRIPT = 0x1, 0x4, 0x8, 0x40
BIN, SBIN = "/usr/bin/", "/usr/sbin/"

THERE = {"init": (1, "/usr/lib/systemd/systemd", "/init.scope"),
         "sshd": (700, "/usr/sbin/sshd", "/system.slice/ssh.service"),
         "cron": (701, "/usr/sbin/cron", "/system.slice/cron.service"),
         "nginx": (702, "/usr/sbin/nginx", "/system.slice/nginx.service"),
         "postgres": (703, "/usr/lib/postgresql/16/bin/postgres", "/system.slice/postgresql.service"),
         "containerd": (704, "/usr/bin/containerd", "/system.slice/containerd.service"),
         "k3s": (705, "/var/lib/rancher/k3s/data/3f1c/bin/k3s", "/system.slice/k3s.service"),
         "npm": (707, "/usr/local/bin/node", "/system.slice/docker-%s.scope" % (64 * "7")),
         "gdm": (706, "/usr/libexec/gdm-session-worker", "/user.slice/session-2.scope")}


class Days:
    """Lines for gen_day; time goes on with each."""

    def __init__(self):
        self.lines, self.now, self.pid, self.minute, self.day = [], 0, 2000, 0, 0
        for pid, exe, cgroup in THERE.values():
            self.add("there", pid, exe, cgroup)

    def add(self, what, *fields):
        self.lines.append("\t".join([what, str(self.now), *map(str, fields)]))

    def until(self, ms):
        """Minutes pass: the clock's ticks are what says that somebody watched."""
        while (self.minute + 1) * MINUTE <= ms:
            self.minute += 1
            self.now = max(self.now, self.minute * MINUTE)
            self.add("tick")
        self.now = max(self.now, ms)

    def start(self, parent, exe, *args, uid=0, flags=0, tty=""):
        self.until(self.now + 40)
        self.pid = self.pid % 60000 + 1 if self.pid < 60000 else 2001
        self.add("exec", self.pid, parent, uid, flags, tty, exe, *(args or [exe.rsplit("/", 1)[1]]))
        return self.pid

    def end(self, *pids, status=0):
        for pid in pids:
            self.until(self.now + 10)
            self.add("exit", pid, status)

    def run(self, parent, exe, *args, **more):
        self.end(self.start(parent, exe, *args, **more))

    def lines_of(self, parent, text, **more):
        """Command lines, as a shell would run them from /usr/bin; one a line."""
        for line in filter(None, map(str.strip, text.splitlines())):
            name, *args = line.split()
            exe = name if name.startswith("/") else BIN + name
            self.run(parent, exe, exe.rsplit("/", 1)[1], *args, **more)

    def connect(self, pid, address, port):
        a, b, c, d = map(int, address.split("."))
        self.add("connect", pid, a << 24 | b << 16 | c << 8 | d, port)

    def write(self, path):
        subprocess.run([os.path.join(TOOLS, "gen_day"), path], input="\n".join(self.lines) + "\n", text=True,
                       check=True)


# ---- what people and services do ----

def login(d, uid=1000):
    session = d.start(THERE["sshd"][0], SBIN + "sshd", "sshd: a [priv]", uid=0)
    return session, d.start(session, BIN + "bash", "-bash", uid=uid, tty="pts/0")


COMPILERS = """icc cl xlc pgcc tcc ecc bcc ccc acc f77 g95 pathf90 frt xlf efc ftn nagfor pgf90 ifort fort77 af77
    gcl""".split()


def build(d):
    """configure, make, ninja, the project's own tests; in a home and in /tmp; go and cargo, that run what they made."""
    session, shell = login(d)
    me = {"uid": 1000, "tty": "pts/0"}
    for place in ("/home/a/src/tool", "/tmp/build.%d" % d.day, "/tmp/.tmp%06x" % (0xAb1200 + d.day)):
        configure = d.start(shell, BIN + "dash", "sh", "./configure", **me)
        for i in range(12):
            cc = d.start(configure, BIN + "gcc", "gcc", "-o", "conftest", "conftest.c", **me)
            d.run(cc, "/usr/libexec/gcc/x86_64-linux-gnu/14/cc1", "cc1", "-quiet", "conftest.c", **me)
            d.run(cc, BIN + "x86_64-linux-gnu-ld.bfd", "ld", "-o", "conftest", **me)
            d.end(cc)
            d.run(configure, place + "/conftest", "./conftest", **me)
            d.lines_of(configure, "sed -e s/x/y/ conftest.in\ngrep -c main conftest.c\nuname -m\nexpr %d + 1" % i, **me)
        for name in COMPILERS:
            d.add("failed", configure, 1000, BIN + name, name, "--version")  # 20 and more are a finding of 2
        d.end(configure)
        for tool in ("make", "ninja"):
            make = d.start(shell, BIN + tool, tool, "-j2", **me)
            for i in range(20):
                sh = d.start(make, BIN + "dash", "/bin/sh", "-c", "gcc -c f%d.c -o f%d.o" % (i, i), **me)
                d.run(sh, BIN + "gcc", "gcc", "-c", "f%d.c" % i, "-o", "f%d.o" % i, **me)
                d.end(sh)
            for i in range(8):
                d.run(make, "%s/tests/test_%d_%d" % (place, d.day, i), "tests/test_%d" % i, **me)
            d.end(make)
        test = d.start(shell, BIN + "ctest", "ctest", "--output-on-failure", **me)
        d.run(test, place + "/tests/run.sh", "/bin/sh", "tests/run.sh", flags=SCRIPT, **me)
        for name in (".libs/lt-test_%d" % d.day, ".tox/py3/bin/python3", "target/debug/build/.tmpAb12/build-script"):
            d.run(test, "%s/%s" % (place, name), **me)
        for script in ("node_modules/.bin/tsc", ".git/hooks/pre-commit", ".venv/bin/pytest"):
            d.run(test, "%s/%s" % (place, script), "/bin/sh", script, flags=SCRIPT, **me)
        d.end(test)
    go = d.start(shell, "/usr/lib/go/bin/go", "go", "test", "./...", **me)
    for name in (".git/hooks/pre-push", ".venv/bin/wheel", ".libs/lt-x%d" % d.day):
        d.run(shell, "/tmp/" + name, **me)
    d.run(go, "/tmp/go-build%d/b001/tool.test" % (9000 + d.day), "-test.timeout=10m", **me)
    d.end(go)
    cargo = d.start(shell, "/home/a/.cargo/bin/cargo", "cargo", "build", **me)
    d.run(cargo, "/home/a/src/t/target/debug/build/t-%x/build-script-build" % d.day, "build-script-build", **me)
    d.connect(cargo, "203.0.113.%d" % (10 + d.day), 443)
    d.end(cargo)
    d.lines_of(shell, """git status --short
        git commit -m %secret:token:0123456789abcdef% a
        git fetch --prune
        gdb -batch -ex bt ./tool core
        valgrind -q ./tool
        strace -f -o trace ./tool
        python3 -m venv .venv
        /home/a/src/tool/.venv/bin/pip install wheel""", **me)
    d.end(shell, session)


def packages(d):
    """apt and dpkg, by hand and unattended; what runs starts itself again from the file that was replaced."""
    session, shell = login(d)
    sudo = d.start(shell, BIN + "sudo", "sudo", "apt-get", "install", "-y", "tool%d" % d.day, uid=1000, flags=SETUID,
                   tty="pts/0")
    unattended = d.start(1, BIN + "python3.13", "/usr/bin/python3", "/usr/bin/unattended-upgrade")
    for parent in (sudo, unattended):
        apt = d.start(parent, BIN + "apt-get", "apt-get", "install", "-y", "tool%d" % d.day)
        http = d.start(apt, "/usr/lib/apt/methods/http", uid=42)
        d.connect(http, "198.51.%d.7" % (100 + d.day), 80)
        d.end(http)
        sh = d.start(apt, BIN + "dash", "sh", "-c", "/usr/sbin/dpkg-preconfigure --apt || true")
        d.run(sh, SBIN + "dpkg-preconfigure", "/usr/bin/perl", "-w", "/usr/sbin/dpkg-preconfigure", flags=SCRIPT)
        d.run(sh, "/tmp/tool.config.%d" % (4711 + d.day), "/bin/sh", "configure", flags=SCRIPT)
        dpkg = d.start(apt, BIN + "dpkg", "dpkg", "--unpack", "/var/cache/apt/archives/tool_1.%d_amd64.deb" % d.day)
        d.lines_of(dpkg, "dpkg-split -Qao /var/lib/dpkg/reassemble.deb x\ndpkg-deb --fsys-tarfile x\nrm -rf -- x")
        for script in ("preinst", "postinst"):
            post = d.start(dpkg, "/var/lib/dpkg/info/tool%d.%s" % (d.day, script), "/bin/sh", "x", "configure",
                           flags=SCRIPT)
            d.lines_of(post, "/usr/sbin/useradd -r tool\nchown root:root /x\nsystemctl daemon-reload\n"
                       "/usr/sbin/update-rc.d tool defaults\n/usr/sbin/ldconfig")
            d.end(post)
        d.end(sh, dpkg, apt)
    d.run(1, "/usr/lib/systemd/systemd", "/usr/lib/systemd/systemd", "--user", flags=DELETED)
    d.run(THERE["sshd"][0], SBIN + "sshd", "sshd", "-R", flags=DELETED)
    d.run(shell, "/usr/bin/tool%d" % d.day, "tool", "--version", uid=1000, tty="pts/0")
    d.run(shell, "/usr/lib/tool/helper%d" % d.day, "helper", uid=1000, flags=SETUID, tty="pts/0")
    d.end(unattended, sudo, shell, session)


ADMINISTRATION = """ps aux
    ss -tlnp
    df -h
    free -m
    uptime
    w
    id
    who
    last -n 5
    mount
    lsof -i
    ip addr
    hostname
    uname -a
    lsblk
    getent passwd root
    systemctl status
    journalctl -u nginx -n 50
    vi /etc/nginx/nginx.conf
    /usr/sbin/nginx -t
    systemctl reload nginx
    tail -f /var/log/syslog
    crontab -e
    tar czf /root/etc.tgz /etc
    rsync -a /srv/ backup:/srv/
    git -C /etc log --oneline
    ssh-keygen -t ed25519 -f /root/.ssh/id_backup -C backup
    openssl x509 -in /etc/ssl/cert.pem -noout -enddate
    find / -xdev -perm -4000
    awk -F: {print$1} /etc/passwd
    curl -sI https://www.example.com/
    ping -c1 192.0.2.1
    tcpdump -c 10 -ni eth0
    nc -zv db1 5432
    dd if=/dev/zero of=/tmp/x bs=1M count=1
    [ -e /etc/motd ]
    bash -c true
    chmod u+s /usr/local/bin/tool
    passwd a
    useradd -m b
    htop -d 10"""


def administration(d):
    session, shell = login(d)
    sudo = d.start(shell, BIN + "sudo", "sudo", "-i", uid=1000, flags=SETUID, tty="pts/0")
    root = d.start(sudo, BIN + "bash", "-bash", tty="pts/1")
    d.lines_of(root, ADMINISTRATION, tty="pts/1")
    d.run(root, "/tmp/install.sh", "/bin/bash", "/tmp/install.sh", flags=SCRIPT, tty="pts/1")
    ssh = d.start(root, BIN + "ssh", "ssh", "db%d" % d.day, tty="pts/1")
    d.connect(ssh, "192.0.%d.9" % (d.day + 10), 22)
    ansible = d.start(shell, BIN + "python3.13", "python3", "/usr/bin/ansible-playbook", "site.yml", uid=1000,
                      tty="pts/0")
    d.lines_of(ansible, "sh -c echo\nsh -c id\npython3.13 AnsiballZ_setup.py", uid=1000, tty="pts/0")
    d.end(ssh, ansible, root, sudo, shell, session)


def cron(d):
    job = d.start(THERE["cron"][0], BIN + "dash", "/bin/sh", "-c", "run-parts /etc/cron.hourly")
    parts = d.start(job, BIN + "run-parts", "run-parts", "/etc/cron.hourly")
    for script in ("logrotate", "man-db", "backup"):
        sh = d.start(parts, "/etc/cron.hourly/" + script, "/bin/sh", script, flags=SCRIPT)
        d.lines_of(sh, "find /var/cache -mtime +7 -delete\ngzip -9 /var/log/x.1\nmktemp\nflock -n /run/x true\n"
                   "pg_dump -f /var/backups/db.sql db\nsystemctl kill -s USR1 nginx")
        d.end(sh)
    d.end(parts, job)


def services(d):
    """Workers come and go; a container is started, by runc's copy of itself; so in k3s."""
    d.run(THERE["nginx"][0], SBIN + "nginx", "nginx: worker process", uid=33)
    d.run(THERE["postgres"][0], THERE["postgres"][1], "postgres: checkpointer", uid=110)
    d.run(THERE["npm"][0], BIN + "dash", "sh", "-c", "node tasks.js")
    for owner, where in (("containerd", "/usr/bin/"), ("k3s", "/var/lib/rancher/k3s/data/3f1c/bin/")):
        shim = d.start(THERE[owner][0], where + "containerd-shim-runc-v2", "-id", "c%d" % d.day)
        runc = d.start(shim, where + "runc", "runc", "create", "c%d" % d.day)
        init = d.start(runc, "/memfd:runc_cloned:/proc/self/exe (deleted)", "runc", "init", flags=MEMFD)
        d.run(init, "/app/server%d" % d.day, "/app/server", uid=1000)
        d.end(init, runc, shim)


def desktop(d):
    session = d.start(THERE["gdm"][0], BIN + "gnome-shell", uid=1000, tty="tty2")
    browser = d.start(session, "/usr/lib/firefox/firefox", uid=1000)
    d.connect(browser, "198.51.100.%d" % (10 + d.day), 443)
    d.run(browser, "/usr/lib/firefox/firefox", "-contentproc", uid=1000)
    d.run(browser, BIN + "xdg-open", "xdg-open", "https://www.example.org/?q=ignore+case", uid=1000)
    code = d.start(session, "/usr/share/code/code", uid=1000)
    d.run(code, BIN + "bash", "bash", "-lic", "env", uid=1000)
    d.run(code, "/home/a/.vscode-server/bin/1/node", "node", "server.js", uid=1000)
    d.end(code, browser, session)


TIMES = [(2, cron), (3, services), (8, packages), (9, cron), (10, administration), (13, services), (14, build),
         (16, cron), (20, desktop)]


def ordinary(days, extra=None):
    """So many days of these; extra(d) is done at 11:00 of the last."""
    d = Days()
    for d.day in range(days):
        begin = d.day * DAY
        times = [(hour, what) for hour, what in TIMES]
        if extra and d.day == days - 1:
            times = sorted(times + [(11, extra)], key=lambda t: t[0])
        for hour, what in times:
            d.until(begin + hour * HOUR + 5 * MINUTE)
            what(d)
    d.until(days * DAY + HOUR)
    return d
