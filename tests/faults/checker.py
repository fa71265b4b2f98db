#!/usr/bin/python3
# SPDX-License-Identifier: BSL-1.0
# Copyright (c) 2026 the corolock developers
"""Judges what clients of a distributed lock saw while faults were injected.

usage: checker.py DIRECTORY

Reads the files of one run, JSON by lines; README.md describes them. Prints each finding with the
lines it rests on. Exits with 0 when there is none, 1 when there are findings, 2 when the files
cannot be read.

All times are nanoseconds of the one CLOCK_MONOTONIC of the machine, so "before" is exact. Tokens
are pairs (fencing token, local sequence), ordered lexicographically; the order of the tokens is the
witness of the order of the grants, so every rule is a sort and a sweep, and nothing is searched.
"""

import bisect
import json
import math
import pathlib
import sys
from collections import defaultdict
from dataclasses import dataclass, field

RESULTS = ("ok", "fail", "info")
CLIENT_OPS = ("acquire", "release", "write", "lost")
RESOURCE_OPS = ("read", "write")
FAULTS = ("pause", "kill", "partition", "free")


class Unreadable(Exception):
    """A file that is no history: the message says where and why."""


@dataclass(frozen=True)
class Finding:
    rule: str
    text: str
    lines: tuple[str, ...] = ()

    def __str__(self):
        return "\n    ".join([f"{self.rule}: {self.text}", *self.lines])


@dataclass
class Line:
    """A line of one of the files; `where` is FILE:LINE."""

    where: str
    values: dict

    def __getattr__(self, name):
        return self.values.get(name)

    @property
    def pair(self):
        return tuple(self.values["token"])

    @property
    def grant_key(self):
        return self.values["process"], self.values["grant"]

    def __str__(self):
        return f"{self.where}: {json.dumps(self.values)}"


@dataclass
class Run:
    """What one run left behind: the lines of clients, resource and nemesis, and of its end."""

    clients: list[Line]
    resource: list[Line]
    faults: list[Line]
    end: Line


@dataclass(eq=False)
class Grant:
    """From a successful acquire to the first moment at which its owner must not believe in it."""

    acquire: Line
    end: float = math.inf
    deadline: float | None = None
    writes: list[Line] = field(default_factory=list)
    # From when the engine took the lock away by itself until its owner must know.
    taken: list[tuple[int, int]] = field(default_factory=list)

    @property
    def start(self):
        return self.acquire.t_complete


# ------------------------------------------------------------------------------------ reading


def is_integer(value):
    return isinstance(value, int) and not isinstance(value, bool)


def is_token(value):
    return isinstance(value, list) and len(value) == 2 and all(map(is_integer, value))


def is_counts(value):
    return isinstance(value, dict) and all(map(is_integer, value.values()))


def is_names(value):
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


KINDS = {
    "an integer": is_integer,
    "a string": lambda value: isinstance(value, str),
    "true or false": lambda value: isinstance(value, bool),
    "a pair of integers": is_token,
    "an object of integers": is_counts,
    "a list of strings": is_names,
}


def demand(line, **fields):
    """Raises unless each field is of its kind (a key of KINDS), or one of the values of a tuple."""
    for name, kind in fields.items():
        value = line.values.get(name)
        if isinstance(kind, tuple):
            right, kind = value in kind, "one of " + ", ".join(kind)
        else:
            right = KINDS[kind](value)
        if not right:
            raise Unreadable(f"{line.where}: {name} is {json.dumps(value)}: expected {kind}")


def demand_order(line, first, second):
    if line.values[second] < line.values[first]:
        raise Unreadable(f"{line.where}: {second} is before {first}")


def check_client_line(line):
    times = {"t_invoke": "an integer", "t_complete": "an integer"}
    demand(line, process="a string", op=CLIENT_OPS, name="a string", result=RESULTS, **times)
    demand_order(line, "t_invoke", "t_complete")
    if line.op != "acquire" or line.result == "ok":
        demand(line, grant="an integer", token="a pair of integers")
    if line.op == "write":
        demand(line, id="an integer")
    if "deadline" in line.values:
        demand(line, deadline="an integer")


def check_resource_line(line):
    demand(line, t="an integer", process="a string", grant="an integer", name="a string")
    demand(line, op=RESOURCE_OPS, token="a pair of integers", accepted="true or false")
    if line.op == "write":
        demand(line, value="an integer", id="an integer")


def check_fault_line(line):
    demand(line, fault=FAULTS, target="a string", t_begin="an integer", t_end="an integer")
    demand_order(line, "t_begin", "t_end")


def check_end(line):
    demand(line, live="a list of strings", bound="an integer", margin="an integer")
    demand(line, fifo="true or false", leftovers="an object of integers")
    if not line.live:
        raise Unreadable(f"{line.where}: live is empty: a run without clients proves nothing")


def read_lines(path, check, *, may_be_torn=False):
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Unreadable(f"{path}: {error}") from error
    *whole, torn = text.split("\n")
    if torn and not may_be_torn:
        raise Unreadable(f"{path}:{len(whole) + 1}: the last line has no newline")
    lines = []
    for number, each in enumerate(whole, 1):
        where = f"{path.name}:{number}"
        try:
            values = json.loads(each)
        except ValueError as error:
            raise Unreadable(f"{where}: no JSON: {error}") from error
        if not isinstance(values, dict):
            raise Unreadable(f"{where}: no JSON object")
        line = Line(where, values)
        check(line)
        lines.append(line)
    return lines


def read(directory):
    """The Run of a directory. Only a client that was killed may have left a torn last line."""
    directory = pathlib.Path(directory)
    faults = read_lines(directory / "faults.jsonl", check_fault_line)
    killed = {each.target for each in faults if each.fault == "kill"}
    clients = []
    for path in sorted(directory.glob("client-*.jsonl")):
        process = path.stem.removeprefix("client-")
        clients += read_lines(path, check_client_line, may_be_torn=process in killed)
    ends = read_lines(directory / "end.jsonl", check_end)
    if len(ends) != 1:
        raise Unreadable(f"{directory / 'end.jsonl'}: {len(ends)} lines: expected one")
    resource = read_lines(directory / "resource.jsonl", check_resource_line)
    return Run(clients, resource, faults, ends[0])


# -------------------------------------------------------------------------- what the rules share


def by_name(items, name=lambda item: item.name):
    groups = defaultdict(list)
    for item in items:
        groups[name(item)].append(item)
    return groups


def granted(run):
    return [each for each in run.clients if each.op == "acquire" and each.result == "ok"]


def grants_of(run):
    """Each grant by (process, number of the grant), with the end of its owner's belief.

    The deadline moves with each renewal, so the latest one that the client told of counts. A killed
    process believes nothing any more.
    """
    grants = {}
    for each in granted(run):
        if each.grant_key in grants:
            first = grants[each.grant_key].acquire
            raise Unreadable(f"{each.where}: the grant of {first.where} a second time")
        grants[each.grant_key] = Grant(each)
    for each in run.clients:
        if each.op == "acquire" and each.result != "ok":
            continue
        grant = grants.get(each.grant_key)
        if grant is None:
            raise Unreadable(f"{each.where}: {each.op} of a grant that no acquire returned")
        if each.op == "release":
            grant.end = min(grant.end, each.t_invoke)
        elif each.op == "lost":
            grant.end = min(grant.end, each.t_complete)
        elif each.op == "write":
            grant.writes.append(each)
        if each.deadline is not None:
            grant.deadline = max(grant.deadline or each.deadline, each.deadline)
    killed = {each.target: each.t_begin for each in run.faults if each.fault == "kill"}
    for (process, _), grant in grants.items():
        bounds = [grant.end, grant.deadline, killed.get(process)]
        grant.end = min(each for each in bounds if each is not None)
    excuse(run, grants)
    return grants


def excuse(run, grants):
    """An engine may free a lock and grant it again before its owner can have heard of it: what the
    owner believes in meanwhile is for the resource to reject."""
    deaf = defaultdict(list)
    for each in run.faults:
        if each.fault in ("pause", "partition"):
            deaf[each.target].append((each.t_begin, each.t_end))
    freed = defaultdict(list)
    for each in run.faults:
        if each.fault == "free":
            until = each.t_end
            for begin, end in sorted(deaf[each.target]):
                if begin <= until:
                    until = max(until, end)
            freed[each.target].append((each.t_begin, each.t_end, until + run.end.margin))
    for (process, _), grant in grants.items():
        for begin, end, until in freed[process]:
            # From its invocation: the reply may have been under way when the lock was taken away.
            if grant.acquire.t_invoke < end and grant.end > begin:
                grant.taken.append((begin, until))
        if any(begin < grant.end <= until for begin, until in grant.taken):
            grant.end = min(begin for begin, until in grant.taken)


class Pauses:
    """When each process was stopped; pauses of one process do not overlap."""

    def __init__(self, run):
        self.by_process = defaultdict(list)
        for each in run.faults:
            if each.fault == "pause":
                self.by_process[each.target].append((each.t_begin, each.t_end))
        for each in self.by_process.values():
            each.sort()

    def touch(self, process, begin, end):
        pauses = self.by_process.get(process, [])
        before = bisect.bisect_right(pauses, (end, math.inf))
        return before > 0 and pauses[before - 1][1] >= begin


# ------------------------------------------------------------------------------------ the rules


def check_tokens(run):
    """1: a token is given once per name, and a grant that ended first has the smaller one."""
    for name, acquires in by_name(granted(run)).items():
        seen = {}
        for each in acquires:
            if each.pair[0] == 0:
                yield Finding("tokens", f"{name}: a grant with the token 0", (str(each),))
            first = seen.setdefault(each.pair, each)
            if first is not each:
                text = f"{name}: the token {each.pair} was given twice"
                yield Finding("tokens", text, (str(first), str(each)))
        completed = iter(sorted(acquires, key=lambda each: each.t_complete))
        following = next(completed, None)
        newest = None
        for each in sorted(acquires, key=lambda each: each.t_invoke):
            while following is not None and following.t_complete < each.t_invoke:
                if newest is None or following.pair > newest.pair:
                    newest = following
                following = next(completed, None)
            # Equal ones are duplicates, and named above.
            if newest is not None and newest.pair > each.pair:
                text = f"{name}: {each.pair} was asked for after {newest.pair} had been granted"
                yield Finding("tokens", text, (str(newest), str(each)))


def latest_ends(grants):
    """For each prefix of the grants, the two whose ends are the latest."""
    best, second = None, None
    for each in grants:
        if best is None or each.end > best.end:
            best, second = each, best
        elif second is None or each.end > second.end:
            second = each
        yield best, second


def check_belief(run, grants):
    """2: no two clients believe at once that they hold one name, and none writes meanwhile."""
    for name, group in by_name(grants.values(), lambda each: each.acquire.name).items():
        # What was over when it was returned was never believed in.
        active = sorted((each for each in group if each.end > each.start), key=lambda e: e.start)
        latest = list(latest_ends(active))
        for (other, _), each in zip(latest, active[1:]):
            if other.end > each.start:
                text = f"{name}: an acquire returned while another grant was active"
                yield Finding("belief", text, (str(other.acquire), str(each.acquire)))
        starts = [each.start for each in active]
        for grant in group:
            for write in grant.writes:
                if any(begin <= write.t_invoke <= until for begin, until in grant.taken):
                    continue
                before = bisect.bisect_right(starts, write.t_invoke)
                for other in latest[before - 1] if before else ():
                    if other not in (None, grant) and other.end > write.t_invoke:
                        text = f"{name}: a write began while another grant was active"
                        yield Finding("belief", text, (str(other.acquire), str(write)))
                        break


def check_resource(run, grants):
    """3: the resource accepts what is not older than the newest, and loses no accepted update."""
    accepted_writes = set()
    for name, attempts in by_name(run.resource).items():
        newest, last_write, value = None, None, 0
        for each in attempts:
            if not each.accepted:
                if newest is None or each.pair >= newest.pair:
                    text = f"{name}: {each.pair} was rejected, but nothing newer had been accepted"
                    yield Finding("resource", text, (str(each),))
                continue
            grant = grants.get(each.grant_key)
            if grant is None or (grant.acquire.name, grant.acquire.pair) != (name, each.pair):
                text = f"{name}: {each.pair} was accepted, which its writer was never granted"
                yield Finding("resource", text, (str(each),))
            if newest is not None and each.pair < newest.pair:
                text = f"{name}: {each.pair} was accepted after the newer {newest.pair}"
                yield Finding("resource", text, (str(newest), str(each)))
            else:
                newest = each
            if each.op == "write":
                accepted_writes.add((each.process, each.id))
                value += 1
                if each.value != value:
                    text = f"{name}: an update was lost: {each.value} was written, not {value}"
                    lines = [str(line) for line in (last_write, each) if line is not None]
                    yield Finding("resource", text, tuple(lines))
                    value = each.value
                last_write = each
    for each in run.clients:
        if each.op == "write" and each.result == "ok":
            if (each.process, each.id) not in accepted_writes:
                text = f"{each.name}: a write was confirmed that the resource has never accepted"
                yield Finding("resource", text, (str(each),))


def check_honesty(run, grants):
    """4: who is rejected had been told before, unless it was stopped when the lock was lost."""
    pauses = Pauses(run)
    margin = run.end.margin
    for name, attempts in by_name(run.resource).items():
        # The accepted attempts that were newer than all before them. A resource that ignores
        # tokens keeps these in order, too; the rest of it is rule 3's.
        records = []
        for each in attempts:
            if each.accepted:
                if not records or each.pair > records[-1].pair:
                    records.append(each)
                continue
            grant = grants.get(each.grant_key)
            newer = bisect.bisect_right(records, each.pair, key=lambda record: record.pair)
            if grant is None or newer == len(records):
                continue
            proof = records[newer]
            told = grant.end <= each.t + margin
            if not told and not pauses.touch(each.process, proof.t, each.t):
                text = f"{name}: {each.pair} was rejected, but its guard still said that it is held"
                yield Finding("honesty", text, (str(grant.acquire), str(proof), str(each)))


def check_progress(run, grants):
    """5: after the last fault every live client gets the lock; nobody is overtaken."""
    acquires = granted(run)
    quiet = max((each.t_end for each in run.faults), default=0)
    times = defaultdict(list)
    for each in acquires:
        if each.t_complete >= quiet:
            times[each.process].append(each.t_complete - quiet)
    for process in run.end.live:
        took = min(times[process], default=math.inf)
        if took > run.end.bound:
            text = f"{process} got no lock within {run.end.bound} ns after the last fault"
            if took < math.inf:
                text += f", but after {took} ns"
            yield Finding("progress", text, tuple(str(each) for each in run.faults[-1:]))
    if not run.end.fifo:
        return
    # A token is the place in the queue. Who was stopped, or whose lease had run out when it
    # returned, was not waiting any more.
    pauses = Pauses(run)
    for name, group in by_name(acquires).items():
        newest = None
        for each in sorted(group, key=lambda each: each.t_complete):
            if newest is None or each.pair >= newest.pair:
                newest = each
                continue
            expired = grants[each.grant_key].end <= each.t_complete
            if not expired and not pauses.touch(each.process, each.t_invoke, each.t_complete):
                text = f"{name}: {newest.pair} overtook the older {each.pair}"
                yield Finding("progress", text, (str(newest), str(each)))


def check_leftovers(run):
    """6: nothing is left in the engine."""
    for what, count in run.end.leftovers.items():
        if count:
            yield Finding("leftovers", f"{count} {what} left in the engine", (str(run.end),))


def check(run):
    """All findings of a run, rule by rule."""
    grants = grants_of(run)
    return [
        *check_tokens(run),
        *check_belief(run, grants),
        *check_resource(run, grants),
        *check_honesty(run, grants),
        *check_progress(run, grants),
        *check_leftovers(run),
    ]


def main(arguments):
    if len(arguments) != 1:
        print(__doc__.split("\n\n")[1], file=sys.stderr)
        return 2
    try:
        run = read(arguments[0])
        findings = check(run)
    except Unreadable as error:
        print(f"checker.py: {error}", file=sys.stderr)
        return 2
    for each in findings:
        print(each)
    rejected = sum(not each.accepted for each in run.resource)
    print(
        f"{len(granted(run))} grants, {len(run.resource)} attempts at the resource"
        f" ({rejected} rejected), {len(run.faults)} faults: {len(findings)} findings"
    )
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
