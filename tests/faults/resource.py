#!/usr/bin/python3
# SPDX-License-Identifier: BSL-1.0
# Copyright (c) 2026 the corolock developers
"""A resource that checks tokens: one counter for each name, over TCP, JSON by lines.

usage: resource.py [--ignore-tokens] ADDRESS PORT LOG UNFENCED

A request is {process, grant, name, op: read|write, token, id, value}; the answer {accepted, value}.
It is accepted if its token is not older than the newest that was. LOG gets every attempt in the
order of its arrival. UNFENCED gets what a second resource, which ignores tokens, would have done:
one line for each write, so one can see what the check was good for. Says "ready" when it listens.
"""

import argparse
import json
import socketserver
import sys
import threading
import time


class Resource(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, arguments):
        self.ignores_tokens = arguments.ignore_tokens
        # Unbuffered: what was answered is in the log, whatever happens to this process.
        self.log = open(arguments.log, "ab", buffering=0)
        self.unfenced = open(arguments.unfenced, "ab", buffering=0)
        self.mutex = threading.Lock()
        self.newest = {}
        self.values = {}
        super().__init__((arguments.address, arguments.port), Connection)

    def answer(self, request):
        with self.mutex:
            now = time.monotonic_ns()
            name, token = request["name"], request["token"]
            accepted = self.ignores_tokens or token >= self.newest.get(name, [0, 0])
            if accepted:
                self.newest[name] = max(token, self.newest.get(name, token))
                if request["op"] == "write":
                    self.values[name] = request["value"]
            write_line(self.log, {"t": now, **request, "accepted": accepted})
            if request["op"] == "write":
                kept = ("process", "grant", "name", "token")
                write_line(self.unfenced, {"t": now, **{each: request[each] for each in kept}})
            return {"accepted": accepted, "value": self.values.get(name, 0)}


class Connection(socketserver.StreamRequestHandler):
    def handle(self):
        try:
            for line in self.rfile:
                write_line(self.wfile, self.server.answer(json.loads(line)))
        except ConnectionError:
            pass  # the client was killed


def write_line(file, values):
    file.write(json.dumps(values).encode() + b"\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--ignore-tokens", action="store_true")
    parser.add_argument("address")
    parser.add_argument("port", type=int)
    parser.add_argument("log")
    parser.add_argument("unfenced")
    with Resource(parser.parse_args()) as server:
        print("ready", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    sys.exit(main())
