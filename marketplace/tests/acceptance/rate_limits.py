#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
# Copyright (c) 2026 the corolock developers
"""Rate limits as they are by default: who asks too often is told so, and when to come back."""

import re

from support.scenario import agent, expect, main, require

QUOTA_EXCEEDED = "https://iana.org/assignments/http-problem-types#quota-exceeded"
POLICY = '"register";q=10;w=60'


def remaining(answer):
    """(r, t) of the RateLimit field"""
    found = re.fullmatch(r'"register";r=(\d+);t=(\d+)', answer.headers["ratelimit"])
    require(found, f"RateLimit: {answer.headers['ratelimit']!r}")
    return int(found.group(1)), int(found.group(2))


async def native(client):
    for n in range(10):
        answer = await client.post("/v1/agents", agent(f"native-{n}"))
        expect(f"registration {n + 1}", answer.status, 201)
        expect("RateLimit-Policy", answer.headers["ratelimit-policy"], POLICY)
        left, _ = remaining(answer)
        require(left <= 9 - n + 1, f"{left} requests left after {n + 1}")
    answer = await client.post("/v1/agents", agent("too-many"))
    expect("registration 11", answer.status, 429)
    expect("RateLimit-Policy", answer.headers["ratelimit-policy"], POLICY)
    expect("requests left", remaining(answer)[0], 0)
    wait = int(answer.headers["retry-after"])
    # By GCRA one more is allowed after a tenth of the minute, not at the end of it.
    require(1 <= wait <= 7, f"Retry-After: {wait}")
    problem = answer.json()
    expect("type", problem["type"], QUOTA_EXCEEDED)
    expect("errorCode", problem["errorCode"], "RATE_LIMIT_EXCEEDED")
    expect("Content-Type", answer.headers["content-type"], "application/problem+json")
    for member in ("title", "status", "detail", "instance", "message", "request_id"):
        require(member in problem, f"the problem has no {member}")
    return wait


async def nothing_else(client):
    """What is not registering goes on."""
    for _ in range(30):
        expect("GET", (await client.get("/v1/agents")).status, 200)
        expect("/register/new_entries", (await client.get("/register/new_entries")).status, 200)
        expect("/healthz", (await client.get("/healthz")).status, 200)


async def python_route(place):
    service = await place.service(limits=True, storage="memory")
    client = service.client
    for _ in range(30):
        expect("new_entries", (await client.get("/register/new_entries")).status, 200)
    for n in range(10):
        answer = await client.post("/register", agent(f"python-{n}"))
        expect(f"registration {n + 1}", answer.status, 200)
    answer = await client.post("/register", agent("too-many"))
    expect("registration 11", answer.status, 429)
    expect("error_code", answer.json()["error_code"], "RATE_LIMIT_EXCEEDED")
    require(isinstance(answer.json()["message"], str), "message")
    require(1 <= int(answer.headers["retry-after"]) <= 7, "Retry-After")
    await nothing_else(client)
    await service.stop()


async def clients_apart(place):
    """Behind a trusted proxy each client has its own quota; a stranger cannot choose one."""
    service = await place.service("--trusted-proxy", "127.0.0.1", limits=True, storage="memory")
    client = service.client
    for peer in ("192.0.2.1", "192.0.2.2"):
        forged = {"X-Forwarded-For": f"198.51.100.7, {peer}"}
        for n in range(11):
            answer = await client.post("/v1/agents", agent(f"p{peer[-1]}-{n}"), headers=forged)
            expect(f"registration {n + 1} of {peer}", answer.status, 201 if n < 10 else 429)
    other = {"X-Forwarded-For": "192.0.2.1, 198.51.100.7"}
    answer = await client.post("/v1/agents", agent("seven"), headers=other)
    expect("the client of another proxy's making", answer.status, 201)
    await service.stop()

    service = await place.service(limits=True, storage="memory")
    client = service.client
    for n in range(11):
        forged = {"X-Forwarded-For": f"203.0.113.{n}"}
        answer = await client.post("/v1/agents", agent(f"forged-{n}"), headers=forged)
        expect(f"registration {n + 1} with a forged address", answer.status, 201 if n < 10 else 429)
    await service.stop()


async def rate_limits(place):
    service = await place.service(limits=True)
    await native(service.client)
    await nothing_else(service.client)
    expect("registration 12", (await service.client.post("/v1/agents", agent("more"))).status, 429)
    limited = {k: v for k, v in (await service.metrics()).items() if "rate_limited_total" in k}
    expect("refusals in /metrics", list(limited.values()), [2.0])
    await service.stop()
    await python_route(place)
    await clients_apart(place)


main(rate_limits)
