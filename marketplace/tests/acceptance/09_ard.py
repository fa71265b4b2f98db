#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
# Copyright (c) 2026 the corolock developers
"""Every MUST of ARD v0.91 on a registry, and of AI Catalog on a manifest."""

import datetime
import json
import re
from urllib.parse import quote

from support.card_host import card_v03, card_v1
from support.scenario import agent, expect, expect_quiet, main, require

BASE = "/api/ard"
CARD = "application/a2a-agent-card+json"
LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
IDENTIFIER = re.compile(rf"urn:air:{LABEL}(?:\.{LABEL})+(?::[A-Za-z0-9._~-]+)+")
MEDIA_TYPE = re.compile(r"[a-z]+/[a-z0-9.+-]+")


def check_entry(entry, in_result=False):
    """An entry of a manifest, a list or GET /agents/{identifier}."""
    name = entry.get("identifier")
    require(IDENTIFIER.fullmatch(name or ""), f"identifier {name!r}")
    require(isinstance(entry["displayName"], str) and entry["displayName"], f"{name}: displayName")
    require(MEDIA_TYPE.fullmatch(entry["type"]), f"{name}: type")
    require(("url" in entry) != ("data" in entry), f"{name}: exactly one of url and data")
    if "url" in entry:
        require(re.match(r"https?://[^/]+", entry["url"]), f"{name}: url {entry['url']!r}")
    else:
        require(isinstance(entry["data"], dict), f"{name}: data")
    for member in ("tags", "capabilities", "representativeQueries"):
        value = entry.get(member, [])
        texts = isinstance(value, list) and all(isinstance(each, str) for each in value)
        require(texts, f"{name}: {member} is {value!r}")
    if "representativeQueries" in entry:
        require(2 <= len(entry["representativeQueries"]) <= 5, f"{name}: representativeQueries")
    if "updatedAt" in entry:
        datetime.datetime.fromisoformat(entry["updatedAt"].replace("Z", "+00:00"))
    for member in ("description", "version"):
        require(isinstance(entry.get(member, ""), str), f"{name}: {member}")
    if not in_result:
        for member in ("score", "source"):
            require(member not in entry, f"{name}: {member} outside of a search")


def expect_error(what, answer, status, code):
    expect(what, answer.status, status)
    expect(f"{what}: errorCode", answer.json()["errorCode"], code)
    require(isinstance(answer.json()["message"], str), f"{what}: message")


async def search(client, text, **more):
    query = {"text": text}
    if "filter" in more:
        query["filter"] = more.pop("filter")
    answer = await client.post(f"{BASE}/search", {"query": query, **more})
    expect(f"searching {query} {more}", answer.status, 200)
    results = answer.json()["results"]
    scores = [each["score"] for each in results]
    for each in results:
        check_entry(each, in_result=True)
        is_score = isinstance(each["score"], int) and 0 <= each["score"] <= 100
        require(is_score, f"score {each['score']!r}")
        require(re.match(r"https?://", each["source"]), f"source {each['source']!r}")
    expect("the order of scores", scores, sorted(scores, reverse=True))
    return answer.json()


def names(page):
    return sorted(each["displayName"] for each in page["results"])


async def register_some(client, host):
    """Agents of three publishers, with and without cards."""
    made = {}
    provider = {"url": "https://acme.example.org", "organization": "Acme"}
    bodies = {
        "forecaster": agent("forecaster", agent_name="Forecaster", tags=["weather", "europe"],
                            description="Weather forecasts for sailors",
                            card=card_v1("Forecaster", "https://forecaster.example.com/a2a",
                                         provider=provider)),
        "barometer": agent("barometer", agent_name="Barometer", tags=["weather", "asia"],
                           description="Weather readings of today",
                           card=card_v03("Barometer", "https://barometer.example.com/a2a")),
        "translator": agent("translator", agent_name="Translator", tags=["language"],
                            description="Translates between languages"),
        "fetched": {"base_url": host.url("/fetched"), "fetch_card": True,
                    "agent_name": "Fetched", "description": "Has its card fetched"},
        "gone": agent("gone", agent_name="Gone", description="Weather of yesterday"),
    }  # fmt: skip
    for key, body in bodies.items():
        answer = await client.post("/v1/agents", body)
        expect(f"registering {key}", answer.status, 201)
        made[key] = answer.json()
    gone = made["gone"]
    await client.delete(f"/v1/agents/{gone['agent_id']}", token=gone["owner_token"])
    return made


async def manifest(client, made):
    documents = []
    for path in ("/.well-known/ard.json", "/.well-known/ai-catalog.json"):
        answer = await client.get(path)
        expect(path, answer.status, 200)
        kind = answer.headers["content-type"].split(";")[0]
        expect(f"the type of {path}", kind, "application/ai-catalog+json", "application/json")
        documents.append(answer)
    expect("one document at both paths", documents[0].body, documents[1].body)
    expect("the type of the AI Catalog", documents[1].headers["content-type"].split(";")[0],
           "application/ai-catalog+json")  # fmt: skip
    document = documents[0].json()
    require(isinstance(document["specVersion"], str), "specVersion")
    require(isinstance(document["host"], dict) and document["host"].get("displayName"), "host")
    for entry in document["entries"]:
        check_entry(entry)
    identifiers = [entry["identifier"] for entry in document["entries"]]
    expect("entries twice", len(identifiers), len(set(identifiers)))
    for key in ("forecaster", "barometer", "translator"):
        require(made[key]["urn"] in identifiers, f"{key} is not in the manifest")
    require(made["gone"]["urn"] not in identifiers, "a deleted agent is in the manifest")

    # A client finds the search by the entry of its type.
    registries = [e for e in document["entries"] if e["type"] == "application/ai-registry+json"]
    expect("entries that name a registry", len(registries), 1)
    require(registries[0]["url"].rstrip("/").endswith(BASE), f"its url: {registries[0]['url']}")

    etag = documents[0].headers["etag"]
    again = await client.get("/.well-known/ard.json", headers={"If-None-Match": etag})
    expect("the manifest again", again.status, 304)


async def searching(client, made):
    page = await search(client, "weather")
    expect("weather", names(page), ["Barometer", "Forecaster"])
    expect("the type of an agent", page["results"][0]["type"], CARD)
    one = await search(client, "sailors")
    expect("sailors", names(one), ["Forecaster"])
    expect("its identifier", one["results"][0]["identifier"], made["forecaster"]["urn"])
    expect("nothing", names(await search(client, "xylophone")), [])
    for mode in ("auto", "referrals", "none"):
        expect(f"federation {mode}", names(await search(client, "weather", federation=mode)),
               ["Barometer", "Forecaster"])  # fmt: skip

    # One of the values of a key, and all keys.
    cases = [
        ({"tags": ["europe"]}, ["Forecaster"]),
        ({"tags": ["europe", "asia"]}, ["Barometer", "Forecaster"]),
        ({"tags": "asia"}, ["Barometer"]),
        ({"tags": ["europe"], "type": [CARD]}, ["Forecaster"]),
        ({"tags": ["europe", "asia"], "type": ["application/mcp-server-card+json"]}, []),
        ({"type": ["text/plain", CARD]}, ["Barometer", "Forecaster"]),
        ({"publisher": ["acme.example.org"]}, ["Forecaster"]),
        ({"publisher": ["nobody.example"]}, []),
    ]
    for constraint, expected in cases:
        page = await search(client, "weather", filter=constraint)
        expect(f"filter {constraint}", names(page), expected)
    unknown = {"query": {"text": "weather", "filter": {"trustManifest.attestations.type": ["x"]}}}
    answer = await client.post(f"{BASE}/search", unknown)
    if answer.status == 200:
        expect("a filter that nothing satisfies", answer.json()["results"], [])
    else:
        expect_error("a filter that is not supported", answer, 400, "INVALID_ARGUMENT")

    good = {"query": {"text": "weather"}}
    bad = {
        "no query": {},
        "no text": {"query": {}},
        "a text that is none": {"query": {"text": 7}},
        "an empty text": {"query": {"text": " "}},
        "a query that is none": {"query": "weather"},
        "a filter that is none": {"query": {"text": "weather", "filter": []}},
        "a value of a filter that is none": {"query": {"text": "w", "filter": {"tags": [{}]}}},
        "an unknown federation": good | {"federation": "all"},
        "pageSize 0": good | {"pageSize": 0},
        "pageSize -1": good | {"pageSize": -1},
        "pageSize 101": good | {"pageSize": 101},
        "pageSize five": good | {"pageSize": "5"},
        "a foreign pageToken": good | {"pageToken": "eyJwYWdlIjogMn0="},
        "a pageToken that is none": good | {"pageToken": 2},
    }
    for what, body in bad.items():
        answer = await client.post(f"{BASE}/search", body)
        expect_error(what, answer, 400, "INVALID_ARGUMENT")
    for what, body in {"half": b'{"query"', "a list": b"[]", "nothing": b""}.items():
        answer = await client.post(f"{BASE}/search", body=body)
        expect_error(what, answer, 400, "INVALID_ARGUMENT")


async def paging(client):
    for n in range(30):
        body = agent(f"buoy-{n}", tags=["buoy"], description=f"A buoy, number {n}")
        expect("registering", (await client.post("/v1/agents", body)).status, 201)
    expect("the page's size if none is asked for", len((await search(client, "buoy"))["results"]), 10)
    expect("100 at once", len((await search(client, "buoy", pageSize=100))["results"]), 30)
    seen, token = [], None
    while True:
        page = await search(client, "buoy", pageSize=7, **({"pageToken": token} if token else {}))
        seen += [each["identifier"] for each in page["results"]]
        token = page.get("pageToken")
        if not token:
            break
        require(len(page["results"]) == 7, "a page that is not the last is not full")
    expect("all pages", (len(seen), len(set(seen))), (30, 30))


async def retrieving(client, made):
    urn = made["forecaster"]["urn"]
    encoded = quote(urn, safe="")
    answer = await client.get(f"{BASE}/agents/{encoded}")
    expect("an entry", answer.status, 200)
    entry = answer.json()
    check_entry(entry)
    expect("its identifier", entry["identifier"], urn)
    expect("its name", entry["displayName"], "Forecaster")
    plain = await client.get(f"{BASE}/agents/{urn}")
    expect("with bare colons", (plain.status, plain.body), (200, answer.body))
    lower = await client.get(f"{BASE}/agents/{encoded.replace('%3A', '%3a')}")
    expect("with %3a", (lower.status, lower.body), (200, answer.body))
    if "data" in entry:
        expect("the card", entry["data"]["name"], "Forecaster")

    expect_error("other capitals", await client.get(f"{BASE}/agents/{urn.upper()}"),
                 *((400, "INVALID_ARGUMENT") if not IDENTIFIER.fullmatch(urn.upper())
                   else (404, "NOT_FOUND")))  # fmt: skip
    name = urn.rpartition(":")[2]
    other = urn.removesuffix(name) + name.upper()
    expect_error("a name in capitals", await client.get(f"{BASE}/agents/{other}"), 404, "NOT_FOUND")
    for what, path in {
        "nobody": "urn:air:nobody.example:agents:x",
        "a deleted agent": made["gone"]["urn"],
    }.items():
        answer = await client.get(f"{BASE}/agents/{quote(path, safe='')}")
        expect_error(what, answer, 404, "NOT_FOUND")
    twice = quote(encoded, safe="")
    for what, path in {
        "encoded twice": twice,
        "bad percent-encoding": "urn%3Aair%zz",
        "half an escape": "urn%3",
        "not UTF-8": "urn%3Aair%ff",
        "another scheme": "urn%3Auuid%3A123",
        "an agent_id": made["forecaster"]["agent_id"],
        "a publisher alone": "urn:air:acme.example.org",
    }.items():
        answer = await client.get(f"{BASE}/agents/{path}")
        expect_error(what, answer, 400, "INVALID_ARGUMENT")

    again = await client.get(
        f"{BASE}/agents/{encoded}", headers={"If-None-Match": plain.headers["etag"]}
    )
    expect("the entry again", again.status, 304)


async def optional(client):
    """What a registry may leave out; what it offers has to be right."""
    listed = await client.get(f"{BASE}/agents?pageSize=4")
    expect("GET /agents", listed.status, 200, 404, 501)
    if listed.status == 200:
        seen, token = [], ""
        total = listed.json()["total"]
        while token is not None:
            page = await client.get(f"{BASE}/agents?pageSize=4" + (token and f"&pageToken={token}"))
            expect("a page", page.status, 200)
            for entry in page.json()["items"]:
                check_entry(entry)
                seen.append(entry["identifier"])
            token = page.json().get("pageToken") or None
            token = quote(token) if token else None
        expect("all pages", (len(seen), len(set(seen))), (total, total))
        standard = await client.get(f"{BASE}/agents")
        expect("the page's size", len(standard.json()["items"]), min(20, total))
        for query in ("pageSize=0", "pageSize=101", "pageSize=x", "pageToken=x", "orderBy=colour",
                      "filter=colour%20%3D%20red"):  # fmt: skip
            answer = await client.get(f"{BASE}/agents?{query}")
            expect_error(query, answer, 400, "INVALID_ARGUMENT")

    facets = {"resultType": {"facets": [{"field": "type"}, {"field": "tags", "limit": 1}]}}
    answer = await client.post(f"{BASE}/explore", facets)
    expect("POST /explore", answer.status, 200, 404, 501)
    if answer.status == 200:
        said = answer.json()
        expect("resultType", said["resultType"], "facets")
        (types,) = said["facets"]["type"]["buckets"]
        expect("the only type", types["value"], CARD)
        tags = said["facets"]["tags"]
        expect("the most frequent tag", tags["buckets"], [{"value": "buoy", "count": 30}])
        require(tags["otherCount"] > 0, "otherCount")
        narrowed = await client.post(f"{BASE}/explore", facets | {"query": {"text": "sailors"}})
        expect("narrowed", narrowed.json()["facets"]["type"]["buckets"], [
            {"value": CARD, "count": 1}])  # fmt: skip
        for what, body in {
            "no resultType": {},
            "no facets": {"resultType": {}},
            "an unknown field": {"resultType": {"facets": [{"field": "colour"}]}},
        }.items():
            answer = await client.post(f"{BASE}/explore", body)
            expect_error(what, answer, 400, "INVALID_ARGUMENT")


async def ard(place):
    def fetched(path, headers):
        card = card_v1("Fetched", host.url("/fetched"),
                       provider={"url": "https://acme.example.org", "organization": "Acme"})  # fmt: skip
        return 200, {"Content-Type": "application/json"}, json.dumps(card).encode()

    host = await place.card_host(fetched)
    service = await place.service()
    client = service.client
    made = await register_some(client, host)
    await manifest(client, made)
    await searching(client, made)
    await paging(client)
    await retrieving(client, made)
    await optional(client)
    await expect_quiet(service)
    await service.stop()


main(ard)
