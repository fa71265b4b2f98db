# SPDX-License-Identifier: BSL-1.0
# Copyright (c) 2026 the corolock developers
"""The service as a process of its own."""

import asyncio
import re
import signal
import subprocess

from .client import Client

LISTENING = re.compile(rb"marketplace: listening on http://([^:]+|\[[^\]]+\]):(\d+)")
START_LIMIT = 60
STOP_LIMIT = 60


class ServiceError(Exception):
    pass


class Service:
    """A running service and a client of it. See Place.service()."""

    def __init__(self, command, log):
        self.command = command
        self._log = log
        self.process = None
        self.client = None

    async def start(self, before_exec=None):
        with open(self._log, "ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *self.command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                preexec_fn=before_exec,
            )
        try:
            line = await asyncio.wait_for(self.process.stdout.readline(), START_LIMIT)
        except asyncio.TimeoutError:
            raise ServiceError("the service did not say where it listens") from None
        found = LISTENING.match(line)
        if not found:
            await self.process.wait()
            raise ServiceError(f"the service said {line!r} and ended:\n{self.log()}")
        self.client = Client(found.group(1).decode(), int(found.group(2)))
        return self

    @property
    def url(self):
        return f"http://{self.client.host}:{self.client.port}"

    @property
    def pid(self):
        return self.process.pid

    def is_running(self):
        return self.process is not None and self.process.returncode is None

    def log(self):
        with open(self._log, "rb") as log:
            return log.read().decode("utf-8", "replace")[-4000:]

    async def stop(self):
        """Asks it to end, and expects it to end well."""
        if self.client is not None:
            self.client.close()
        self.process.send_signal(signal.SIGTERM)
        try:
            code = await asyncio.wait_for(self.process.wait(), STOP_LIMIT)
        except asyncio.TimeoutError:
            await self.kill()
            raise ServiceError("the service did not end when it was asked to") from None
        if code != 0:
            raise ServiceError(f"the service ended with {code}:\n{self.log()}")

    async def kill(self):
        if self.client is not None:
            self.client.close()
        if self.is_running():
            self.process.kill()
            await self.process.wait()

    async def metrics(self):
        """{name{labels}: value} of /metrics"""
        text = (await self.client.get("/metrics")).body.decode()
        values = {}
        for line in text.splitlines():
            if line and not line.startswith("#"):
                name, _, value = line.rpartition(" ")
                values[name] = float(value)
        return values

    async def locks(self):
        """{name: lock} of /v1/locks"""
        return {each["name"]: each for each in (await self.client.get("/v1/locks")).json()["locks"]}
