#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
# Copyright (c) 2026 the corolock developers
"""Two services on one PostgreSQL: a thousand registrations of one URL, half of them at each.

The lock of one process does not exclude the other: there the database's UNIQUE decides, and the
answers are the same.
"""

import asyncio
import uuid

from support.scenario import (
    agent, all_agents, all_changes, expect, expect_gap_free, expect_quiet, main, require,
)  # fmt: skip

CLIENTS = 1000
ROUNDS = 20


async def two(place):
    host = await place.card_host()
    services = await asyncio.gather(place.service(), place.service())
    clients = [each.client for each in services]
    await asyncio.gather(*(each.connect(CLIENTS // 2) for each in clients))
    spellings = [host.url("/a"), host.url("/a/"), host.url("/%61"), host.url("/x/../a")]

    async def register(n):
        url = spellings[n % len(spellings)]
        body = agent(n, agent_id=str(uuid.uuid4()), base_url=url, fetch_card=True)
        return await clients[n % 2].post("/v1/agents", body)

    answers = await asyncio.gather(*(register(n) for n in range(CLIENTS)))
    winners = [each for each in answers if each.status == 201]
    expect("answers with 201", len(winners), 1)
    winner = winners[0].json()["agent_id"]
    for each in answers:
        if each.status != 201:
            expect("the others", each.status, 409)
            expect("the holder", each.json()["conflict"]["existing_agent_id"], winner)
    require(1 <= len(host.requests) <= 2, f"{len(host.requests)} fetches: one a process at most")

    # Again and again without a fetch: the race is in the database alone.
    for n in range(ROUNDS):
        answers = await asyncio.gather(
            *(clients[k % 2].post("/v1/agents", agent(f"race-{n}")) for k in range(16))
        )
        statuses = sorted(each.status for each in answers)
        expect(f"race {n}", statuses, [201] + [409] * 15)

    # What one stores, the other sees at once, and tells those who wait for it.
    last = (await clients[1].get("/v1/changes?limit=1000")).json()["last"]
    waiting = asyncio.create_task(clients[1].get(f"/v1/changes?since={last}&wait=60"))
    made = await clients[0].post("/v1/agents", agent("seen"))
    told = await waiting
    require(told.took < 30, "the other process was not told: it waited to the end")
    expect("the change told", told.json()["changes"][0]["agent_id"], made.json()["agent_id"])
    path = f"/v1/agents/{made.json()['agent_id']}"
    expect("the agent at the other", (await clients[1].get(path)).status, 200)

    # A cursor of one is good at the other; an update of one is a mismatch at the other.
    page = await clients[0].get("/v1/agents?limit=5")
    follow = await clients[1].get(page.headers["link"].split(">")[0][1:])
    expect("the next page at the other", follow.status, 200)
    token, etag = made.json()["owner_token"], made.headers["etag"]
    changed = [
        each.put(path, agent("seen", description=f"by {n}"), token=token,
                 headers={"If-Match": etag})
        for n, each in enumerate(clients)
    ]  # fmt: skip
    statuses = sorted(each.status for each in await asyncio.gather(*changed))
    expect("two updates of one version", statuses, [200, 412])

    lists = [await all_agents(each) for each in clients]
    expect("the list of both", lists[0], lists[1])
    expect_gap_free(await all_changes(clients[0]))
    for each in services:
        await expect_quiet(each)
        await each.stop()


main(two)
