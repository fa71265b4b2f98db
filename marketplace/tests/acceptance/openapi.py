#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
# Copyright (c) 2026 the corolock developers
"""/openapi.json and the routes are one and the same, and answers are what it says they are."""

import json
import re
import subprocess

from support.card_host import card_v1
from support.schema import Validator
from support.scenario import agent, expect, main, require

METHODS = ("get", "put", "post", "delete", "patch", "head", "options", "trace")


def known_routes(program):
    """{(method, path)} by `marketplace routes`"""
    done = subprocess.run([program, "routes"], capture_output=True, text=True, check=True)
    routes = set()
    for line in done.stdout.splitlines():
        method, path = line.split()[:2]
        routes.add((method.lower(), path))
    require(len(routes) > 20, f"`marketplace routes` printed {done.stdout!r}")
    return routes


def check_document(document):
    resolved = Validator(document).resolved
    require(re.fullmatch(r"3\.1\.\d+", document["openapi"]), f"openapi {document['openapi']!r}")
    for member in ("title", "version"):
        require(document["info"].get(member), f"info has no {member}")
    ids = []
    for path, item in document["paths"].items():
        require(path.startswith("/"), path)
        for method in METHODS:
            if method not in item:
                continue
            where = f"{method.upper()} {path}"
            operation = item[method]
            require(operation.get("responses"), f"{where} has no responses")
            for status, response in operation["responses"].items():
                require(re.fullmatch(r"[1-5](\d\d|XX)|default", status), f"{where}: {status}")
                require("description" in response or "$ref" in response, f"{where}: {status}")
            declared = {
                parameter["name"]
                for parameter in map(
                    resolved, [*item.get("parameters", []), *operation.get("parameters", [])]
                )
                if parameter.get("in") == "path"
            }
            expect(f"the parameters of {where}", declared, set(re.findall(r"{(\w+)}", path)))
            if "operationId" in operation:
                ids.append(operation["operationId"])
    expect("operationIds that are there twice", len(ids) - len(set(ids)), 0)
    # Every reference leads somewhere.
    for target in re.findall(r'"\$ref":\s*"(.*?)"', json.dumps(document)):
        require(Validator(document).resolve(target) is not None, f"{target} leads nowhere")


async def answers_of(client):
    """[(method, path of the document, answer)] of the routes that matter, good and bad."""
    answers = []

    async def ask(method, pattern, path=None, **what):
        answer = await client.request(method, path or pattern, **what)
        answers.append((method.lower(), pattern, answer))
        return answer

    card = card_v1("Described", "https://described.example.com/a2a")
    made = await ask("POST", "/v1/agents", json=agent("described", card=card, tags=["x", "y"]))
    agent_id, token = made.json()["agent_id"], made.json()["owner_token"]
    one = "/v1/agents/{id}"
    path = f"/v1/agents/{agent_id}"
    for n in range(3):
        await client.post("/v1/agents", agent(f"more-{n}"))
    await ask("POST", "/v1/agents", json=agent("described"))
    await ask("POST", "/v1/agents", json={"x": 1})
    await ask("POST", "/v1/agents", body=b"{")
    await ask("GET", "/v1/agents")
    await ask("GET", "/v1/agents", "/v1/agents?limit=2&total=true&q=agent")
    await ask("GET", "/v1/agents", "/v1/agents?limit=x")
    await ask("GET", one, path)
    await ask("GET", one, "/v1/agents/nobody")
    changed = agent("described", description="changed", agent_id=agent_id)
    await ask("PUT", one, path, json=changed)
    await ask("PUT", one, path, json=changed, token=token)
    await ask("PUT", one, path, json=changed, token=token, headers={"If-Match": '"x"'})
    await ask("PUT", one, path, json=changed, token=token,
              headers={"If-Match": made.headers["etag"]})  # fmt: skip
    await ask("POST", one + "/heartbeat", path + "/heartbeat", json={"ttl_s": 60}, token=token)
    await ask("GET", one, path)
    await ask("GET", one + "/card", path + "/card")
    await ask("GET", one + "/history", path + "/history", token=token)
    rotated = await ask("POST", one + "/rotate", path + "/rotate", token=token)
    token = rotated.json()["owner_token"]
    await ask("GET", "/v1/changes", "/v1/changes?limit=5")
    await ask("GET", "/v1/tags")
    await ask("POST", "/v1/cards/preview", json={"card": card})
    await ask("GET", "/v1/locks")
    await ask("GET", "/v1/keys")
    await ask("GET", "/healthz")
    await ask("GET", "/readyz")
    await ask("POST", "/register", json=agent("python"))
    await ask("POST", "/register", json=agent("python"))
    await ask("POST", "/register", json={})
    await ask("GET", "/register/new_entries")
    await ask("GET", "/.well-known/ard.json")
    await ask("GET", "/.well-known/ai-catalog.json")
    await ask("POST", "/api/ard/search", json={"query": {"text": "agent"}})
    await ask("POST", "/api/ard/search", json={})
    await ask("GET", "/api/ard/agents")
    await ask("DELETE", one, path, token=token)
    await ask("GET", one, path)
    return answers


def check_answer(document, method, path, answer):
    where = f"{method.upper()} {path} -> {answer.status}"
    require(answer.status < 500, f"{where}: {answer.body[:200]!r}")
    validator = Validator(document)
    responses = document["paths"][path][method]["responses"]
    said = responses.get(str(answer.status)) or responses.get(f"{answer.status // 100}XX")
    said = said or responses.get("default")
    require(said is not None, f"{where} is not described")
    said = validator.resolved(said)
    if not answer.body:
        require("content" not in said, f"{where} has no body, and one is described")
        return
    kind = answer.headers["content-type"].split(";")[0]
    require(kind in said.get("content", {}), f"{where}: {kind} is not described")
    schema = said["content"][kind].get("schema")
    require(schema is not None, f"{where}: no schema")
    errors = validator.errors(answer.json(), schema)
    require(not errors, f"{where}: {errors[:5]}")


async def openapi(place):
    service = await place.service()
    client = service.client
    answer = await client.get("/openapi.json")
    expect("/openapi.json", answer.status, 200)
    document = answer.json()
    check_document(document)

    described = {
        (method, path)
        for path, item in document["paths"].items()
        for method in METHODS
        if method in item
    }
    routes = known_routes(place.program)
    expect("routes that are not described", sorted(routes - described), [])
    expect("what is described and no route", sorted(described - routes), [])
    for method, path in sorted(described):
        concrete = re.sub(r"{\w+}", "00000000-0000-4000-8000-000000000000", path)
        answer = await client.request(method.upper(), concrete)
        code = answer.json().get("errorCode") if answer.status in (404, 405) else None
        there_is_nothing = answer.status == 404 and "there is nothing at" in answer.json()["detail"]
        require(answer.status != 405 and not there_is_nothing, f"{method} {path}: {code}")

    for method, path, answer in await answers_of(client):
        check_answer(document, method, path, answer)
    await service.stop()


main(openapi)
