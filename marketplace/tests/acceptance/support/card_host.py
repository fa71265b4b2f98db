# SPDX-License-Identifier: BSL-1.0
# Copyright (c) 2026 the corolock developers
"""A host of agent cards, of every kind that a registry meets."""

import asyncio
import json
import socket

_TCP_ESTABLISHED = 1  # the first byte of Linux's tcp_info is the state


def card_v1(name, url, **more):
    """A card of A2A v1.0 that conforms."""
    return {
        "name": name,
        "description": f"{name} does things",
        "version": "1.2.3",
        "supportedInterfaces": [
            {"url": url, "protocolBinding": "JSONRPC", "protocolVersion": "1.0"}
        ],
        "capabilities": {"streaming": True},
        "defaultInputModes": ["text/plain"],
        "defaultOutputModes": ["text/plain"],
        "skills": [
            {"id": "talk", "name": "Talk", "description": "Talks", "tags": ["chat", "talk"]}
        ],
        **more,
    }


def card_v03(name, url, **more):
    """A card of A2A v0.3 that conforms."""
    return {
        "name": name,
        "description": f"{name} does things",
        "version": "1.2.3",
        "protocolVersion": "0.3.0",
        "url": url,
        "preferredTransport": "JSONRPC",
        "capabilities": {"streaming": True},
        "defaultInputModes": ["text/plain"],
        "defaultOutputModes": ["text/plain"],
        "skills": [
            {"id": "talk", "name": "Talk", "description": "Talks", "tags": ["chat", "talk"]}
        ],
        **more,
    }


class CardHost:
    """Listens on so many ports, each a host to the service.

    `answer(path, headers)` is asked for each request; it returns (status, headers, body), awaitable
    or not. Without it every path has a card of its own.
    """

    def __init__(self, answer=None):
        self.answer = answer or self.own_card
        self.requests = []  # (path, headers)
        self.most_open = 0  # connections at once
        self.most_open_of_one = 0  # to one port
        self.accepted = 0
        self._open = {}  # socket: its local port
        self._tasks = set()
        self._listening = []

    async def start(self, ports):
        for _ in range(ports):
            listening = socket.create_server(("127.0.0.1", 0), backlog=1024)
            listening.setblocking(False)
            self._listening.append(listening)
            self._spawn(self._accept(listening))
        return self

    @property
    def port(self):
        return self._listening[0].getsockname()[1]

    def url(self, path="", number=0):
        """Of a path at the host of that number."""
        return f"http://127.0.0.1:{self._listening[number].getsockname()[1]}{path}"

    async def stop(self):
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for each in [*self._open, *self._listening]:
            each.close()

    def paths(self):
        return [path for path, _ in self.requests]

    def own_card(self, path, headers):
        stem = path.split("/.well-known/")[0]
        host = headers.get("host", "127.0.0.1")
        card = card_v1(f"Agent of {stem or '/'}", f"http://{host}{stem}")
        return 200, {"Content-Type": "application/json"}, json.dumps(card).encode()

    def _spawn(self, coroutine):
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _accept(self, listening):
        loop = asyncio.get_running_loop()
        while True:
            connection, _ = await loop.sock_accept(listening)
            connection.setblocking(False)
            self.accepted += 1
            # Those that have ended, but whose end nobody has read yet, do not count.
            still = {s: host for s, host in self._open.items() if not _has_ended(s)}
            host = connection.getsockname()[1]
            self._open[connection] = host
            hosts = [*still.values(), host]
            self.most_open = max(self.most_open, len(hosts))
            self.most_open_of_one = max(self.most_open_of_one, hosts.count(host))
            self._spawn(self._serve(connection))

    async def _serve(self, connection):
        loop = asyncio.get_running_loop()
        try:
            buffer = b""
            while True:
                while b"\r\n\r\n" not in buffer:
                    data = await loop.sock_recv(connection, 65536)
                    if not data:
                        return
                    buffer += data
                head, _, buffer = buffer.partition(b"\r\n\r\n")
                lines = head.decode("latin-1").split("\r\n")
                path = lines[0].split(" ")[1]
                headers = {}
                for line in lines[1:]:
                    name, _, value = line.partition(":")
                    headers[name.lower()] = value.strip()
                self.requests.append((path, headers))
                answer = self.answer(path, headers)
                if asyncio.iscoroutine(answer):
                    answer = await answer
                status, more, body = answer
                text = f"HTTP/1.1 {status} Whatever\r\nContent-Length: {len(body)}\r\n"
                text += "".join(f"{name}: {value}\r\n" for name, value in more.items())
                await loop.sock_sendall(connection, text.encode() + b"\r\n" + body)
        except OSError:
            pass  # the client went away
        finally:
            self._open.pop(connection, None)
            connection.close()


def _has_ended(connection):
    # The state of TCP, not recv: a request that nobody has read yet hides the end behind it.
    state = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
    return state != _TCP_ESTABLISHED


async def never(path, headers):
    """An answer that does not come."""
    await asyncio.get_running_loop().create_future()
