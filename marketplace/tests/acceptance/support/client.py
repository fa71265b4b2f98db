# SPDX-License-Identifier: BSL-1.0
# Copyright (c) 2026 the corolock developers
"""An HTTP client on asyncio, light enough for a thousand requests at once."""

import asyncio
import json as json_module
import time

# For any one answer. Nothing is measured by it: it only ends a test that would hang.
DEADLINE = 60.0


class Response:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers  # names in lower case; values of one name joined by ", "
        self.body = body
        self.took = 0.0  # seconds

    def json(self):
        return json_module.loads(self.body)

    def __repr__(self):
        return f"<{self.status} {self.body[:300]!r}>"


class ConnectionLost(Exception):
    """The server ended the connection before its answer was whole."""


def parse_head(head):
    """(status, headers) of everything before the empty line."""
    lines = head.decode("latin-1").split("\r\n")
    version, status, _ = (lines[0] + " ").split(" ", 2)
    if not version.startswith("HTTP/1."):
        raise ValueError(f"not a response of HTTP: {lines[0]!r}")
    headers = {}
    for line in lines[1:]:
        name, _, value = line.partition(":")
        name, value = name.strip().lower(), value.strip()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return int(status), headers


def has_body(method, status):
    return method != "HEAD" and status not in (204, 304) and status >= 200


class Connection(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self):
        self.transport = None
        self.is_open = False
        self._buffer = bytearray()
        self._waiter = None
        self._method = ""

    def connection_made(self, transport):
        self.transport = transport
        self.is_open = True

    def data_received(self, data):
        self._buffer += data
        self._complete()

    def connection_lost(self, exc):
        self.is_open = False
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(ConnectionLost(str(exc or "closed")))

    def _complete(self):
        if self._waiter is None or self._waiter.done():
            return
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        status, headers = parse_head(self._buffer[:end])
        if status < 200:  # 100 Continue: the answer is still to come
            del self._buffer[: end + 4]
            self._complete()
            return
        size = int(headers.get("content-length", 0)) if has_body(self._method, status) else 0
        if len(self._buffer) < end + 4 + size:
            return
        body = bytes(self._buffer[end + 4 : end + 4 + size])
        del self._buffer[: end + 4 + size]
        self._waiter.set_result(Response(status, headers, body))

    def send(self, data, method="GET"):
        """Sends a request; the future is its answer."""
        if not self.is_open:
            raise ConnectionLost("closed")
        self._method = method
        self._waiter = asyncio.get_running_loop().create_future()
        self.transport.write(data)
        return self._waiter

    def abort(self):
        """Goes away without a word."""
        self.is_open = False
        self.transport.abort()

    def close(self):
        self.is_open = False
        self.transport.close()


class Client:
    """Requests to one server, on connections that are kept for the next request."""

    def __init__(self, host, port):
        self.host, self.port = host, port
        self._idle = []

    async def connect(self, count=1):
        """Opens connections beforehand."""
        made = await asyncio.gather(*(self._new() for _ in range(count)))
        self._idle.extend(made)

    async def _new(self):
        loop = asyncio.get_running_loop()
        _, connection = await asyncio.wait_for(
            loop.create_connection(Connection, self.host, self.port), DEADLINE
        )
        return connection

    def encode(self, method, path, json=None, body=None, headers=None, token=None):
        """(the bytes of a request)"""
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self.host}:{self.port}"]
        if json is not None:
            body = json_module.dumps(json).encode()
        if body is not None:
            if "Content-Type" not in (headers or {}):
                lines.append("Content-Type: application/json")
            lines.append(f"Content-Length: {len(body)}")
        if token is not None:
            lines.append(f"Authorization: Bearer {token}")
        for name, value in (headers or {}).items():
            lines.append(f"{name}: {value}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode() + (body or b"")

    async def request(self, method, path, **what):
        data = self.encode(method, path, **what)
        connection = None
        while self._idle and connection is None:
            connection = self._idle.pop()
            if not connection.is_open:
                connection = None
        if connection is None:
            connection = await self._new()
        began = time.perf_counter()
        try:
            response = await asyncio.wait_for(connection.send(data, method), DEADLINE)
        except BaseException:
            connection.abort()
            raise
        response.took = time.perf_counter() - began
        if response.headers.get("connection", "").lower() == "close":
            connection.close()
        else:
            self._idle.append(connection)
        return response

    async def get(self, path, **what):
        return await self.request("GET", path, **what)

    async def post(self, path, json=None, **what):
        return await self.request("POST", path, json=json, **what)

    async def put(self, path, json=None, **what):
        return await self.request("PUT", path, json=json, **what)

    async def delete(self, path, **what):
        return await self.request("DELETE", path, **what)

    def close(self):
        for connection in self._idle:
            connection.close()
        self._idle.clear()
