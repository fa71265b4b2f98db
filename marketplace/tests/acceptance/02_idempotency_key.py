#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
# Copyright (c) 2026 the corolock developers
"""A thousand clients register one agent with one Idempotency-Key.

There is one agent; every reply is the stored one or says that the request is being served.
"""

import asyncio

from support.scenario import agent, all_agents, expect, expect_quiet, main, require

CLIENTS = 1000
KEY = {"Idempotency-Key": '"storm-1"'}


async def one_key(place):
    host = await place.card_host()
    service = await place.service()
    client = service.client
    await client.connect(CLIENTS)
    body = agent("once", base_url=host.url("/once"), fetch_card=True)

    answers = await asyncio.gather(
        *(client.post("/v1/agents", body, headers=KEY) for _ in range(CLIENTS))
    )
    stored = [each for each in answers if each.status == 201]
    busy = [each for each in answers if each.status == 409]
    require(stored, "nobody was answered 201")
    expect("answers with 201 or 409", len(stored) + len(busy), CLIENTS)
    for each in stored:
        expect("the stored body", each.body, stored[0].body)
        for name in ("location", "etag"):
            expect(f"the stored {name}", each.headers[name], stored[0].headers[name])
    for each in busy:
        expect("errorCode", each.json()["errorCode"], "IN_FLIGHT")
        expect("Retry-After", each.headers["retry-after"], "1")
    expect("agents", len(await all_agents(client)), 1)
    expect("fetches of the card", len(host.requests), 1)

    # Later, and after a restart: the same reply; for another body, none.
    if place.storage_kind != "memory":
        await service.stop()
        service = await place.service()
        client = service.client
    again = await client.post("/v1/agents", body, headers=KEY)
    expect("the reply later", (again.status, again.body), (201, stored[0].body))
    unquoted = await client.post("/v1/agents", body, headers={"Idempotency-Key": "storm-1"})
    expect("the reply to the bare key", (unquoted.status, unquoted.body), (201, stored[0].body))
    other = await client.post("/v1/agents", agent("other"), headers=KEY)
    expect("another body", (other.status, other.json()["errorCode"]), (422, "IDEMPOTENCY_KEY_REUSED"))
    expect("agents", len(await all_agents(client)), 1)

    # A refusal is stored, too; what was refused for the body's sake stays refused.
    refusal = {"Idempotency-Key": "refused"}
    first = await client.post("/v1/agents", body, headers=refusal)
    second = await client.post("/v1/agents", body, headers=refusal)
    expect("a conflict", first.status, 409)
    expect("its replay", (second.status, second.json()), (409, first.json()))

    # So is what an owner is told who repeats a registration: it is no refusal, and stores no agent.
    plain = agent("plain")
    owner = {"token": (await client.post("/v1/agents", plain)).json()["owner_token"]}
    repeat = {"Idempotency-Key": "repeat"}
    first = await client.post("/v1/agents", plain, headers=repeat, **owner)
    second = await client.post("/v1/agents", plain, headers=repeat, **owner)
    other = await client.post("/v1/agents", agent("another"), headers=repeat, **owner)
    expect("the owner's repeat", first.status, 200)
    expect("its replay", (second.status, second.body), (200, first.body))
    expect("Idempotency-Replayed", second.headers.get("idempotency-replayed"), "true")
    expect("another body", (other.status, other.json()["errorCode"]), (422, "IDEMPOTENCY_KEY_REUSED"))
    await expect_quiet(service)
    await service.stop()


main(one_key)
