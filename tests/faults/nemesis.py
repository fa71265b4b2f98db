# SPDX-License-Identifier: BSL-1.0
# Copyright (c) 2026 the corolock developers
"""Injects faults, one or two at a time, and asserts of each that it has taken effect.

What is done when comes from the random numbers of the seed alone; whom it meets when it says "the
leader" or "a holder" is what the run makes it.
"""

import contextlib
import signal
import time

import servers


class Fault:
    """begin(), then for a while wait until has_effect(), then end()."""

    kind = ""
    ended = None  # when, if that was before end()

    def __init__(self, harness, target):
        self.harness = harness
        self.target = target

    def has_effect(self):
        return True

    def __str__(self):
        return f"{self.kind} of {self.target.name}"


class Pause(Fault):
    kind = "pause"

    def begin(self):
        servers.pause(self.target.process, self.target.name)

    def end(self):
        servers.resume(self.target.process, self.target.name)


class KillClient(Fault):
    kind = "kill"

    def begin(self):
        servers.kill(self.target.process, self.target.name)

    def end(self):
        self.harness.replace(self.target)


class KillNode(Fault):
    kind = "kill"

    def begin(self):
        self.before = self.harness.cluster.leader_among(self.harness.cluster.nodes)
        state = self.target.status()
        self.was_leader = state is not None and state[0] == state[1]
        servers.kill(self.target.process, self.target.name)

    def has_effect(self):
        rest = [each for each in self.harness.cluster.nodes if each is not self.target]
        leader = self.harness.cluster.leader_among(rest)
        return leader is not None and (not self.was_leader or leader != self.before)

    def end(self):
        self.target.start(self.harness.cluster.nodes)
        servers.wait_until(self.target.is_healthy, 60, f"{self.target.name} is healthy again")


class Cut(Fault):
    """Between one machine and others: symmetric, or only what it sends, or only what it gets."""

    kind = "partition"

    def __init__(self, harness, target, others, way):
        super().__init__(harness, target)
        self.way = way
        own = target.machine.address
        there = [(own, each.machine.address) for each in others]
        back = [(receiver, sender) for sender, receiver in there]
        pairs = {"both": there + back, "out": there, "in": back}[way]
        self.partition = servers.Partition(pairs)

    def begin(self):
        self.partition.begin()

    def has_effect(self):
        return self.partition.dropped() > 0

    def end(self):
        self.partition.end()

    def __str__(self):
        return f"partition ({self.way}) of {self.target.name}"


class LateReplies(Cut):
    """What was answered arrives late, and then nothing more is sent: the late reply is the last."""

    def __init__(self, harness, target, others):
        super().__init__(harness, target, others, "in")
        self.then = Cut(harness, target, others, "out")

    def begin(self):
        super().begin()
        time.sleep(1.5)
        self.then.begin()
        self.partition.end()

    def has_effect(self):
        return self.then.has_effect()

    def end(self):
        self.then.end()


class IsolateLeader(Cut):
    """Of the leader from its peers: somebody else leads in the end."""

    def begin(self):
        self.rest = [each for each in self.harness.cluster.nodes if each is not self.target]
        self.before = self.harness.cluster.leader_among(self.harness.cluster.nodes)
        super().begin()

    def has_effect(self):
        leader = self.harness.cluster.leader_among(self.rest)
        return super().has_effect() and leader not in (None, self.before)


class LoseMajority(Fault):
    """Two nodes are stopped at once: the last one cannot decide anything."""

    kind = "pause"

    def __init__(self, harness, nodes, left):
        super().__init__(harness, nodes[0])
        self.nodes = nodes
        self.left = left

    def begin(self):
        for each in self.nodes:
            servers.pause(each.process, each.name)

    def has_effect(self):
        return not self.left.is_healthy()

    def end(self):
        for each in self.nodes:
            servers.resume(each.process, each.name)
        self.harness.cluster.wait_healthy()

    def __str__(self):
        return f"pause of {' and '.join(each.name for each in self.nodes)}"


class RestartServer(Fault):
    """PostgreSQL without a shutdown, as after a crash: every lock is free, every connection gone."""

    kind = "kill"

    def begin(self):
        begin = time.monotonic_ns()
        names = [each.name for each in self.harness.clients]
        self.target.stop_at_once()
        for each in names:
            self.harness.record_fault("free", each, begin, time.monotonic_ns())

    def has_effect(self):
        return self.target.process.poll() is not None and not self.target.is_healthy()

    def end(self):
        self.target.start()
        servers.wait_until(self.target.is_healthy, 60, f"{self.target.name} is healthy again")


class PauseServer(Fault):
    """All its processes; their connections stand."""

    kind = "pause"

    def begin(self):
        self.target.signal(signal.SIGSTOP)
        servers.wait_until(self.is_stopped, 10, f"{self.target.name} is stopped")

    def is_stopped(self):
        # The first one, which would wait for the ended, is stopped, too: those stay as Z.
        return {servers.state_of(each) for each in self.target.processes()} <= {"T", "Z"}

    def has_effect(self):
        return self.is_stopped() and not self.target.is_healthy()

    def end(self):
        self.target.signal(signal.SIGCONT)
        servers.wait_until(self.target.is_healthy, 60, f"{self.target.name} answers again")


class EndBackend(Fault):
    """Of a connection of the lock's, by the server: whoever has a lock there loses it."""

    kind = "free"

    def __init__(self, harness, target, server, backend):
        super().__init__(harness, target)
        self.server = server
        self.backend = backend

    def begin(self):
        self.server.ask(f"SELECT pg_terminate_backend({self.backend})")
        servers.wait_until(self.has_effect, 10, f"{self} has ended it")
        self.ended = time.monotonic_ns()

    def has_effect(self):
        there = self.server.backends()
        return there is not None and self.backend not in [process for process, _ in there]

    def end(self):
        pass

    def __str__(self):
        return f"end of backend {self.backend}, of {self.target.name}"


class Nemesis:
    """The schedule of one run."""

    def __init__(self, harness, random, kinds):
        self.harness = harness
        self.random = random
        self.kinds = kinds
        self.hurt = set()  # the machines that have a fault now

    def client(self):
        return self.random.choice([e for e in self.harness.clients if e.machine not in self.hurt])

    def owner(self):
        """Who has just been at the resource, and likely has the lock still."""
        owner = servers.wait_until(self.harness.next_owner, 60, "somebody is at the resource")
        return self.client() if owner.machine in self.hurt else owner

    def leader(self):
        leader = self.harness.cluster.leader
        return servers.wait_until(leader, 60, "the nodes agree on a leader")

    def node(self):
        # The leader half of the time. One node at a time: two are another fault.
        leader = self.leader()
        if self.random.random() < 0.5:
            return leader
        return self.random.choice([each for each in self.harness.cluster.nodes if each is not leader])

    def make(self, kind):
        nodes = self.harness.cluster.nodes
        way = self.random.choice(("both", "out", "in"))
        match kind:
            case "pause-client":
                return Pause(self.harness, self.client())
            case "kill-client":
                return KillClient(self.harness, self.client())
            case "cut-client":
                return Cut(self.harness, self.client(), nodes, way)
            case "pause-owner":
                return Pause(self.harness, self.owner())
            case "lose-replies-of-owner":
                return Cut(self.harness, self.owner(), nodes, "in")
            case "delay-replies-of-owner":
                return LateReplies(self.harness, self.owner(), nodes)
            case "pause-node":
                return Pause(self.harness, self.node())
            case "kill-node":
                return KillNode(self.harness, self.node())
            case "cut-node":
                node = self.node()
                rest = [each for each in nodes if each is not node]
                return Cut(self.harness, node, rest, way)
            case "lose-majority":
                left = self.random.choice(nodes)
                return LoseMajority(self.harness, [e for e in nodes if e is not left], left)
            case "restart-server":
                return RestartServer(self.harness, nodes[0])
            case "pause-server":
                return PauseServer(self.harness, nodes[0])
            case "end-backend":
                return self.end_backend(nodes[0])
            case "isolate-leader":
                leader = self.leader()
                rest = [each for each in nodes if each is not leader]
                return IsolateLeader(self.harness, leader, rest, "both")
        raise servers.Impossible(f"there is no fault {kind}")

    def end_backend(self, server):
        clients = {e.machine.address: e for e in self.harness.clients if e.machine not in self.hurt}

        def backends():
            return [each for each in server.backends() or () if each[1] in clients]

        found = servers.wait_until(backends, 60, "somebody is connected")
        process, address = self.random.choice(found)
        return EndBackend(self.harness, clients[address], server, process)

    def choose(self):
        """One kind, or two of which one at most is about the nodes."""
        count = self.random.choice((1, 1, 2))
        chosen = []
        while len(chosen) < count:
            kind = self.random.choice(self.kinds)
            if not (is_of_nodes(kind) and any(map(is_of_nodes, chosen))):
                chosen.append(kind)
        return chosen

    def step(self):
        with contextlib.ExitStack() as undo:
            self.hurt.clear()
            kinds = self.choose()
            for kind in kinds:
                fault = self.make(kind)
                self.hurt.add(fault.target.machine)
                undo.enter_context(self.injected(fault))
            time.sleep(self.random.choice(LENGTHS.get(kinds[0], SHORT_OR_LONG)))

    @contextlib.contextmanager
    def injected(self, fault):
        begin = time.monotonic_ns()
        name = fault.target.name
        self.harness.say(f"{fault}")
        fault.begin()
        try:
            yield
            servers.wait_until(fault.has_effect, 30, f"the {fault} has an effect")
        finally:
            fault.end()
            self.harness.record_fault(fault.kind, name, begin, fault.ended or time.monotonic_ns())

    def run(self, seconds):
        limit = time.monotonic() + seconds
        while time.monotonic() < limit:
            time.sleep(self.random.uniform(0.2, 1.5))
            self.step()


def is_of_nodes(kind):
    return kind.endswith(("node", "leader", "majority", "server", "backend"))


# In seconds: shorter than a lease, or longer.
SHORT_OR_LONG = (0.3, 0.9, 1.5, 3.0, 4.5)
# Of what is aimed: as long as it takes to hit.
LENGTHS = {
    "pause-owner": (4.5,),
    "lose-replies-of-owner": (0.5,),
    "delay-replies-of-owner": (3.0,),
}

# What meets anybody; the clients' twice, for there are more of them.
ALL = (
    "pause-client", "kill-client", "cut-client", "pause-client", "cut-client",
    "pause-node", "kill-node", "cut-node", "isolate-leader", "lose-majority",
)  # fmt: skip
ALL_OF_POSTGRESQL = (
    "pause-client", "kill-client", "cut-client", "pause-client", "cut-client", "end-backend",
    "end-backend", "restart-server", "pause-server",
)  # fmt: skip
