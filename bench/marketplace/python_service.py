#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
# Copyright (c) 2026 the corolock developers
"""What the marketplace is measured against: the same registration in Python, in its usual way.

FastAPI and pydantic on uvicorn, one asyncio.Lock around everything, a linear scan for duplicates, a
rate limiter as middleware; the agents in memory, or in a JSON file that every registration writes
anew. Without logs: only what a registration needs.

usage: python_service.py --port PORT [--file FILE] [--agents N] [--limit N]
"""

import argparse
import asyncio
import datetime
import json
import os
import re
import time
import urllib.parse
import uuid
from typing import List, Optional

import fastapi
import pydantic
import uvicorn
from starlette.middleware.base import BaseHTTPMiddleware

UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)


def check_base_url(value: str) -> str:
    parts = urllib.parse.urlparse(value)
    host = parts.hostname or ""
    is_local = host in ("localhost", "127.0.0.1", "0.0.0.0") or "." not in host
    if not parts.netloc or parts.scheme not in ("http", "https"):
        raise ValueError("must be an absolute URL")
    if parts.scheme == "http" and not is_local and not host.endswith(".local"):
        raise ValueError("must be https")
    return value


class Registration(pydantic.BaseModel):
    agent_name: str
    base_url: str
    description: str
    agent_id: Optional[str] = None
    tags: List[str] = []

    _base_url = pydantic.validator("base_url", allow_reuse=True)(check_base_url)

    @pydantic.validator("agent_id")
    def agent_id_is_uuid(cls, value):
        if value is not None and not UUID.fullmatch(value):
            raise ValueError("must be a UUID")
        return value


class Profile(pydantic.BaseModel):
    agent_id: str
    agent_name: str = ""
    base_url: str
    description: str
    tags: List[str] = []
    version: int = 1
    registered_at: str
    last_updated_at: str


class Conflict(Exception):
    pass


class InMemoryRepository:
    def __init__(self):
        self.lock = asyncio.Lock()
        self.agents = {}

    def check(self, profile):
        for other in self.agents.values():
            if other.base_url == profile.base_url:
                raise Conflict(f"base_url is that of {other.agent_id}")
        if profile.agent_id in self.agents:
            raise Conflict("agent_id is taken")

    async def create_agent(self, profile):
        async with self.lock:
            self.check(profile)
            self.agents[profile.agent_id] = profile

    async def get_agent(self, agent_id):
        async with self.lock:
            return self.agents.get(agent_id)

    async def list_agents(self, limit, offset):
        async with self.lock:
            return list(self.agents.values())[offset : offset + limit]


class JsonFileRepository(InMemoryRepository):
    def __init__(self, file):
        super().__init__()
        self.file = file

    def check(self, profile):
        super().check(profile)
        for other in self.agents.values():
            if profile.agent_name and other.agent_name == profile.agent_name:
                raise Conflict("agent_name is taken")

    def write(self):
        temporary = self.file + ".tmp"
        with open(temporary, "w", encoding="utf-8") as out:
            agents = [each.dict() for each in self.agents.values()]
            json.dump({"agents": agents}, out, indent=2)
        os.replace(temporary, self.file)

    async def create_agent(self, profile):
        async with self.lock:
            self.check(profile)
            self.agents[profile.agent_id] = profile
            await asyncio.to_thread(self.write)

    async def list_agents(self, limit, offset):
        async with self.lock:
            newest_first = sorted(
                self.agents.values(), key=lambda each: each.registered_at, reverse=True
            )
            return newest_first[offset : offset + limit]


def profile_of(registration):
    now = datetime.datetime.now(datetime.timezone.utc).isoformat()
    return Profile(
        agent_id=registration.agent_id or str(uuid.uuid4()),
        agent_name=registration.agent_name,
        base_url=registration.base_url,
        description=registration.description,
        tags=registration.tags,
        registered_at=now,
        last_updated_at=now,
    )


class RateLimiter(BaseHTTPMiddleware):
    """So many requests in each minute, by the client's address and the beginning of the path."""

    WINDOW_S = 60

    def __init__(self, app, limits):
        super().__init__(app)
        self.limits = limits
        self.counters = {}

    async def dispatch(self, request, call_next):
        path = request.url.path
        for prefix, limit in self.limits.items():
            if path.startswith(prefix):
                key = (request.client.host, prefix)
                now = time.monotonic()
                begin, count = self.counters.get(key, (now, 0))
                if now - begin >= self.WINDOW_S:
                    begin, count = now, 0
                if count >= limit:
                    return fastapi.responses.JSONResponse(
                        {"error_code": "RATE_LIMIT_EXCEEDED", "message": f"{limit} a minute"}, 429
                    )
                self.counters[key] = (begin, count + 1)
                break
        return await call_next(request)


def application(repository, limit):
    app = fastapi.FastAPI()
    app.add_middleware(RateLimiter, limits={"/register": limit})

    @app.post("/register")
    async def register(registration: Registration):
        profile = profile_of(registration)
        try:
            await repository.create_agent(profile)
        except Conflict as conflict:
            detail = {"error_code": "AGENT_ALREADY_REGISTERED", "message": str(conflict)}
            raise fastapi.HTTPException(409, detail) from None
        return {"status": "success", "agent_id": profile.agent_id, "version": profile.version}

    @app.get("/register/new_entries", response_model=List[Profile])
    async def new_entries(limit: int = 100, offset: int = 0):
        return await repository.list_agents(limit, offset)

    @app.get("/agents/{agent_id}", response_model=Profile)
    async def agent(agent_id: str):
        found = await repository.get_agent(agent_id)
        if found is None:
            raise fastapi.HTTPException(404, {"error_code": "AGENT_NOT_FOUND"})
        return found

    return app


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--file", help="keep the agents in this JSON file")
    parser.add_argument("--agents", type=int, default=0, help="begin with so many")
    parser.add_argument("--limit", type=int, default=10, help="of registrations a minute")
    arguments = parser.parse_args()
    repository = JsonFileRepository(arguments.file) if arguments.file else InMemoryRepository()
    for n in range(arguments.agents):
        wish = Registration(
            agent_name=f"begin-{n}",
            base_url=f"https://begin-{n}.example.com/a2a",
            description="An agent of the benchmark",
            tags=["bench", "begin"],
        )
        profile = profile_of(wish)
        repository.agents[profile.agent_id] = profile
    uvicorn.run(
        application(repository, arguments.limit), host="127.0.0.1", port=arguments.port, log_level="warning",
        access_log=False,
    )  # fmt: skip


if __name__ == "__main__":
    main()
