#!/usr/bin/python3
# SPDX-License-Identifier: BSL-1.0
# Copyright (c) 2026 the corolock developers
"""A lock client on PostgreSQL with one flaw, to see whether the checker notices.

It waits with a lock_timeout. PostgreSQL may have granted the lock all the same when it says that the
time has passed (SQLSTATE 55P03): who does not give it back then keeps it from everybody else. Its
history goes to stdout.
"""

import argparse
import signal
import sys
import time

import postgresql
from raw_client import Worker

FLAWS = {
    "none": "the lock is given back after a wait that has failed",
    "no-unlock-after-timeout": "it is not",
}
KEY = 42
LOCK_NOT_AVAILABLE = "55P03"
# Without the flaw for so many seconds, in which all get the lock once.
GOOD_BEHAVIOUR = 4


class Grant:
    def __init__(self, number, token):
        self.number = number
        self.token = token


class Client(Worker):
    def __init__(self, arguments):
        super().__init__(arguments)
        self.address = arguments.url.split("@")[1].split(":")[0]
        self.began = time.monotonic()
        self.server = None

    def is_held(self, grant):
        return True

    def deadline(self, grant):
        return {}

    def connect(self):
        self.server = postgresql.Connection(self.address, "corolock")
        try:
            self.server.ask("CREATE SEQUENCE IF NOT EXISTS raw_tokens CACHE 1")
        except postgresql.Refused:
            pass  # another one creates it at the same time

    def acquire(self):
        """A grant, or None."""
        t_invoke = time.monotonic_ns()
        try:
            self.server.ask(f"SET lock_timeout = {self.random.randint(1, 4)}")
            rows = self.server.ask(f"SELECT pg_advisory_lock({KEY}), nextval('raw_tokens')")
        except postgresql.Refused as error:
            self.record("acquire", t_invoke, "fail")
            if error.state != LOCK_NOT_AVAILABLE:
                raise
            is_flawed = time.monotonic() - self.began > GOOD_BEHAVIOUR
            if self.flaw != "no-unlock-after-timeout" or not is_flawed:
                self.server.ask(f"SELECT pg_advisory_unlock({KEY})")
            return None
        self.numbers += 1
        grant = Grant(self.numbers, int(rows[0][1]))
        self.record_of(grant, "acquire", t_invoke, "ok")
        return grant

    def release(self, grant):
        t_invoke = time.monotonic_ns()
        self.server.ask(f"SELECT pg_advisory_unlock({KEY})")
        self.record_of(grant, "release", t_invoke, "ok")

    def run(self):
        while not self.stopping.is_set():
            if self.server is None:
                self.connect()
            if (grant := self.acquire()) is not None:
                self.work(grant)
                self.release(grant)
        self.server.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--flaw", choices=FLAWS, default="none")
    parser.add_argument("--hold", type=float, required=True, help="seconds between two writes")
    parser.add_argument("--seed", required=True)
    parser.add_argument("--name", required=True, help="of the lock")
    parser.add_argument("--process", required=True)
    parser.add_argument("--resource", required=True)
    parser.add_argument("--ttl", help="ignored: the lock is the connection's")
    parser.add_argument("url")
    client = Client(parser.parse_args())
    signal.signal(signal.SIGTERM, lambda *_: client.stopping.set())
    client.run()


if __name__ == "__main__":
    sys.exit(main())
