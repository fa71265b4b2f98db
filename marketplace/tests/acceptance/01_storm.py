#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
# Copyright (c) 2026 the corolock developers
"""A thousand clients register one base_url, spelled in ten ways, with ids of their own.

One gets 201, the others 409 that name it; the agent's card is fetched once.
"""

import asyncio
import uuid

from support.scenario import agent, all_agents, expect, expect_quiet, main

CLIENTS = 1000


def spellings(port):
    host = f"127.0.0.1:{port}"
    return [
        f"http://{host}/agents/a",
        f"http://{host}/agents/a/",
        f"http://{host}/agents/a//",
        f"HTTP://{host}/agents/a",
        f"http://{host}/agents/%61",
        f"http://{host}/%61gents/a/",
        f"http://{host}/agents/./a",
        f"http://{host}/x/../agents/a",
        f"http://{host}/agents/a/.",
        f"http://127.0.0.1:0{port}/agents/a",
    ]


async def storm(place):
    host = await place.card_host()
    service = await place.service()
    client = service.client
    await client.connect(CLIENTS)
    urls = spellings(host.port)

    async def register(n):
        body = agent(n, agent_id=str(uuid.uuid4()), base_url=urls[n % len(urls)], fetch_card=True)
        return await client.post("/v1/agents", body)

    answers = await asyncio.gather(*(register(n) for n in range(CLIENTS)))
    winners = [each for each in answers if each.status == 201]
    losers = [each for each in answers if each.status == 409]
    expect("answers with 201", len(winners), 1)
    expect("answers with 409", len(losers), CLIENTS - 1)
    winner = winners[0].json()["agent_id"]
    for each in losers:
        conflict = each.json()["conflict"]
        expect("conflict.field", conflict["field"], "base_url")
        expect("conflict.existing_agent_id", conflict["existing_agent_id"], winner)
        expect("Location", each.headers["location"], f"/v1/agents/{winner}")
    expect("fetches of the card", host.paths(), ["/agents/a/.well-known/agent-card.json"])
    expect("agents", [each["agent_id"] for each in await all_agents(client)], [winner])
    await expect_quiet(service)
    await service.stop()


main(storm)
