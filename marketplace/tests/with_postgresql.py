#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Runs a command with a PostgreSQL server of its own.

usage: with_postgresql.py COMMAND [ARGUMENT...]

The server listens on a free port of the loopback interface, its files are in a temporary folder,
and both are gone when the command has ended. The command finds the URL of an empty database in
COROLOCK_POSTGRESQL, and the server's process id in COROLOCK_POSTGRESQL_PID. The exit status is the
command's. Needs PostgreSQL's own programs (Debian: postgresql-15); as root it runs them as the user
postgres, because they refuse root.
"""

import glob
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

USER = "marketplace"
DATABASE = "marketplace"


def fail(message):
    sys.exit(f"with_postgresql.py: {message}")


def programs():
    """The folder of the newest initdb and postgres."""
    found = shutil.which("initdb")
    if found:
        return os.path.dirname(os.path.realpath(found))
    folders = glob.glob("/usr/lib/postgresql/*/bin")
    if not folders:
        fail("there is no PostgreSQL here; on Debian: apt-get install postgresql-15")
    return max(folders, key=lambda folder: float(folder.split("/")[4]))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    def __init__(self, folder):
        self.folder = folder
        self.data = os.path.join(folder, "data")
        self.log = os.path.join(folder, "log")
        self.port = free_port()
        self.process = None
        self.programs = programs()
        self.as_user = {}
        if os.geteuid() == 0:
            try:
                account = pwd.getpwnam("postgres")
            except KeyError:
                fail("root may not run PostgreSQL, and there is no user postgres to run it as")
            self.as_user = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
            os.chown(folder, account.pw_uid, account.pw_gid)

    @property
    def url(self):
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{DATABASE}"

    def run(self, program, *arguments):
        command = [os.path.join(self.programs, program), *arguments]
        done = subprocess.run(command, cwd=self.folder, stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **self.as_user)
        return done.returncode, done.stdout

    def start(self):
        status, output = self.run("initdb", "--pgdata", self.data, "--username", USER,
                                  "--auth", "trust", "--encoding", "UTF8", "--locale", "C.UTF-8")
        if status != 0:
            fail(f"initdb failed:\n{output}")
        settings = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "port": self.port,
            "shared_buffers": "32MB",
            "max_connections": 50,
        }
        command = [os.path.join(self.programs, "postgres"), "-D", self.data]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        log = os.open(self.log, os.O_WRONLY | os.O_CREAT, 0o600)
        self.process = subprocess.Popen(command, cwd=self.folder, stdin=subprocess.DEVNULL,
                                        stdout=log, stderr=log, **self.as_user)
        os.close(log)
        limit = time.monotonic() + 60
        while self.run("pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port))[0] != 0:
            if self.process.poll() is not None or time.monotonic() > limit:
                with open(self.log, encoding="utf-8", errors="replace") as text:
                    fail(f"the server did not start:\n{text.read()}")
            time.sleep(0.05)
        status, output = self.run("createdb", "-h", "127.0.0.1", "-p", str(self.port),
                                  "-U", USER, DATABASE)
        if status != 0:
            fail(f"createdb failed:\n{output}")

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)  # a fast shutdown
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.send_signal(signal.SIGQUIT)
                self.process.wait()


def main(command):
    if not command or command[0] in ("-h", "--help"):
        print(__doc__.strip())
        return 0 if command else 2
    folder = tempfile.mkdtemp(prefix="with_postgresql.")
    server = Server(folder)
    child = None

    def end(signal_number, _):
        if child is not None and child.poll() is None:
            child.send_signal(signal_number)  # its end is ours
        else:
            sys.exit(128 + signal_number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    try:
        server.start()
        environment = dict(os.environ, COROLOCK_POSTGRESQL=server.url,
                           COROLOCK_POSTGRESQL_PID=str(server.process.pid))
        child = subprocess.Popen(command, env=environment)
        status = child.wait()
        return status if status >= 0 else 128 - status
    finally:
        server.stop()
        shutil.rmtree(folder)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
