#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
# Copyright (c) 2026 the corolock developers
"""A client reads all pages of a list while others insert and delete.

What was there before and after is seen exactly once, in every order of the list.
"""

import asyncio
import random

from support.scenario import agent, expect, main, require

AGENTS = 600
PAGE = 20
SORTS = ("registered_at", "-registered_at", "name", "-name", "last_updated_at", "-last_updated_at")


async def paginate(place):
    service = await place.service()
    client = service.client
    rng = random.Random(7)
    owners = {}
    number = 0

    async def insert():
        nonlocal number
        number += 1
        name = f"{rng.choice('abcxyz')}{number}"  # names that fall everywhere in the order
        answer = await client.post("/v1/agents", agent(name, agent_name=name))
        expect("registering", answer.status, 201)
        owners[answer.json()["agent_id"]] = answer.json()["owner_token"]

    async def delete(agent_id):
        token = owners.pop(agent_id)
        answer = await client.delete(f"/v1/agents/{agent_id}", token=token)
        expect("deleting", answer.status, 204)

    for _ in range(AGENTS // 20):
        await asyncio.gather(*(insert() for _ in range(20)))

    for sort in SORTS:
        before = set(owners)
        seen = []
        path = f"/v1/agents?limit={PAGE}&sort={sort}"
        while path:
            page, *_ = await asyncio.gather(
                client.get(path),
                insert(),
                insert(),
                *(delete(each) for each in rng.sample(sorted(owners), 2)),
            )
            expect(f"GET {path}", page.status, 200)
            seen += [each["agent_id"] for each in page.json()["agents"]]
            link = page.headers.get("link")
            cursor = page.json()["next_cursor"]
            expect("Link", link is not None, cursor is not None)
            path = link[1 : link.index(">")] if link else None
            if path:
                expect("rel", link.endswith('rel="next"'), True)
                require(f"cursor={cursor}" in path, f"{path} has not the cursor of the body")
        survivors = before & set(owners)
        require(len(survivors) > AGENTS / 3, f"only {len(survivors)} survivors: the test is weak")
        expect(f"agents seen twice, sorted by {sort}", len(seen) - len(set(seen)), 0)
        expect(f"survivors not seen, sorted by {sort}", sorted(survivors - set(seen)), [])
        for _ in range(AGENTS - len(owners)):
            await insert()
    await service.stop()


main(paginate)
