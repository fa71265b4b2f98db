#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
# Copyright (c) 2026 the corolock developers
"""Cards that were fetched are looked at again, by one process of those on one PostgreSQL.

One that is as it was changes nothing; another one is taken over; one that does not come keeps the
one that is there; and an owner's change is never undone.
"""

import asyncio
import json

from support.card_host import card_v1
from support.scenario import agent, expect, expect_quiet, main, require, until

RESULTS = ("unchanged", "changed", "failed", "overtaken")


class Cards:
    """What the host answers: the card of a path, as it is by now."""

    def __init__(self):
        self.description = {}  # path: of its card
        self.broken = set()
        self.hold = {}  # path: an event to wait for
        self.not_modified = 0

    async def answer(self, path, headers):
        if path in self.hold:
            await self.hold[path].wait()
        if path in self.broken:
            return 500, {}, b""
        etag = f'"{len(self.description[path])}"'
        if headers.get("if-none-match") == etag:
            self.not_modified += 1
            return 304, {"ETag": etag}, b""
        card = card_v1(path[1:], f"http://{headers['host']}{path}")
        card["description"] = self.description[path]
        return 200, {"Content-Type": "application/json", "ETag": etag}, json.dumps(card).encode()


async def looks(services):
    """How often something was found, in all processes together."""
    metrics = [await each.metrics() for each in services]
    return {
        result: sum(
            each.get(f'marketplace_card_looks_total{{result="{result}"}}', 0) for each in metrics
        )
        for result in RESULTS
    }


async def refreshers(services):
    return sum([(await each.metrics())["marketplace_card_refresher"] for each in services])


async def refreshed(place):
    cards = Cards()
    host = await place.card_host(cards.answer)
    count = 2 if place.storage_kind == "postgresql" else 1
    services = [await place.service("--refresh-cards", "1") for _ in range(count)]
    client = services[0].client

    async def found(result, times=1):
        before = (await looks(services))[result]

        async def more():
            return (await looks(services))[result] >= before + times

        await until(f"a card {result}", more)

    async def of(path):
        return (await client.get(f"/v1/agents/{ids[path]}")).json()

    ids, tokens = {}, {}
    for path in ("/a", "/b"):
        cards.description[path] = f"of {path}"
        answer = await client.post(
            "/v1/agents", agent(path[1:], card_url=host.url(path))
        )
        expect("a registration", answer.status, 201)
        ids[path] = answer.json()["agent_id"]
        tokens[path] = answer.json()["owner_token"]
    given = await client.post(
        "/v1/agents", agent("given", card=card_v1("given", "https://given.example.com/a2a"))
    )
    expect("a registration with its card", given.status, 201)

    await found("unchanged", 4)
    require(cards.not_modified >= 4, f"{cards.not_modified} answers of 304")
    changes = (await client.get("/v1/changes")).json()["changes"]
    expect("changes while the cards are as they were", len(changes), 3)
    expect("processes that look", await refreshers(services), 1)

    cards.description["/a"] = "of /a, and by now of much more"
    await found("changed")
    after = await of("/a")
    expect("the version of the one that changed", after["version"], 2)
    audit = await client.get(f"/v1/agents/{ids['/a']}/history", token=tokens["/a"])
    newest = audit.json()["entries"][0]
    expect("who did it", (newest["actor"], newest["action"]), ("card refresher", "refresh"))
    card = (await client.get(f"/v1/agents/{ids['/a']}/card")).json()
    expect("the card", card["description"], cards.description["/a"])
    expect("the version of the other", (await of("/b"))["version"], 1)

    cards.broken.add("/b")
    await found("failed")
    expect("the version of one whose host fails", (await of("/b"))["version"], 1)
    cards.broken.clear()

    # The owner changes the agent while its host has not answered yet: that is what stays.
    cards.hold["/b"] = asyncio.Event()
    cards.description["/b"] = "of /b, another one"
    asked = len(host.requests)
    await until("the host is asked", lambda: "/b" in host.paths()[asked:])
    before = await client.get(f"/v1/agents/{ids['/b']}")
    answer = await client.put(
        f"/v1/agents/{ids['/b']}",
        agent("b", description="What its owner says"),
        headers={"If-Match": before.headers["etag"]},
        token=tokens["/b"],
    )
    expect("the owner's change", answer.status, 200)
    cards.hold.pop("/b").set()
    await found("overtaken")
    expect("the description", (await of("/b"))["description"], "What its owner says")

    for each in services:
        await expect_quiet(each)

    # A stop does not wait for hosts that never answer: one at a time they would take minutes.
    many = [f"/many-{n}" for n in range(60)]
    for path in many:
        cards.description[path] = path
        cards.hold[path] = asyncio.Event()
    for path in many:
        cards.hold[path].set()
        answer = await client.post("/v1/agents", agent(path[1:], card_url=host.url(path)))
        expect("one of many registrations", answer.status, 201)
        cards.hold[path].clear()
    asked = len(host.requests)
    await until("a silent host is asked", lambda: len(host.requests) > asked)
    for each in services:
        await each.stop()


main(refreshed)
