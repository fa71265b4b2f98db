#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Runs a command with an etcd server of its own.

usage: with_etcd.py COMMAND [ARGUMENT...]

The server listens on free ports of the loopback interface, its files are in a temporary folder, and
both are gone when the command has ended. The command finds the server's URL in COROLOCK_ETCD, and
its process id in COROLOCK_ETCD_PID. The exit status is the command's. Needs etcd (Debian:
etcd-server).
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request


def free_ports(count):
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def is_healthy(port):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1) as answer:
            return b"true" in answer.read()
    except (urllib.error.URLError, OSError):
        return False


def start(folder, port, peer_port):
    """The process of a server that answers."""
    client, peer = (f"http://127.0.0.1:{each}" for each in (port, peer_port))
    log_name = os.path.join(folder, "log")
    with open(log_name, "wb") as log:
        process = subprocess.Popen(
            ["etcd", "--name", "one", "--data-dir", os.path.join(folder, "data"),
             "--listen-client-urls", client, "--advertise-client-urls", client,
             "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
             "--initial-cluster", f"one={peer}"],
            cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    limit = time.monotonic() + 60
    while not is_healthy(port):
        if process.poll() is not None or time.monotonic() > limit:
            process.kill()
            with open(log_name, encoding="utf-8", errors="replace") as text:
                sys.exit(f"with_etcd.py: the server did not start:\n{text.read()}")
        time.sleep(0.05)
    return process


def main(command):
    if not command or command[0] in ("-h", "--help"):
        print(__doc__.strip())
        return 0 if command else 2
    if shutil.which("etcd") is None:
        sys.exit("with_etcd.py: there is no etcd here; on Debian: apt-get install etcd-server")
    folder = tempfile.mkdtemp(prefix="with_etcd.")
    server = child = None

    def end(signal_number, _):
        if child is not None and child.poll() is None:
            child.send_signal(signal_number)  # its end is ours
        else:
            sys.exit(128 + signal_number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    try:
        port, peer_port = free_ports(2)
        server = start(folder, port, peer_port)
        environment = dict(os.environ, COROLOCK_ETCD=f"etcd://127.0.0.1:{port}",
                           COROLOCK_ETCD_PID=str(server.pid))
        child = subprocess.Popen(command, env=environment)
        status = child.wait()
        return status if status >= 0 else 128 - status
    finally:
        if server is not None:
            server.terminate()
            server.wait()
        shutil.rmtree(folder)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
