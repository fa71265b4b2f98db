#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
# Copyright (c) 2026 the corolock developers
"""Of the services on one PostgreSQL one at a time looks for missed heartbeats, and another one
takes over when that is killed, is stopped, or loses its connection.
"""

import asyncio
import subprocess

from support.scenario import expect, expect_quiet, main, until


async def is_sweeper(service):
    return (await service.metrics())["marketplace_sweeper"] == 1


async def sweepers(services):
    return [each for each in services if await is_sweeper(each)]


async def only_one(services):
    found = await sweepers(services)
    return found[0] if len(found) == 1 else None


async def take_over(place):
    services = await asyncio.gather(*(place.service("--sweep-interval", "1") for _ in range(3)))
    first = await until("one sweeps", lambda: only_one(services))
    await first.kill()
    services.remove(first)

    second = await until("after a kill another one sweeps", lambda: only_one(services))
    await second.stop()
    services.remove(second)
    last = await until("after a stop the last one sweeps", lambda: only_one(services))

    # Its connections are ended, as by a server that restarts: it comes back by itself.
    newcomer = await place.service("--sweep-interval", "1")
    expect("the newcomer waits", await is_sweeper(newcomer), False)
    cut = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted"
    command = ["psql", "-qAt", "-c", cut, place.storage()]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    await until("after a cut the newcomer sweeps", lambda: is_sweeper(newcomer))
    await until("the one that lost the lock stops", lambda: only_one([last, newcomer]))
    await newcomer.stop()
    await until("it has come back", lambda: is_sweeper(last))
    await expect_quiet(last)
    await last.stop()


main(take_over)
