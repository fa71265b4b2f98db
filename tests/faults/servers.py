# SPDX-License-Identifier: BSL-1.0
# Copyright (c) 2026 the corolock developers
"""Machines on one machine: a private network namespace, an address for each, and what runs there.

Every machine has a user id of its own. A rule for that id gives whatever it sends the address of
the machine, so that packets can be dropped by who sends them to whom.
"""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass

from gateway import Gateway, Unanswered

TOOLS = ("unshare", "ip", "nft", "etcd")
UNSHARE = ("unshare", "--net", "--pid", "--fork", "--mount-proc", "--kill-child")
OUTSIDE = "COROLOCK_FAULTS_OUTSIDE"  # the machine's network, so that it is never taken for ours
FIRST_USER = 61000  # above what Debian gives to people, below what it gives to services
RESOURCE_ADDRESS = ("127.0.0.10", 7000)
CLIENT_PORT, PEER_PORT = 2379, 2380


class Impossible(Exception):
    """The harness cannot do what it is for: nothing was learned about the lock."""


class NotAllowed(Exception):
    """This user, or this machine, may make no network namespace."""


def run(*command, text=None):
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Impossible(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


def wait_until(condition, seconds, what):
    """The first true value of the condition; Impossible when it takes longer than that."""
    limit = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > limit:
            raise Impossible(f"after {seconds} s still not: {what}")
        time.sleep(0.02)
    return value


def demand_namespace():
    """Says why none can be had here."""
    if os.geteuid() != 0:
        raise NotAllowed("a network namespace with users of its own needs root: try sudo")
    missing = [each for each in TOOLS if shutil.which(each) is None]
    if missing:
        raise Impossible(f"not found: {', '.join(missing)}; `./dev setup` installs them")
    probe = subprocess.run([*UNSHARE, "true"], capture_output=True, text=True, check=False)
    if probe.returncode:
        raise NotAllowed(f"no private namespace may be made here: {probe.stderr.strip()}")


def in_namespace(command):
    """The exit code of the command in a namespace of its own, where it is process 1: all that it
    starts ends with it, and it ends with this process."""
    outside = os.readlink("/proc/self/ns/net")
    environment = {**os.environ, OUTSIDE: outside}
    whole = ["setpriv", "--pdeathsig", "KILL", *UNSHARE, *command]
    return subprocess.run(whole, env=environment, check=False).returncode


def set_up_network():
    if os.environ.get(OUTSIDE) in (None, os.readlink("/proc/self/ns/net")):
        raise Impossible("this is the network of the machine")
    run("ip", "link", "set", "lo", "up")
    # The rule for local addresses comes first, and would hide those of the users.
    run("ip", "rule", "add", "pref", "100", "lookup", "local")
    run("ip", "rule", "del", "pref", "0")
    rules = "add table inet faults; add chain inet faults input { type filter hook input priority 0; }"
    run("nft", "-f", "-", text=rules)


@dataclass(frozen=True)
class Machine:
    """An address, and the user whose packets come from it."""

    number: int  # the last byte of the address

    @property
    def address(self):
        return f"127.0.0.{self.number}"

    @property
    def user(self):
        return FIRST_USER + self.number

    def set_up(self):
        table = str(1000 + self.number)
        run("ip", "route", "add", "local", "127.0.0.0/8", "dev", "lo", "src", self.address,
            "table", table)  # fmt: skip
        run("ip", "rule", "add", "pref", "50", "uidrange", f"{self.user}-{self.user}",
            "lookup", table)  # fmt: skip

    def start(self, command, *, stdout, stderr):
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr,
                                user=self.user, group=self.user, extra_groups=[], cwd="/")  # fmt: skip


def state_of(pid):
    """As in ps: T is stopped."""
    text = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    return text.rpartition(")")[2].split()[0]


def pause(process, what):
    process.send_signal(signal.SIGSTOP)
    wait_until(lambda: state_of(process.pid) == "T", 10, f"{what} is stopped")


def resume(process, what):
    process.send_signal(signal.SIGCONT)
    wait_until(lambda: state_of(process.pid) != "T", 10, f"{what} runs on")


def kill(process, what):
    process.kill()
    if process.wait(timeout=30) != -signal.SIGKILL:
        raise Impossible(f"{what} had ended before it was killed: {process.returncode}")


class Node:
    """An etcd of three."""

    def __init__(self, index, scratch):
        self.name = f"node{index}"
        self.machine = Machine(10 + index)
        self.directory = scratch / self.name
        self.process = None
        # One short attempt: who asks, asks again.
        self.gateway = Gateway([(self.machine.address, CLIENT_PORT)], timeout=1)

    def url(self, port):
        return f"http://{self.machine.address}:{port}"

    def start(self, all_nodes):
        if not self.directory.exists():
            self.directory.mkdir()
            os.chown(self.directory, self.machine.user, self.machine.user)
        peers = ",".join(f"{each.name}={each.url(PEER_PORT)}" for each in all_nodes)
        command = [
            "etcd", "--name", self.name, "--data-dir", str(self.directory / "data"),
            "--listen-client-urls", self.url(CLIENT_PORT),
            "--advertise-client-urls", self.url(CLIENT_PORT),
            "--listen-peer-urls", self.url(PEER_PORT),
            "--initial-advertise-peer-urls", self.url(PEER_PORT),
            "--initial-cluster", peers, "--initial-cluster-state", "new",
        ]  # fmt: skip
        with open(self.directory.with_suffix(".log"), "ab") as log:
            self.process = self.machine.start(command, stdout=log, stderr=log)

    def status(self):
        """(its own id, its leader's), None if it does not answer or has no leader."""
        try:
            reply = self.gateway.call("/v3/maintenance/status", {})
        except Unanswered:
            return None
        if "leader" not in reply or reply["leader"] == "0":
            return None
        return reply["header"]["member_id"], reply["leader"]

    def is_healthy(self):
        """Whether it can ask a majority."""
        try:
            self.gateway.keys("health")
        except Unanswered:
            return False
        return True


class Cluster:
    ttl = 2
    # In seconds, within which a loss must be known.
    margin = 0.1

    def __init__(self, scratch):
        self.nodes = [Node(index, scratch) for index in (1, 2, 3)]

    @property
    def url(self):
        return "etcd://" + ",".join(f"{each.machine.address}:{CLIENT_PORT}" for each in self.nodes)

    def start(self):
        for each in self.nodes:
            each.start(self.nodes)
        self.wait_healthy()

    def wait_healthy(self):
        for each in self.nodes:
            wait_until(each.is_healthy, 60, f"{each.name} is healthy")

    def leader(self):
        """The node that all others that answer follow; None in an election."""
        states = {each: state for each in self.nodes if (state := each.status())}
        leaders = {leader for _, leader in states.values()}
        found = [each for each, (own, _) in states.items() if {own} == leaders]
        return found[0] if found else None

    def leader_among(self, nodes):
        """The id of the leader that these agree on; None if they do not."""
        states = [each.status() for each in nodes]
        leaders = {state[1] for state in states if state}
        return leaders.pop() if all(states) and len(leaders) == 1 else None

    def leftovers(self):
        """Keys and leases, by count; None when it does not answer."""
        gateway = self.nodes[0].gateway
        try:
            keys = gateway.call("/v3/kv/range", {"key": "AA==", "range_end": "AA=="})
            leases = gateway.call("/v3/lease/leases", {})
        except Unanswered:
            return None
        return {"keys": len(keys.get("kvs", [])), "leases": len(leases.get("leases", []))}


class Partition:
    """Drops what is sent from some addresses to others, one way, until it is ended."""

    def __init__(self, pairs):
        self.pairs = pairs

    def begin(self):
        run("nft", "-f", "-", text="\n".join(
            f"add rule inet faults input ip saddr {sender} ip daddr {receiver} counter drop"
            for sender, receiver in self.pairs))  # fmt: skip

    def rules(self):
        """(handle, how many were dropped) of each of its rules."""
        listed = json.loads(run("nft", "-j", "list", "chain", "inet", "faults", "input"))["nftables"]
        for each in (entry["rule"] for entry in listed if "rule" in entry):
            sender, receiver = (e["match"]["right"] for e in each["expr"] if "match" in e)
            if (sender, receiver) in self.pairs:
                counters = [e["counter"]["packets"] for e in each["expr"] if "counter" in e]
                yield each["handle"], sum(counters)

    def dropped(self):
        return sum(packets for _, packets in self.rules())

    def end(self):
        run("nft", "-f", "-", text="\n".join(
            f"delete rule inet faults input handle {handle}" for handle, _ in self.rules()))  # fmt: skip
