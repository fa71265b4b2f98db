#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
# Copyright (c) 2026 the corolock developers
"""Clients go away at every moment of a registration, and nobody else notices.

The Python service released its lock while the write of a cancelled caller was under way, and the
next caller failed. Here a caller that goes away while it waits or fetches frees its keys at once,
and one that goes away while its agent is written frees them afterwards.
"""

import asyncio
import random

from support.client import Connection, ConnectionLost
from support.scenario import (
    agent, all_agents, all_changes, expect, expect_gap_free, expect_quiet, main, require, until,
)  # fmt: skip

ROUNDS = 150
FOLLOWERS = 3


async def open_connection(client):
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(Connection, client.host, client.port)
    return connection


async def holder_leaves_while_it_fetches(place):
    """The next in line gets the key without waiting for the fetch of the one that left."""
    gate = asyncio.Event()
    host = await place.card_host()
    held = []

    async def hold_the_first(path, headers):
        if not held:
            held.append(path)
            await gate.wait()
        return host.own_card(path, headers)

    host.answer = hold_the_first
    service = await place.service()
    client = service.client
    body = agent("fetching", base_url=host.url("/fetching"), fetch_card=True)
    leaver = await open_connection(client)
    lost = leaver.send(client.encode("POST", "/v1/agents", json=body))
    await until("the first fetch", lambda: held)
    followers = [
        asyncio.create_task(client.post("/v1/agents", body)) for _ in range(FOLLOWERS)
    ]

    async def all_wait():
        return (await service.locks())["claims"]["waiters"] >= FOLLOWERS

    await until("the followers in the queue", all_wait)
    leaver.abort()
    lost.cancel()
    answers = sorted(each.status for each in await asyncio.gather(*followers))
    expect("the followers", answers, [201] + [409] * (FOLLOWERS - 1))
    gate.set()
    expect("agents", len(await all_agents(client)), 1)
    await expect_quiet(service)
    await service.stop()


async def writers_leave(place):
    """Cut off after any number of bytes, and at any moment of the write."""
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    service = await place.service()
    client = service.client
    before = len(await all_agents(client))
    expected = before

    for n in range(ROUNDS):
        body = agent(f"victim-{n}")
        data = client.encode("POST", "/v1/agents", json=body)
        victim = await open_connection(client)
        sent = len(data) if n % 2 == 0 else rng.randrange(1, len(data) + 1)
        victim.send(data[:sent]).cancel()
        # From right after the request was sent to long after it was served.
        others = [agent(f"innocent-{n}-{k}") for k in range(FOLLOWERS)]
        following = [asyncio.create_task(client.post("/v1/agents", each)) for each in others]
        for _ in range(rng.randrange(0, 12)):
            await client.get("/healthz")
        victim.abort()
        for each in await asyncio.gather(*following):
            expect(f"round {n}: an innocent caller", each.status, 201)
            expected += 1
        # The victim's agent is there or not; its keys are free for whoever comes next.
        again = await client.post("/v1/agents", body)
        expect(f"round {n}: the victim's own retry", again.status, 201, 409)
        expected += 1
        holder = (
            again.json()["agent_id"]
            if again.status == 201
            else again.json()["conflict"]["existing_agent_id"]
        )
        stored = (await client.get(f"/v1/agents/{holder}")).json()
        for field, value in body.items():
            expect(f"round {n}: {field}", stored[field], value)
    agents = await all_agents(client)
    expect("agents", len(agents), expected)
    changes = await all_changes(client)
    expect_gap_free(changes)
    expect("changes", sorted(c["agent_id"] for c in changes), sorted(a["agent_id"] for a in agents))
    await expect_quiet(service)
    await service.stop()


async def the_original_bug(place):
    """One URL: the victim writes, others wait for its key, the victim leaves."""
    service = await place.service()
    client = service.client
    for n in range(40):
        body = agent(f"contended-{n}")
        victim = await open_connection(client)
        answer = victim.send(client.encode("POST", "/v1/agents", json=body))
        followers = [asyncio.create_task(client.post("/v1/agents", body)) for _ in range(FOLLOWERS)]
        for _ in range(n % 4):
            await client.get("/healthz")
        victim.abort()
        statuses = sorted(each.status for each in await asyncio.gather(*followers))
        require(
            statuses in ([409] * FOLLOWERS, [201] + [409] * (FOLLOWERS - 1)),
            f"round {n}: the followers got {statuses}",
        )
        try:
            await answer
        except (ConnectionLost, asyncio.CancelledError):
            pass
    await expect_quiet(service)
    await service.stop()


async def disconnects(place):
    await holder_leaves_while_it_fetches(place)
    await writers_leave(place)
    await the_original_bug(place)


main(disconnects)
