# SPDX-License-Identifier: BSL-1.0
# Copyright (c) 2026 the corolock developers
"""The frame of a scenario: a program to test, a storage, a directory, and a deadline.

A scenario is a coroutine that takes a Place; the script ends with main(scenario).
"""

import argparse
import asyncio
import os
import pathlib
import sys
import tempfile
import time
import traceback

from .card_host import CardHost
from .service import Service

STORAGES = ("memory", "sqlite", "postgresql")


class Failed(Exception):
    """The service did not do what it must."""


def expect(what, actual, *expected):
    """Ends the test unless the actual value is one of those expected."""
    if actual not in expected:
        wanted = " or ".join(repr(each) for each in expected)
        raise Failed(f"{what}: is {actual!r}, must be {wanted}")


def require(condition, what):
    if not condition:
        raise Failed(what)


def agent(name, **fields):
    """The body of a registration that is right; its base_url is the name's own."""
    return {
        "agent_name": f"Agent {name}",
        "base_url": f"https://{name}.example.com/a2a",
        "description": f"What agent {name} does",
        **fields,
    }


class Place:
    """Where a scenario takes place; ends what it began."""

    def __init__(self, program, storage, directory):
        self.program = program
        self.storage_kind = storage
        self.directory = pathlib.Path(directory)
        self.database = self.directory / "agents.db"
        self._services = []
        self._hosts = []

    def storage(self):
        """The value of --storage."""
        if self.storage_kind == "sqlite":
            return f"sqlite:{self.database}"
        if self.storage_kind == "postgresql":
            return os.environ["COROLOCK_POSTGRESQL"]
        return "memory"

    async def service(self, *options, storage=None, dev=True, limits=False, before_exec=None):
        """Starts a service; what it logs is shown when the scenario fails."""
        command = [self.program, "serve", "--storage", storage or self.storage()]
        command += ["--listen", "127.0.0.1:0", "--log-level", "warning"]
        command += ["--dev"] if dev else []
        command += [] if limits else ["--rate-limits", "off"]
        log = self.directory / f"service-{len(self._services)}.log"
        service = Service([*command, *options], log)
        self._services.append(service)
        return await service.start(before_exec)

    async def card_host(self, answer=None, ports=1):
        host = CardHost(answer)
        self._hosts.append(host)
        return await host.start(ports)

    async def clean_up(self):
        for each in self._services:
            if each.is_running():
                await each.kill()
        for each in self._hosts:
            await each.stop()

    def logs(self):
        return "".join(
            f"--- log of service {n} (exit code {each.process and each.process.returncode})\n"
            f"{each.log()}\n"
            for n, each in enumerate(self._services)
        )


async def until(what, condition, limit=60.0):
    """Waits, with other tasks running, for `condition` (which may be a coroutine function)."""
    deadline = time.monotonic() + limit
    while True:
        value = condition()
        if asyncio.iscoroutine(value):
            value = await value
        if value:
            return value
        if time.monotonic() > deadline:
            raise Failed(f"{what}: not within {limit:.0f} s")
        await asyncio.sleep(0.005)  # between two looks; no result depends on it


async def expect_quiet(service):
    """Nobody holds or waits for a lock, and no request ended in a 5xx."""

    async def is_quiet():
        locks = await service.locks()
        return all(each["held"] == 0 and each["waiters"] == 0 for each in locks.values())

    await until("all locks free again", is_quiet)
    expect("5xx in /metrics", await count_5xx(service), 0)


async def count_5xx(service):
    return sum(
        value
        for name, value in (await service.metrics()).items()
        if name.startswith("marketplace_http_requests_total{") and 'status="5' in name
    )


async def all_agents(client, query=""):
    """Every agent of a list, page after page."""
    agents, cursor = [], None
    while True:
        path = f"/v1/agents?limit=100{query}" + (f"&cursor={cursor}" if cursor else "")
        page = await client.get(path)
        expect(f"GET {path}", page.status, 200)
        agents += page.json()["agents"]
        cursor = page.json()["next_cursor"]
        if cursor is None:
            return agents


async def all_changes(client):
    changes = []
    while True:
        since = changes[-1]["seq"] if changes else 0
        page = await client.get(f"/v1/changes?limit=1000&since={since}")
        expect("GET /v1/changes", page.status, 200)
        more = page.json()["changes"]
        if not more:
            return changes
        changes += more


def expect_gap_free(changes):
    numbers = [each["seq"] for each in changes]
    expect("the numbers of the changes", numbers, list(range(1, len(numbers) + 1)))


def main(scenario, limit=110):
    """Runs the scenario of a script, on the program and the storage that its arguments name."""
    parser = argparse.ArgumentParser(description=sys.modules["__main__"].__doc__)
    parser.add_argument("program")
    parser.add_argument("--storage", choices=STORAGES, default="sqlite")
    arguments = parser.parse_args()

    async def run(place):
        try:
            await asyncio.wait_for(scenario(place), limit)
            return True
        except asyncio.TimeoutError:
            print(f"FAILED: not done within {limit} s", file=sys.stderr)
        except Failed as failure:
            where = traceback.extract_tb(failure.__traceback__)
            lines = [str(each.lineno) for each in where if "support" not in each.filename]
            print(f"FAILED (line {' > '.join(lines)}): {failure}", file=sys.stderr)
        except Exception:  # whatever else it is, the logs below help
            traceback.print_exc()
        finally:
            await place.clean_up()
        print(place.logs(), file=sys.stderr)
        return False

    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="marketplace-") as directory:
        place = Place(arguments.program, arguments.storage, directory)
        passed = asyncio.run(run(place))
    if passed:
        print(f"passed on {arguments.storage} in {time.monotonic() - began:.1f} s")
    sys.exit(0 if passed else 1)
