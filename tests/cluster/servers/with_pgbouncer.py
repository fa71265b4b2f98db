#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Runs a command with a PgBouncer of its own, in front of the PostgreSQL of with_postgresql.py.

usage: with_pgbouncer.py COMMAND [ARGUMENT...]

The pooler listens on a free port of the loopback interface, its files are in a temporary folder, and
both are gone when the command has ended. It has a database for each of its pool modes, of the same
name: the command finds the URL up to that name in COROLOCK_PGBOUNCER. The exit status is the
command's. Needs PgBouncer (Debian: pgbouncer); as root it runs as the user postgres, because it
refuses root.
"""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse

MODES = ("session", "transaction", "statement")


def fail(message):
    sys.exit(f"with_pgbouncer.py: {message}")


def program():
    found = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
    if found is None:
        fail("there is no PgBouncer here; on Debian: apt-get install pgbouncer")
    return found


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def settings(port, server):
    database = f"host={server.hostname} port={server.port} dbname={server.path[1:]}"
    modes = "\n".join(f"{mode} = {database} user={server.username} pool_mode={mode}"
                      for mode in MODES)
    return f"""[databases]
{modes}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
default_pool_size = 10
server_login_retry = 1
"""


def start(folder, port, server):
    """The process of a pooler that listens."""
    file_name, log_name = os.path.join(folder, "ini"), os.path.join(folder, "log")
    with open(file_name, "w", encoding="utf-8") as file:
        file.write(settings(port, server))
    as_user = {}
    if os.geteuid() == 0:
        try:
            account = pwd.getpwnam("postgres")
        except KeyError:
            fail("root may not run PgBouncer, and there is no user postgres to run it as")
        as_user = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        os.chown(folder, account.pw_uid, account.pw_gid)
        os.chown(file_name, account.pw_uid, account.pw_gid)
    with open(log_name, "wb") as log:
        process = subprocess.Popen([program(), file_name], cwd=folder, stdin=subprocess.DEVNULL,
                                   stdout=log, stderr=log, **as_user)
    limit = time.monotonic() + 60
    while not listens(port):
        if process.poll() is not None or time.monotonic() > limit:
            process.kill()
            with open(log_name, encoding="utf-8", errors="replace") as text:
                fail(f"the pooler did not start:\n{text.read()}")
        time.sleep(0.05)
    return process


def main(command):
    if not command or command[0] in ("-h", "--help"):
        print(__doc__.strip())
        return 0 if command else 2
    server = urllib.parse.urlsplit(os.environ.get("COROLOCK_POSTGRESQL", ""))
    if not server.port:
        fail("COROLOCK_POSTGRESQL names no server; run this by with_postgresql.py")
    folder = tempfile.mkdtemp(prefix="with_pgbouncer.")
    pooler = child = None

    def end(signal_number, _):
        if child is not None and child.poll() is None:
            child.send_signal(signal_number)  # its end is ours
        else:
            sys.exit(128 + signal_number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    try:
        port = free_port()
        pooler = start(folder, port, server)
        environment = dict(os.environ,
                           COROLOCK_PGBOUNCER=f"postgresql://{server.username}@127.0.0.1:{port}")
        child = subprocess.Popen(command, env=environment)
        status = child.wait()
        return status if status >= 0 else 128 - status
    finally:
        if pooler is not None:
            pooler.terminate()
            pooler.wait()
        shutil.rmtree(folder)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
