#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
# Copyright (c) 2026 the corolock developers
"""A deleted agent frees its URL and its name at once; its id is never given again."""

import asyncio

from support.scenario import (
    agent, all_agents, all_changes, expect, expect_gap_free, expect_quiet, main,
)  # fmt: skip

ROUNDS = 100


async def reuse(place):
    service = await place.service()
    client = service.client
    body = agent("phoenix")

    made = await client.post("/v1/agents", body)
    ids = [made.json()["agent_id"]]
    for n in range(ROUNDS):
        token = made.json()["owner_token"]
        path = f"/v1/agents/{ids[-1]}"
        taken = await client.post("/v1/agents", body)
        expect("the URL while it is held", taken.status, 409)
        stranger = await client.delete(path)
        expect("deleting without the token", stranger.status, 401)
        stranger = await client.delete(path, token="mo_0123456789abcdef")
        expect("deleting with another's token", stranger.status, 403)
        if n % 2:
            stale = await client.delete(path, token=token, headers={"If-Match": '"no"'})
            expect("deleting another version", stale.status, 412)
        gone = await client.delete(path, token=token)
        expect("deleting", (gone.status, gone.body), (204, b""))
        made = await client.post("/v1/agents", body)
        expect("the URL and the name after that", made.status, 201)
        ids.append(made.json()["agent_id"])
        expect("the old id", (await client.get(path)).status, 410)
        expect("deleting it again", (await client.delete(path, token=token)).status, 410)
        reborn = await client.post("/v1/agents", agent(f"other-{n}", agent_id=ids[-2]))
        expect("the old id in a new registration", reborn.status, 409)
        expect("its field", reborn.json()["conflict"]["field"], "agent_id")

    # Deleted and registered at once, by many: one gets it.
    token = made.json()["owner_token"]
    answers = await asyncio.gather(
        client.delete(f"/v1/agents/{ids[-1]}", token=token),
        *(client.post("/v1/agents", body) for _ in range(20)),
    )
    expect("deleting", answers[0].status, 204)
    statuses = [each.status for each in answers[1:]]
    expect("those that are neither 201 nor 409", [s for s in statuses if s not in (201, 409)], [])
    expect("more than one", statuses.count(201) > 1, False)
    if 201 not in statuses:  # all were before the deletion
        expect("registering", (await client.post("/v1/agents", body)).status, 201)
    expect("agents", len(await all_agents(client)), 1)
    expect("with those deleted", len(await all_agents(client, "&include_deleted=true")), ROUNDS + 2)
    changes = await all_changes(client)
    expect_gap_free(changes)
    expect("deletions told", [c["kind"] for c in changes].count("deleted"), ROUNDS + 1)
    await expect_quiet(service)
    await service.stop()


main(reuse)
