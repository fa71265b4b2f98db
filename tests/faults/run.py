#!/usr/bin/python3
# SPDX-License-Identifier: BSL-1.0
# Copyright (c) 2026 the corolock developers
"""Runs the clients of a lock on etcd or PostgreSQL, injects faults, and has the checker judge.

Every seed has a network namespace of its own, with all that runs in it; when it ends, so do they.
The histories of a run are in the directory that its first line names.
"""

import argparse
import dataclasses
import json
import pathlib
import random
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import checker
import nemesis
import postgresql
import servers

HERE = pathlib.Path(__file__).resolve().parent
OUTPUT = HERE.parent.parent / "build" / "faults"
CLIENTS = 5
# A new leader begins every lease anew, and the clocks of etcd's leases tick every half second;
# the rest is for a machine with other work.
SLACK = 20
# How one seed says that there were findings: no exit code of Python's own.
FOUND = 10
# The exit code where this machine or user lets no namespace be made: ctest counts it as skipped.
NOT_ALLOWED = 77
# How long anything may take that only a machine with too much work delays.
PATIENCE = 60


@dataclasses.dataclass(frozen=True)
class Control:
    """A lock or a resource that is wrong: a right checker finds one of these rules broken."""

    rules: tuple[str, ...]
    faults: tuple[str, ...]
    hold: float
    flaw: str = "none"  # of the raw client
    ignore_tokens: bool = False
    engine: str = "etcd"


CONTROLS = {
    "lock-rpc": Control(
        ("tokens", "belief"), ("pause-client", "cut-client"), hold=0.5, flaw="lock-rpc"
    ),
    "no-own-key": Control(
        ("tokens", "belief"), ("pause-client", "cut-client"), hold=0.5, flaw="no-own-key"
    ),
    "release-by-key": Control(
        ("tokens", "belief"), ("lose-replies-of-owner",), hold=0.3, flaw="release-by-key"
    ),
    "late-deadline": Control(
        ("belief",), ("delay-replies-of-owner",), hold=3, flaw="late-deadline"
    ),
    "header-revision": Control(
        ("tokens", "progress"), ("lose-replies-of-owner",), hold=0.05, flaw="header-revision"
    ),
    "no-self-check": Control(
        ("belief", "honesty"), ("pause-owner", "cut-client"), hold=0.5, flaw="no-self-check"
    ),
    "ignored-tokens": Control(
        ("resource",), ("pause-owner",), hold=0.5, flaw="no-self-check", ignore_tokens=True
    ),
    "no-unlock-after-timeout": Control(
        ("progress", "leftovers"), ("pause-client",), hold=0.003, flaw="no-unlock-after-timeout",
        engine="postgresql",
    ),
}  # fmt: skip
RAW = {
    "etcd": Control((), nemesis.ALL, hold=0.1),
    "postgresql": Control((), nemesis.ALL_OF_POSTGRESQL, hold=0.1, engine="postgresql"),
}
# What the raw client on PostgreSQL survives: it connects once.
RAW_ON_POSTGRESQL = Control(
    (), ("pause-client", "kill-client"), hold=0.003, engine="postgresql"
)  # fmt: skip
ENGINES = {"etcd": servers.Cluster, "postgresql": postgresql.Database}


class Client:
    """A process of clients; who is killed comes back under another name."""

    def __init__(self, index):
        self.machine = servers.Machine(20 + index)
        self.generation = 0
        self.process = None

    @property
    def name(self):
        first = f"c{self.machine.number - 20}"
        return first if self.generation == 1 else f"{first}.{self.generation}"


class Harness:
    def __init__(self, seed, seconds, output, control, program):
        self.seed = seed
        self.seconds = seconds
        self.output = output
        self.control = control
        # Other users can read it, wherever the sources are.
        self.scratch = pathlib.Path(tempfile.mkdtemp(prefix="corolock-faults-"))
        self.scratch.chmod(0o755)
        self.program = self.copy(program)
        self.cluster = ENGINES[control.engine](self.scratch)
        self.bound = 2 * self.cluster.ttl + SLACK
        self.clients = [Client(1 + index) for index in range(CLIENTS)]
        self.began = time.monotonic()
        self.last_fault = 0
        self.is_stuck = False

    def copy(self, program):
        if program is not None:
            return [shutil.copy(program, self.scratch / "client")]
        for each in HERE.glob("*.py"):
            shutil.copy(each, self.scratch)
        raw = {"etcd": "raw_client.py", "postgresql": "raw_postgresql.py"}[self.control.engine]
        return [sys.executable, "-B", str(self.scratch / raw), "--flaw", self.control.flaw]

    def say(self, text):
        with open(self.output / "nemesis.log", "a", encoding="utf-8") as log:
            log.write(f"{time.monotonic() - self.began:7.2f} {text}\n")

    def write(self, file, values):
        with open(self.output / file, "a", encoding="utf-8") as lines:
            lines.write(json.dumps(values) + "\n")

    def record_fault(self, fault, target, begin, end):
        self.write("faults.jsonl", {"fault": fault, "target": target, "t_begin": begin, "t_end": end})
        self.last_fault = max(self.last_fault, end)

    # --------------------------------------------------------------------------------- processes

    def start_resource(self):
        address, port = servers.RESOURCE_ADDRESS
        ignore = ["--ignore-tokens"] if self.control.ignore_tokens else []
        command = [sys.executable, "-B", str(HERE / "resource.py"), *ignore, address, str(port)]
        command += [str(self.output / each) for each in ("resource.jsonl", "unfenced.jsonl")]
        resource = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        if resource.stdout.readline() != b"ready\n":
            raise servers.Impossible("the resource does not start")

    def start_client(self, client):
        client.generation += 1
        command = [
            *self.program, "--seed", str(self.seed), "--process", client.name, "--name", "a",
            "--hold", str(self.control.hold),
            "--resource", ":".join(map(str, servers.RESOURCE_ADDRESS)),
            "--ttl", str(self.cluster.ttl), self.cluster.url,
        ]  # fmt: skip
        history = self.output / f"client-{client.name}.jsonl"
        with open(history, "ab") as lines, open(self.output / "clients.log", "ab") as log:
            client.process = client.machine.start(command, stdout=lines, stderr=log)

    def replace(self, client):
        self.start_client(client)

    def has_grant_since(self, client, since):
        """Whether it was granted the lock after that time."""
        if client.process.poll() is not None:
            raise servers.Impossible(f"{client.name} ended by itself: see clients.log")
        history = self.output / f"client-{client.name}.jsonl"
        # Complete lines from the last on, for the last grant is the newest.
        for line in reversed(history.read_text(encoding="utf-8").split("\n")[:-1]):
            values = json.loads(line)
            if values["op"] == "acquire" and values["result"] == "ok":
                return values["t_complete"] >= since
        return False

    def next_owner(self):
        """The client whose attempt at the resource is the newest, once there is another one."""
        log = self.output / "resource.jsonl"
        before = log.stat().st_size
        servers.wait_until(lambda: log.stat().st_size > before, PATIENCE, "an attempt")
        last = json.loads(log.read_text(encoding="utf-8").splitlines()[-1])
        found = [each for each in self.clients if each.name == last["process"]]
        return found[0] if found else None

    def all_have_grants_since(self, since):
        return all(self.has_grant_since(each, since) for each in self.clients)

    def stop_clients(self):
        for each in self.clients:
            each.process.send_signal(signal.SIGTERM)
        for each in self.clients:
            try:
                code = each.process.wait(timeout=5 if self.is_stuck else PATIENCE)
            except subprocess.TimeoutExpired as error:
                if self.is_stuck:  # as it waits for what it does not get: the checker will tell
                    each.process.kill()
                    continue
                raise servers.Impossible(f"{each.name} does not end when it is asked to") from error
            if code:
                raise servers.Impossible(f"{each.name} ended with {code}: see clients.log")

    # -------------------------------------------------------------------------------- a whole run

    def run(self):
        """The findings."""
        for each in (*self.cluster.nodes, *self.clients):
            each.machine.set_up()
        (self.output / "faults.jsonl").touch()
        self.cluster.start()
        self.start_resource()
        for each in self.clients:
            self.start_client(each)
        servers.wait_until(lambda: self.all_have_grants_since(0), PATIENCE, "all have had the lock")
        chance = random.Random(self.seed)
        nemesis.Nemesis(self, chance, self.control.faults).run(self.seconds)
        self.cluster.wait_healthy()
        self.settle()
        self.stop_clients()
        leftovers = self.leftovers()
        self.write("end.jsonl", {
            "live": [each.name for each in self.clients], "bound": int(self.bound * 1e9),
            "margin": int(self.cluster.margin * 1e9), "fifo": True, "leftovers": leftovers,
        })  # fmt: skip
        run = checker.read(self.output)
        return run, checker.check(run)

    def settle(self):
        """Until all have had the lock again, or so long that the checker will complain."""
        try:
            since = self.last_fault
            servers.wait_until(lambda: self.all_have_grants_since(since), self.bound + 1, "progress")
        except servers.Impossible as error:
            self.is_stuck = True
            self.say(str(error))

    def leftovers(self):
        """What is there when the leases of the killed have had the time to run out."""
        try:
            servers.wait_until(self.is_nothing_left, self.bound, "nothing is left")
        except servers.Impossible as error:
            self.say(str(error))
        return servers.wait_until(self.cluster.leftovers, PATIENCE, "the engine answers")

    def is_nothing_left(self):
        counts = self.cluster.leftovers()
        return counts is not None and not any(counts.values())

    def clean_up(self):
        # What ran here ends with process 1; it writes into the directory until then.
        for each in (*self.cluster.nodes, *self.clients):
            if each.process is not None and each.process.poll() is None:
                each.process.kill()
                each.process.wait()
        shutil.rmtree(self.scratch)


def old_owners(output):
    """How often a resource without a check would have let an older owner in after a newer one."""
    newest, count = {}, 0
    for line in (output / "unfenced.jsonl").read_text(encoding="utf-8").splitlines():
        values = json.loads(line)
        count += values["token"] < newest.get(values["name"], [0, 0])
        newest[values["name"]] = max(values["token"], newest.get(values["name"], [0, 0]))
    return count


def run_inside(arguments):
    """One seed, in its namespace: 0, or FOUND with the expected findings, or any."""
    servers.set_up_network()
    output = pathlib.Path(arguments.output)
    control = CONTROLS[arguments.control] if arguments.control else RAW[arguments.engine]
    if control is RAW["postgresql"] and not arguments.client:
        control = RAW_ON_POSTGRESQL
    if arguments.hold is not None:
        control = dataclasses.replace(control, hold=arguments.hold)
    if arguments.only:
        control = dataclasses.replace(control, faults=tuple(arguments.only.split(",")))
    harness = Harness(arguments.seed, arguments.seconds, output, control, arguments.client)
    try:
        run, findings = harness.run()
    finally:
        harness.clean_up()
    with open(output / "findings.txt", "w", encoding="utf-8") as file:
        file.writelines(f"{each}\n" for each in findings)
    rejected = sum(not each.accepted for each in run.resource)
    broken = sorted({each.rule for each in findings})
    print(f"  {len(checker.granted(run))} grants, {len(run.resource)} attempts at the resource,"
          f" {rejected} rejected, {old_owners(output)} by old owners without a check,"
          f" {len(run.faults)} faults: {len(findings)} findings"
          f" {' '.join(broken)}".rstrip(), flush=True)  # fmt: skip
    if not arguments.control:
        for each in findings[:10]:
            print(f"  {each}")
        return FOUND if findings else 0
    return FOUND if set(broken) & set(control.rules) else 0


def run_seed(arguments, seed, control):
    """Whether there were findings."""
    what = control or (pathlib.Path(arguments.client).name if arguments.client else "raw client")
    engine = CONTROLS[control].engine if control else arguments.engine
    output = OUTPUT / f"{control or engine}-{seed}"
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir(parents=True)
    print(f"seed {seed}: {what}, {engine}, {arguments.seconds} s; {output}", flush=True)
    command = [sys.executable, "-B", __file__, "--inside", "--seed", str(seed),
               "--seconds", str(arguments.seconds), "--output", str(output)]  # fmt: skip
    if control:
        command += ["--control", control]
    else:
        command += ["--engine", arguments.engine]
    if not control and arguments.client:
        command += ["--client", arguments.client]
    if arguments.hold is not None:
        command += ["--hold", str(arguments.hold)]
    if arguments.only:
        command += ["--only", arguments.only]
    code = servers.in_namespace(command)
    if code not in (0, FOUND):
        raise servers.Impossible(f"seed {seed}: the harness failed with {code}")
    return code == FOUND


def run_controls(arguments, names, seeds):
    """Whether each was noticed, within these seeds."""
    missed = [name for name in names
              if not any(run_seed(arguments, seed, name) for seed in seeds)]  # fmt: skip
    for each in missed:
        print(f"{each}: NOT noticed by the checker")
    print(f"{len(names) - len(missed)} of {len(names)} wrong locks were noticed")
    return 1 if missed else 0


def run_all(arguments, seeds):
    red = [seed for seed in seeds if run_seed(arguments, seed, None)]
    print(f"{len(seeds) - len(red)} of {len(seeds)} seeds without findings")
    for seed in red:
        print(f"replay: tests/faults/run.py --engine {arguments.engine} --seed {seed}"
              f" --seconds {arguments.seconds}")  # fmt: skip
    return 1 if red else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--client", help="the program to test; else a client in Python")
    parser.add_argument("--engine", choices=list(ENGINES), default="etcd")
    parser.add_argument("--seeds", type=int, default=10, help="how many (default: 10)")
    parser.add_argument("--seed", type=int, help="that one alone, as printed by an earlier run")
    parser.add_argument("--seconds", type=int, default=60, help="of faults (default: 60)")
    parser.add_argument("--control", choices=[*CONTROLS, "all"],
                        help="a lock that is wrong: the checker must notice")  # fmt: skip
    parser.add_argument("--hold", type=float, help="seconds between two writes, at most")
    parser.add_argument("--only", help="these kinds of faults (nemesis.py), separated by commas")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--output", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.seeds < 1 or arguments.seconds < 1:
        parser.error("--seeds and --seconds: at least 1")
    seeds = [secrets.randbelow(1 << 31) for _ in range(arguments.seeds)]
    if arguments.seed is not None:
        seeds = [arguments.seed]
    try:
        if arguments.inside:
            return run_inside(arguments)
        servers.demand_namespace()
        if arguments.control:
            names = list(CONTROLS) if arguments.control == "all" else [arguments.control]
            return run_controls(arguments, names, seeds)
        return run_all(arguments, seeds)
    except servers.NotAllowed as error:
        print(f"faults: {error}", file=sys.stderr)
        return NOT_ALLOWED
    except (servers.Impossible, checker.Unreadable) as error:
        print(f"faults: {error}", file=sys.stderr)
        return 3


if __name__ == "__main__":
    sys.exit(main())
