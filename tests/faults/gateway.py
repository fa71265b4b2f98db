# SPDX-License-Identifier: BSL-1.0
# Copyright (c) 2026 the corolock developers
"""A client of etcd's JSON gateway: one request at a time, to whichever of the endpoints answers."""

import base64
import http.client
import json


class Unanswered(Exception):
    """No reply, or one that says that the request was not carried out: it may have been."""


def encoded(text):
    return base64.b64encode(text.encode()).decode()


def after_prefix(prefix):
    """The end of the range of all keys with that prefix."""
    return prefix[:-1] + chr(ord(prefix[-1]) + 1)


class Gateway:
    """Keeps its connection; after a failure the next request goes to the next endpoint."""

    def __init__(self, endpoints, timeout):
        self.endpoints = endpoints
        self.timeout = timeout
        self.connection = None

    def call(self, path, body, timeout=None):
        """The reply to one attempt; Unanswered if there is none."""
        try:
            if self.connection is None:
                self.connection = http.client.HTTPConnection(*self.endpoints[0])
            # As long as it takes to connect, and again to answer.
            self.connection.timeout = timeout or self.timeout
            if self.connection.sock is not None:
                self.connection.sock.settimeout(self.connection.timeout)
            self.connection.request("POST", path, json.dumps(body))
            reply = self.connection.getresponse()
            values = json.loads(reply.read())
        except (OSError, ValueError, http.client.HTTPException) as error:
            self.close()
            self.endpoints = self.endpoints[1:] + self.endpoints[:1]
            raise Unanswered(f"{path}: {error!r}") from error
        if reply.status != 200:
            raise Unanswered(f"{path}: {values}")
        return values

    def close(self):
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def keys(self, prefix, **options):
        """The whole reply; `kvs` in the order of their creation."""
        order = {"sort_order": "ASCEND", "sort_target": "CREATE"}
        whole = {"key": encoded(prefix), "range_end": encoded(after_prefix(prefix))}
        return self.call("/v3/kv/range", {**whole, **order, **options})
