#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
# Copyright (c) 2026 the corolock developers
"""The clients of the Python service work unchanged: its routes, bodies and errors."""

import asyncio
import re
import uuid

from support.scenario import agent, expect, expect_quiet, main, require
from support.service import ServiceError

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
PROFILE = {
    "agent_id": str, "agent_name": str, "base_url": str, "description": str, "tags": list,
    "version": int, "registered_at": str, "last_updated_at": str,
}  # fmt: skip


def wish(name, **fields):
    return agent(name, agent_id=str(uuid.uuid4()), tags=["one", "two"], **fields)


async def register(client, body):
    return await client.post("/register", body)


def expect_conflict(what, answer):
    expect(what, answer.status, 409)
    detail = answer.json()["detail"]
    expect(f"{what}: error_code", detail["error_code"], "AGENT_ALREADY_REGISTERED")
    require(isinstance(detail["message"], str) and detail["message"], f"{what}: no message")
    return detail["message"]


def expect_422(what, answer, field=None):
    """FastAPI's shape of a validation error."""
    expect(what, answer.status, 422)
    for each in answer.json()["detail"]:
        expect(f"{what}: members", sorted(each)[:3], ["loc", "msg", "type"])
        require(isinstance(each["loc"], list) and each["loc"], f"{what}: loc")
    if field is not None:
        places = [each["loc"] for each in answer.json()["detail"]]
        expect(f"{what}: loc", places, [["body", field]])


async def all_entries(client):
    entries = []
    while True:
        page = await client.get(f"/register/new_entries?limit=100&offset={len(entries)}")
        expect("new_entries", page.status, 200)
        if not page.json():
            return entries
        entries += page.json()


async def documents(client):
    docs = await client.get("/docs")
    expect("/docs", docs.status, 200)
    require(docs.headers["content-type"].startswith("text/html"), "/docs is not HTML")
    expect("/redoc", (await client.get("/redoc")).status, 200)
    described = (await client.get("/openapi.json")).json()
    require("openapi" in described and "paths" in described, "/openapi.json")
    for path in ("/register", "/register/new_entries"):
        require(path in described["paths"], f"{path} is not described")


async def registering(client):
    body = wish("first")
    answer = await register(client, body)
    expect("registering", answer.status, 200)
    said = answer.json()
    expect("status", said["status"], "success")
    expect("agent_id", said["agent_id"], body["agent_id"])
    expect("version", said["version"], 1)

    listed = await client.get("/register/new_entries")
    expect("the list", listed.status, 200)
    require(isinstance(listed.json(), list), "the list is no bare array")
    (entry,) = listed.json()
    for name, kind in PROFILE.items():
        require(isinstance(entry[name], kind), f"{name} of a profile is {entry.get(name)!r}")
    for name, value in body.items():
        expect(name, entry[name], value)

    expect_conflict("an identical repeat", await register(client, body))
    expect_conflict("the same URL, another id",
                    await register(client, {**wish("other"), "base_url": body["base_url"]}))  # fmt: skip
    expect_conflict("the same id, another URL",
                    await register(client, {**wish("other"), "agent_id": body["agent_id"]}))  # fmt: skip
    message = expect_conflict(
        "the same name", await register(client, wish("other", agent_name=body["agent_name"]))
    )
    require("already taken" in message, f"the message of a name's conflict: {message!r}")
    for n in range(2):
        unnamed = await register(client, wish(f"unnamed-{n}", agent_name=""))
        expect("an empty name, which may repeat", unnamed.status, 200)
    for spelling in ("https://FIRST.example.com:443/a2a/", "https://first.example.com./%61%32a"):
        expect_conflict(
            f"the same URL as {spelling}", await register(client, wish("x", base_url=spelling))
        )

    # What may be left out, and what is not known.
    minimal = agent("minimal")
    answer = await register(client, minimal)
    expect("without id and tags", answer.status, 200)
    require(UUID.fullmatch(answer.json()["agent_id"]), "the id that the service made")
    answer = await register(client, wish("unknown-member", color="red"))
    expect("with a member that nobody knows", answer.status, 200)
    answer = await register(client, wish("upper") | {"agent_id": str(uuid.uuid4()).upper()})
    expect("with an id in capitals", answer.status, 200)
    for url in ("http://localhost:8000", "http://127.0.0.1:8001/a", "http://0.0.0.0:8002",
                "http://agent-service:8000/x", "http://printer.local"):  # fmt: skip
        answer = await register(client, wish(str(uuid.uuid4()), base_url=url))
        expect(f"registering {url}", answer.status, 200)


async def refusals(client):
    for field in ("agent_name", "base_url", "description"):
        body = wish("refused")
        del body[field]
        expect_422(f"without {field}", await register(client, body), field)
    for url in ("not-a-url", "http://example.com", "ftp://example.com", "https://", "", "https:///a",
                "https://u:p@example.com"):  # fmt: skip
        answer = await register(client, wish("refused", base_url=url))
        expect_422(f"base_url {url!r}", answer, "base_url")
    answer = await register(client, wish("refused") | {"agent_id": "not-a-uuid"})
    expect_422("agent_id not-a-uuid", answer, "agent_id")
    for field, value in (("tags", "one"), ("tags", [1]), ("description", 7), ("base_url", None)):
        answer = await register(client, wish("refused") | {field: value})
        expect_422(f"{field} {value!r}", answer)
    expect_422("a list", await client.post("/register", body=b"[]"))
    expect_422("no JSON", await client.post("/register", body=b"{"))
    for query in ("limit=-1", "limit=x", "offset=-1", "offset=x"):
        expect_422(query, await client.get(f"/register/new_entries?{query}"))


async def lists(client):
    before = await all_entries(client)
    bodies = [wish(f"page-{n}") for n in range(12)]
    for body in bodies:
        expect("registering", (await register(client, body)).status, 200)
    newest = (await client.get("/register/new_entries?limit=5")).json()
    expect("limit=5", len(newest), 5)
    names = [each["agent_name"] for each in newest]
    expect("newest first", names, [each["agent_name"] for each in reversed(bodies[-5:])])
    more = (await client.get("/register/new_entries?limit=7&offset=5")).json()
    names = [each["agent_name"] for each in more]
    expect("from 5 on", names, [each["agent_name"] for each in reversed(bodies[:7])])
    expect("all", len(await all_entries(client)), len(before) + 12)
    expect("beyond", (await client.get("/register/new_entries?offset=100000")).json(), [])
    expect("none", (await client.get("/register/new_entries?limit=0")).status, 200, 422)


async def concurrency(client):
    body = wish("concurrent")
    answers = await asyncio.gather(*(register(client, body) for _ in range(5)))
    expect("five of one", sorted(each.status for each in answers), [200] + [409] * 4)
    answers = await asyncio.gather(*(register(client, wish(f"distinct-{n}")) for n in range(10)))
    expect("ten of ten", [each.status for each in answers], [200] * 10)


async def restart(place, service):
    before = await all_entries(service.client)
    await service.stop()
    service = await place.service(dev=False)
    expect("the list after a restart", await all_entries(service.client), before)
    return service


async def corrupt_store(place):
    """A file that is no database: nothing of it is lost, whatever the service does about it."""
    store = place.directory / "corrupt"
    store.mkdir()
    file = store / "agents.db"
    contents = b'{"agents": [ "of another service" '
    file.write_bytes(contents)
    try:
        service = await place.service(storage=f"sqlite:{file}")
        await service.stop()
    except ServiceError as refused:
        require("agents.db" in str(refused), f"the refusal does not name the file: {refused}")
    kept = [each.read_bytes() for each in store.iterdir()]
    require(contents in kept, "the contents of a corrupt store were destroyed")


async def python_routes(place):
    service = await place.service(dev=False)  # also: an absent store starts
    client = service.client
    await documents(client)
    await registering(client)
    await refusals(client)
    await lists(client)
    await concurrency(client)
    await expect_quiet(service)
    if place.storage_kind != "memory":
        service = await restart(place, service)
    await service.stop()
    if place.storage_kind == "sqlite":
        await corrupt_store(place)


main(python_routes)
