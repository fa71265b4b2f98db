# SPDX-License-Identifier: BSL-1.0
# Copyright (c) 2026 the corolock developers
"""PostgreSQL in the namespace: the server, and a connection that speaks its protocol by hand."""

import glob
import os
import pathlib
import pwd
import re
import signal
import socket
import struct
import subprocess

import servers

USER = DATABASE = "corolock"
PORT = 5432
ACCOUNT = "postgres"  # initdb wants a user that has a name, and that is not root


class Refused(Exception):
    """The server's error; `state` is its SQLSTATE."""

    def __init__(self, state, text):
        super().__init__(f"{state}: {text}")
        self.state = state


class Connection:
    """One statement at a time, in texts. Raises OSError when the connection is gone."""

    def __init__(self, address, program, timeout=None, database=DATABASE):
        self.socket = socket.create_connection((address, PORT), timeout=timeout)
        self.stream = self.socket.makefile("rb")
        names = {"user": USER, "database": database, "application_name": program}
        body = "".join(f"{name}\0{value}\0" for name, value in names.items()).encode() + b"\0"
        self.socket.sendall(struct.pack("!ii", len(body) + 8, 3 << 16) + body)
        self.answer()

    def ask(self, statement):
        """The rows: lists of texts, None for null."""
        text = statement.encode() + b"\0"
        self.socket.sendall(b"Q" + struct.pack("!i", len(text) + 4) + text)
        return self.answer()

    def answer(self):
        rows, error = [], None
        while True:
            head = self.stream.read(5)
            if len(head) < 5:
                raise ConnectionError(f"the server has ended the connection: {error}")
            kind, size = head[:1], struct.unpack("!i", head[1:])[0] - 4
            body = self.stream.read(size)
            if kind == b"D":
                rows.append(list(values_in(body)))
            elif kind == b"E":
                fields = {each[:1]: each[1:].decode() for each in body.split(b"\0") if each}
                error = Refused(fields[b"C"], fields[b"M"])
            elif kind == b"Z":
                if error:
                    raise error
                return rows

    def close(self):
        self.stream.close()
        self.socket.close()


def values_in(row):
    place = 2
    for _ in range(struct.unpack("!h", row[:2])[0]):
        size = struct.unpack("!i", row[place:place + 4])[0]
        place += 4
        yield None if size < 0 else row[place:place + size].decode()
        place += max(size, 0)


def programs():
    """The folder of the newest PostgreSQL; None if there is none."""
    folders = glob.glob("/usr/lib/postgresql/*/bin")
    return max(folders, key=lambda each: float(each.split("/")[4]), default=None)


class Server:
    """What is started on a machine, and what it says of the lock's connections."""

    def __init__(self, machine, scratch):
        self.name = "server"
        self.machine = machine
        self.directory = scratch / "postgresql"
        self.process = None

    @property
    def url(self):
        return f"postgresql://{USER}@{self.machine.address}:{PORT}/{DATABASE}"

    def as_account(self):
        account = pwd.getpwnam(ACCOUNT)
        return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": [], "cwd": "/"}

    def create(self):
        account = pwd.getpwnam(ACCOUNT)
        self.directory.mkdir()
        os.chown(self.directory, account.pw_uid, account.pw_gid)
        command = [f"{programs()}/initdb", "--pgdata", str(self.directory / "data"), "--username",
                   USER, "--auth", "trust", "--encoding", "UTF8", "--locale", "C.UTF-8"]  # fmt: skip
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                       **self.as_account())  # fmt: skip
        with open(self.directory / "data" / "pg_hba.conf", "a", encoding="utf-8") as rules:
            rules.write("host all all 127.0.0.0/8 trust\n")

    def start(self):
        settings = {"listen_addresses": self.machine.address, "port": PORT,
                    "unix_socket_directories": "", "max_connections": 200,
                    "shared_buffers": "32MB"}  # fmt: skip
        command = [f"{programs()}/postgres", "-D", str(self.directory / "data")]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        with open(self.directory.with_suffix(".log"), "ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, **self.as_account())  # fmt: skip

    def ask(self, statement, database=DATABASE):
        """The rows; None when it does not answer."""
        try:
            connection = Connection(self.machine.address, "nemesis", 2, database)
        except (OSError, Refused):
            return None
        try:
            return connection.ask(statement)
        except (OSError, Refused):
            return None
        finally:
            connection.close()

    def is_healthy(self):
        return self.ask("SELECT 1", "postgres") is not None

    def backends(self):
        """(process id, address of the client) of the lock's; None when it does not answer."""
        rows = self.ask("SELECT pid, host(client_addr) FROM pg_stat_activity"
                        " WHERE application_name = 'corolock' ORDER BY pid")  # fmt: skip
        return rows and [(int(pid), address) for pid, address in rows]

    def leftovers(self):
        """Locks and connections, by count; None when it does not answer."""
        rows = self.ask("SELECT (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'),"
                        " (SELECT count(*) FROM pg_stat_activity"
                        " WHERE application_name = 'corolock')")  # fmt: skip
        return rows and dict(zip(("advisory locks", "connections"), map(int, rows[0])))

    def processes(self):
        """The process ids of all of it."""
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [self.process.pid, *map(int, re.findall(r"\d+", children.read_text()))]

    def signal(self, number):
        # The first one first: what is stopped starts no others.
        os.kill(self.process.pid, number)
        for each in self.processes()[1:]:
            try:
                os.kill(each, number)
            except ProcessLookupError:
                pass  # it has ended meanwhile

    def stop_at_once(self):
        """What a crash leaves behind: the next start recovers from the log."""
        self.process.send_signal(signal.SIGQUIT)
        return self.process.wait(timeout=30)


class Database:
    """The one server, where the nemesis expects a cluster."""

    ttl = 3
    # A loss that the server has decided on is known when its news arrive, not at a deadline.
    margin = 0.25

    def __init__(self, scratch):
        self.nodes = [Server(servers.Machine(14), scratch)]

    @property
    def server(self):
        return self.nodes[0]

    @property
    def url(self):
        return self.server.url

    def start(self):
        self.server.create()
        self.server.start()
        self.wait_healthy()
        connection = Connection(self.server.machine.address, "nemesis", 30, "postgres")
        connection.ask(f"CREATE DATABASE {DATABASE}")
        connection.close()

    def wait_healthy(self):
        servers.wait_until(self.server.is_healthy, 60, "the server is healthy")

    def leftovers(self):
        return self.server.leftovers()
