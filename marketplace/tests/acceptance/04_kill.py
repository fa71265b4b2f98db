#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
# Copyright (c) 2026 the corolock developers
"""The service is killed at random moments during 5,000 registrations, and started again.

Every agent that was acknowledged is there afterwards, whole; the database is sound, and the feed of
changes has no gaps.
"""

import asyncio
import contextlib
import random
import sqlite3

from support.client import ConnectionLost
from support.scenario import (
    agent, all_agents, all_changes, expect, expect_gap_free, expect_quiet, main, require,
)  # fmt: skip

AGENTS = 5000
KILLS = 8
CLIENTS = 32


def check_database(path):
    # As a reader after a crash: SQLite recovers from its log.
    with contextlib.closing(sqlite3.connect(path)) as database:
        expect("integrity_check", database.execute("PRAGMA integrity_check").fetchall(), [("ok",)])
        expect(
            "foreign_key_check", database.execute("PRAGMA foreign_key_check").fetchall(), []
        )


async def register_until(service, wishes, acknowledged, enough):
    """Registers until nothing is left, or kills as soon as `enough` are acknowledged.

    Returns those that got no answer.
    """
    is_over = False
    in_doubt = set()

    async def worker():
        nonlocal is_over
        with contextlib.suppress(ConnectionLost, ConnectionError):
            while wishes and not is_over:
                name = wishes.pop()
                in_doubt.add(name)
                answer = await service.client.post("/v1/agents", agent(name))
                in_doubt.remove(name)
                expect(f"registering {name}", answer.status, 201)
                acknowledged[answer.json()["agent_id"]] = name
                if enough is not None and len(acknowledged) >= enough and not is_over:
                    is_over = True
                    service.process.kill()

    await asyncio.gather(*(worker() for _ in range(CLIENTS)))
    return in_doubt


async def try_again(service, in_doubt, agents, acknowledged):
    """What a client does that got no answer: the second try tells what became of the first."""
    stored = {each["agent_name"]: agent_id for agent_id, each in agents.items()}
    for name in sorted(in_doubt):
        answer = await service.client.post("/v1/agents", agent(name))
        holder = stored.get(f"Agent {name}")
        if holder is None:
            expect(f"the second try of {name}", answer.status, 201)
            acknowledged[answer.json()["agent_id"]] = name
        else:
            expect(f"the second try of {name}, which is there", answer.status, 409)
            expect("its holder", answer.json()["conflict"]["existing_agent_id"], holder)
            acknowledged[holder] = name


async def check(service, acknowledged):
    agents = {each["agent_id"]: each for each in await all_agents(service.client)}
    for agent_id, name in acknowledged.items():
        require(agent_id in agents, f"agent {name} was acknowledged and is lost")
    for agent_id, each in agents.items():
        name = each["agent_name"].removeprefix("Agent ")
        for field, value in agent(name).items():
            expect(f"{field} of agent {name}", each[field], value)
    changes = await all_changes(service.client)
    expect_gap_free(changes)
    expect("changes", sorted(each["agent_id"] for each in changes), sorted(agents))
    return agents


async def kills(place):
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    wishes = [f"k{n}" for n in range(AGENTS)]
    acknowledged = {}
    moments = sorted(rng.sample(range(1, AGENTS - CLIENTS), KILLS))
    for moment in moments:
        service = await place.service()
        in_doubt = await register_until(service, wishes, acknowledged, moment)
        await service.kill()
        if place.storage_kind == "sqlite":
            check_database(place.database)
        service = await place.service()
        agents = await check(service, acknowledged)
        await try_again(service, in_doubt, agents, acknowledged)
        await service.stop()
    service = await place.service()
    await register_until(service, wishes, acknowledged, None)
    agents = await check(service, acknowledged)
    expect("agents", len(agents), AGENTS)
    await expect_quiet(service)
    await service.stop()
    if place.storage_kind == "sqlite":
        check_database(place.database)


main(kills)
