#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
# Copyright (c) 2026 the corolock developers
"""Ten thousand rounds (on PostgreSQL a thousand, each commit is a round trip) of four registrations that want two URLs and two names crosswise.

In every round exactly two get what they want, and no round ever stops.
"""

import asyncio

from support.scenario import agent, all_agents, expect, expect_quiet, main, require

ROUNDS = {"memory": 10_000, "sqlite": 10_000, "postgresql": 1000}
AT_ONCE = 16


async def crossing(place):
    service = await place.service()
    client = service.client
    await client.connect(4 * AT_ONCE)
    count = ROUNDS[place.storage_kind]
    rounds = iter(range(count))
    outcomes = {}

    async def play(n):
        def wish(url, name):
            return agent(f"{url}-{n}", agent_name=f"{name} {n}")

        # In the order in which they are sent, each crosses the one before.
        wishes = {"u1n2": wish("u1", "n2"), "u1n1": wish("u1", "n1"),
                  "u2n1": wish("u2", "n1"), "u2n2": wish("u2", "n2")}  # fmt: skip
        order = list(wishes)
        order = order[n % 4 :] + order[: n % 4]
        answers = await asyncio.gather(*(client.post("/v1/agents", wishes[k]) for k in order))
        by_wish = dict(zip(order, answers))
        won = sorted(k for k, each in by_wish.items() if each.status == 201)
        require(
            won in (["u1n1", "u2n2"], ["u1n2", "u2n1"]),
            f"round {n}: {[(k, each.status, each.body[:200]) for k, each in by_wish.items()]}",
        )
        for k, each in by_wish.items():
            if k not in won:
                expect(f"round {n}, {k}", each.status, 409)
                holder = each.json()["conflict"]["existing_agent_id"]
                require(
                    holder in [by_wish[w].json()["agent_id"] for w in won],
                    f"round {n}: {k} was refused for {holder}, which nobody registered",
                )
        for k in won:
            outcomes[by_wish[k].json()["agent_id"]] = wishes[k]

    async def player():
        for n in rounds:
            await play(n)

    await asyncio.gather(*(player() for _ in range(AT_ONCE)))
    agents = await all_agents(client)
    expect("agents", len(agents), 2 * count)
    for each in agents:
        wish = outcomes[each["agent_id"]]
        for field in ("base_url", "agent_name"):
            expect(field, each[field], wish[field])
    expect("distinct urls", len({each["base_url"] for each in agents}), 2 * count)
    expect("distinct names", len({each["agent_name"] for each in agents}), 2 * count)
    await expect_quiet(service)
    await service.stop()


main(crossing, limit=170)
