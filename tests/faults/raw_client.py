#!/usr/bin/python3
# SPDX-License-Identifier: BSL-1.0
# Copyright (c) 2026 the corolock developers
"""A lock client on etcd's gateway with one flaw, to see whether the checker notices.

Without a flaw it follows the recipe of the library with a poll in place of the watch, so that a run
without findings says that the harness itself breaks no rule. Its history goes to stdout.
"""

import argparse
import json
import os
import queue
import random
import signal
import socket
import sys
import threading
import time

from gateway import Gateway, Unanswered, encoded

FLAWS = {
    "none": "as it should be",
    "lock-rpc": "the server's own Lock RPC, and the revision that it answers with as token",
    "no-own-key": "a waiter does not look whether its own key is there still",
    "release-by-key": "the same key each time, deleted without a look at its revision",
    "late-deadline": "the deadline counts from the receipt of the reply, without a margin",
    "header-revision": "the token is the revision in the reply's header",
    "no-self-check": "the holder never looks at its deadline",
}
# These take any session of the process for that of the lock.
ANY_SESSION = ("lock-rpc", "no-own-key")
# The recipe never uses a key twice, so it need not wait for the release.
WAITS_FOR_RELEASE = ("lock-rpc", "release-by-key")
TTL, MARGIN, POLL = 2.0, 0.2, 0.02
# For these flaws to show, a reply that comes late is taken, or one that is lost is soon given up.
TIMEOUTS = {"late-deadline": 3.0, "release-by-key": 0.3, "header-revision": 0.3}
TIMEOUT, LOCK_TIMEOUT = 0.7, 60.0
RETRY = 1.5  # until a release is sent again


class Session:
    def __init__(self, gateway):
        sent = time.monotonic()
        self.lease = gateway.call("/v3/lease/grant", {"TTL": int(TTL)})["ID"]
        self.deadline = sent + TTL - MARGIN
        self.is_lost = False
        # A put that nobody answered may be carried out long after: such a session is given up.
        self.is_doubtful = False

    def is_alive(self):
        return not self.is_lost and time.monotonic() < self.deadline


class Grant:
    def __init__(self, number, session, key, token):
        self.number = number
        self.session = session
        self.key = key
        self.token = token


class Worker:
    """What a client does with its lock, and how it writes that down."""

    def __init__(self, arguments):
        self.process = arguments.process
        self.name = arguments.name
        self.hold = arguments.hold
        self.flaw = arguments.flaw
        self.random = random.Random(f"{arguments.seed} {arguments.process}")
        self.stopping = threading.Event()
        self.numbers = 0
        self.writes = 0
        self.resource = socket.create_connection(tuple(arguments.resource.split(":")))
        self.resource_lines = self.resource.makefile("r", encoding="utf-8")

    def record(self, op, t_invoke, result, **more):
        line = {"process": self.process, "op": op, "name": self.name, "t_invoke": t_invoke}
        line |= {"t_complete": time.monotonic_ns(), "result": result, **more}
        os.write(sys.stdout.fileno(), json.dumps(line).encode() + b"\n")

    def record_of(self, grant, op, t_invoke, result, **more):
        self.record(op, t_invoke, result, grant=grant.number, token=[grant.token, 0], **more)

    def ask(self, grant, op, **more):
        request = {"process": self.process, "grant": grant.number, "name": self.name, "op": op}
        request |= {"token": [grant.token, 0], **more}
        self.resource.sendall(json.dumps(request).encode() + b"\n")
        return json.loads(self.resource_lines.readline())

    def write(self, grant):
        """One update under the token; False when the lock is gone."""
        t_invoke = time.monotonic_ns()
        known = {}
        if held := self.is_held(grant):
            # Who is rejected tells until when it believed in its lock.
            known = self.deadline(grant)
            answer = self.ask(grant, "read")
            held = answer["accepted"]
        if held:
            t_invoke = time.monotonic_ns()
            known = {}
            held = self.is_held(grant)
        if not held:
            self.record_of(grant, "lost", t_invoke, "ok", **known)
            return False
        self.writes += 1
        deadline = self.deadline(grant)
        answer = self.ask(grant, "write", id=self.writes, value=answer["value"] + 1)
        result = "ok" if answer["accepted"] else "fail"
        self.record_of(grant, "write", t_invoke, result, id=self.writes, **deadline)
        return answer["accepted"]

    def work(self, grant):
        for _ in range(self.random.randint(1, 4)):
            if not self.write(grant):
                return
            self.stopping.wait(self.random.uniform(0, self.hold))


class Client(Worker):
    def __init__(self, arguments):
        super().__init__(arguments)
        addresses = arguments.url.removeprefix("etcd://").split(",")
        self.endpoints = [tuple(each.split(":")) for each in addresses]
        self.random.shuffle(self.endpoints)
        self.done = threading.Event()  # the main loop has ended
        self.session = None
        self.places = 0
        self.gateway = self.new_gateway()
        self.releases = queue.Queue()

    def new_gateway(self):
        return Gateway(self.endpoints, TIMEOUTS.get(self.flaw, TIMEOUT))

    # ------------------------------------------------------------------------------- the session

    def keep_alive(self):
        gateway = self.new_gateway()
        while not self.done.wait(TTL / 3 if self.session and not self.session.is_lost else POLL):
            try:
                if self.session is None or self.session.is_lost:
                    self.session = Session(gateway)
                else:
                    self.renew(gateway, self.session)
            except Unanswered:
                pass
            if self.session is not None and not self.session.is_alive():
                self.session.is_lost = True

    def renew(self, gateway, session):
        sent = time.monotonic()
        reply = gateway.call("/v3/lease/keepalive", {"ID": session.lease})
        if "TTL" not in reply["result"]:
            session.is_lost = True
        elif self.flaw == "late-deadline":
            session.deadline = time.monotonic() + TTL
        elif session.is_alive():
            session.deadline = sent + TTL - MARGIN

    def is_held(self, grant):
        if self.flaw == "no-self-check":
            return True
        if self.flaw in ANY_SESSION:
            return self.session.is_alive()
        return grant.session.is_alive()

    def deadline(self, grant):
        if self.flaw == "no-self-check":
            return {}
        session = self.session if self.flaw in ANY_SESSION else grant.session
        return {"deadline": int(session.deadline * 1e9)}

    # ---------------------------------------------------------------------------------- the lock

    def acquire(self, session):
        """A grant, or None."""
        t_invoke = time.monotonic_ns()
        found = self.lock_rpc(session) if self.flaw == "lock-rpc" else self.wait_turn(session)
        if found is None:
            self.record("acquire", t_invoke, "info")
            return None
        self.numbers += 1
        grant = Grant(self.numbers, session, *found)
        self.record_of(grant, "acquire", t_invoke, "ok", **self.deadline(grant))
        return grant

    def lock_rpc(self, session):
        body = {"name": encoded(self.name), "lease": session.lease}
        try:
            reply = self.gateway.call("/v3/lock/lock", body, timeout=LOCK_TIMEOUT)
        except Unanswered:
            return None
        return reply["key"], int(reply["header"]["revision"])

    def wait_turn(self, session):
        place = 0 if self.flaw == "release-by-key" else self.places
        self.places += 1
        prefix = f"corolock/{self.name}/"
        key = encoded(f"{prefix}{session.lease}/{place}")
        entered = self.enter(session, key)
        if entered is None or not self.is_first(session, prefix, key, entered[0]):
            self.releases.put((session, key, entered and entered[0]))
            return None
        return key, entered[1]

    def enter(self, session, key):
        """(our place in the queue, the token)."""
        question = {
            "compare": [{"key": key, "target": "CREATE", "create_revision": "0"}],
            "success": [{"request_put": {"key": key, "lease": session.lease}}],
            "failure": [{"request_range": {"key": key}}],
        }
        while session.is_alive() and not self.stopping.is_set():
            try:
                reply = self.gateway.call("/v3/kv/txn", question)
            except Unanswered:
                session.is_doubtful = True
                self.stopping.wait(POLL)
                continue
            revision = created = int(reply["header"]["revision"])
            if not reply.get("succeeded"):
                created = int(reply["responses"][0]["response_range"]["kvs"][0]["create_revision"])
            return created, revision if self.flaw == "header-revision" else created
        return None

    def is_first(self, session, prefix, key, place):
        while not self.stopping.is_set():
            if not session.is_alive() and self.flaw not in ANY_SESSION:
                return False
            try:
                waiting = self.gateway.keys(prefix, keys_only=True).get("kvs", [])
            except Unanswered:
                waiting = None
            if waiting is not None:
                own = any(each["key"] == key for each in waiting)
                if not own and self.flaw != "no-own-key":
                    return False
                if all(int(each["create_revision"]) >= place for each in waiting):
                    return True
            self.stopping.wait(POLL)
        return False

    def release_once(self, gateway, session, key, place):
        """Whether it was ours until now."""
        deletion = {"request_delete_range": {"key": key}}
        if self.flaw in WAITS_FOR_RELEASE or place is None:
            question = {"success": [deletion]}
        else:
            compare = {"key": key, "target": "CREATE", "create_revision": str(place)}
            question = {"compare": [compare], "success": [deletion]}
        return bool(gateway.call("/v3/kv/txn", question).get("succeeded"))

    def release(self, grant):
        if self.flaw not in WAITS_FOR_RELEASE:
            # The place in the queue may be asked for by the key, which was used once only.
            self.releases.put((grant.session, grant.key, None))
            self.record_of(grant, "release", time.monotonic_ns(), "info")
            return
        t_invoke = time.monotonic_ns()
        try:
            self.release_once(self.gateway, grant.session, grant.key, None)
        except Unanswered:
            self.record_of(grant, "release", t_invoke, "info")
            self.releases.put((grant.session, grant.key, None))
            return
        self.record_of(grant, "release", t_invoke, "ok")

    def release_in_background(self):
        gateway = self.new_gateway()
        while (item := self.releases.get()) is not None:
            session, key, place = item
            if self.flaw in WAITS_FOR_RELEASE:
                self.done.wait(RETRY)  # it was sent once
            # A lost session's keys go with its lease.
            while not session.is_lost:
                try:
                    self.release_once(gateway, session, key, place)
                    break
                except Unanswered:
                    self.done.wait(TIMEOUT)

    # ---------------------------------------------------------------------------------- the work

    def run(self):
        threads = [threading.Thread(target=each)
                   for each in (self.keep_alive, self.release_in_background)]  # fmt: skip
        for each in threads:
            each.start()
        while not self.stopping.is_set():
            session = self.session
            if session is None or session.is_lost:
                self.stopping.wait(POLL)
                continue
            grant = self.acquire(session)
            if grant is None:
                self.stopping.wait(POLL)
            else:
                self.work(grant)
                self.release(grant)
            if session.is_doubtful:
                session.is_lost = True
        self.releases.put(None)
        threads[1].join()
        self.done.set()
        threads[0].join()
        if self.session is not None and not self.session.is_lost:
            try:
                self.gateway.call("/v3/lease/revoke", {"ID": self.session.lease})
            except Unanswered:
                pass  # it runs out by itself


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--flaw", choices=FLAWS, default="none")
    parser.add_argument("--hold", type=float, required=True, help="seconds between two writes")
    parser.add_argument("--seed", required=True)
    parser.add_argument("--name", required=True, help="of the lock")
    parser.add_argument("--process", required=True)
    parser.add_argument("--resource", required=True)
    parser.add_argument("--ttl", help="ignored: it is this client's own")
    parser.add_argument("url")
    client = Client(parser.parse_args())
    signal.signal(signal.SIGTERM, lambda *_: client.stopping.set())
    client.run()


if __name__ == "__main__":
    sys.exit(main())
