#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
# Copyright (c) 2026 the corolock developers
"""More than two hundred bad requests: each gets its 4xx, and the service goes on.

After each one the service still answers; after all of them it has counted no 5xx.
"""

import json
import os
import select
import socket
import threading
import time
import uuid

from support.card_host import card_v1
from support.client import has_body, parse_head
from support.scenario import agent, count_5xx, expect, main, require

DEADLINE = 60
PROBLEM = ("type", "title", "status", "detail", "instance", "errorCode", "message", "request_id")
ADMIN = "an admin's key for the tests"
NOBODY = "/v1/agents/00000000-0000-4000-8000-000000000000"


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body


class Wire:
    """A connection on which anything can be sent."""

    def __init__(self, address):
        self.socket = socket.create_connection(address, timeout=DEADLINE)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it was refused before it was whole; the answer says why

    def answer(self, method="GET"):
        """The next answer; None if the connection ended without one."""
        data = b""
        while b"\r\n\r\n" not in data:
            try:
                more = self.socket.recv(65536)
            except ConnectionResetError:
                return None
            if not more:
                require(not data, f"half an answer: {data[:100]!r}")
                return None
            data += more
        head, _, body = data.partition(b"\r\n\r\n")
        status, headers = parse_head(head)
        size = int(headers.get("content-length", 0)) if has_body(method, status) else 0
        while len(body) < size:
            more = self.socket.recv(65536)
            require(more, "half an answer")
            body += more
        require(len(body) == size, f"more than one answer: {body[size:][:200]!r}")
        return Answer(status, headers, body)


# ------------------------------------------------------------------------------------- the table
#
# A case is (what, bytes to send, expected statuses, what is expected of the answer). The last is
# "problem", "problem /pointer", "fastapi", "ard", "plain", "405 METHOD, ...", or "may close".

CASES = []


def case(what, data, *statuses, like="problem"):
    CASES.append((what, data, statuses, like))


def request(method, path, body=None, headers=None, version="HTTP/1.1"):
    lines = [f"{method} {path} {version}", "Host: marketplace"]
    given = {name.lower() for name in headers or {}}
    if isinstance(body, (dict, list)):
        body = json.dumps(body).encode()
    if body is not None:
        if "content-type" not in given:
            lines.append("Content-Type: application/json")
        if "content-length" not in given and "transfer-encoding" not in given:
            lines.append(f"Content-Length: {len(body)}")
    lines += [f"{name}: {value}" for name, value in (headers or {}).items() if value is not None]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + (body or b"")


def register(body, **headers):
    return request("POST", "/v1/agents", body, headers)


def with_field(name, value):
    return {**agent("bad"), name: value}


def text_of(**fields):
    return json.dumps({**agent("bad"), **fields})


def malformed_json():
    good = text_of()
    named = '{"agent_name": "x", "base_url": "https://x.example.com", "description": %s}'
    bodies = {
        "nothing": "",
        "blanks": " \n\t ",
        "one brace": "{",
        "the other brace": "}",
        "one bracket": "[",
        "a bracket for a brace": '{"agent_name": "x"]',
        "cut in a string": good[:-6],
        "cut in a key": '{"agent_na',
        "cut in an escape": '{"agent_name": "\\u00',
        "cut in a literal": '{"agent_name": tru',
        "cut after the colon": '{"agent_name":',
        "a comma at the end": '{"agent_name": "x",}',
        "a comma at the beginning": '{,"agent_name": "x"}',
        "two commas": '{"agent_name": "x",, "base_url": "y"}',
        "a comma at the end of a list": '{"tags": ["a",]}',
        "no comma": '{"agent_name": "x" "base_url": "y"}',
        "no colon": '{"agent_name" "x"}',
        "an equals sign": '{"agent_name" = "x"}',
        "no value": '{"agent_name":}',
        "no key": '{:"x"}',
        "a number for a key": '{1: "x"}',
        "a bare key": '{agent_name: "x"}',
        "single quotes": "{'agent_name': 'x'}",
        "typographic quotes": '{\u201cagent_name\u201d: "x"}',
        "a comment": '{"agent_name": "x" /* y */}',
        "a line's comment": '{"agent_name": "x" // y\n}',
        "NaN": named % "NaN",
        "Infinity": named % "-Infinity",
        "undefined": named % "undefined",
        "None": named % "None",
        "True": named % "True",
        "a leading zero": named % "01",
        "a plus": named % "+1",
        "a point at the end": named % "1.",
        "a point at the beginning": named % ".5",
        "no exponent": named % "1e",
        "hexadecimal": named % "0x10",
        "a minus": named % "-",
        "an unknown escape": named % '"\\x41"',
        "an octal escape": named % '"\\101"',
        "no hexadecimal digits": named % '"\\uZZZZ"',
        "half a surrogate pair": named % '"\\ud800"',
        "the other half": named % '"\\udc00"',
        "halves in the wrong order": named % '"\\udc00\\ud800"',
        "a line's end in a string": named % '"a\nb"',
        "a tabulator in a string": named % '"a\tb"',
        "a NUL in a string": named % '"a\0b"',
        "two values": good + good,
        "something after it": good + " x",
        "a bracket after it": good + "]",
        "a NUL after it": good + "\0",
        "a mark of byte order": "\ufeff" + good,
        "a hundred brackets": "[" * 100 + "]" * 100,
        "a hundred thousand brackets": "[" * 100_000,
        "a hundred thousand objects": '{"a":' * 100_000,
        "a form's body": "agent_name=x&base_url=y",
        "XML": "<agent/>",
    }
    for what, body in bodies.items():
        case(f"JSON: {what}", register(body.encode()), 400)

    case("JSON: UTF-16", register(good.encode("utf-16")), 400)
    case("JSON: UTF-32", register(good.encode("utf-32-le")), 400)
    case("JSON: compressed", register(b"\x1f\x8b\x08\x00" + bytes(20)), 400)
    invalid = {
        "a lone continuation": b"\x80",
        "0xff": b"\xff",
        "an overlong slash": b"\xc0\xaf",
        "an overlong NUL": b"\xc0\x80",
        "an overlong euro": b"\xf0\x82\x82\xac",
        "a surrogate": b"\xed\xa0\x80",
        "beyond U+10FFFF": b"\xf4\x90\x80\x80",
        "five bytes": b"\xf8\x88\x80\x80\x80",
        "half a character": b"\xe2\x82",
        "Latin-1": "\xe9".encode("latin-1"),
    }
    for what, data in invalid.items():
        body = text_of(description="@@").encode().replace(b"@@", data)
        case(f"UTF-8: {what}", register(body), 400)
    case("UTF-8: 0xff in a key", register(b'{"a\xff": 1}'), 400)

    case("JSON: a member twice", register(b'{"agent_name": "a", "agent_name": "b"}'), 400)
    case("JSON: twice, once escaped",
         register(b'{"agent_name": "a", "agent\\u005fname": "b"}'), 400)  # fmt: skip
    case("JSON: twice in the card", register(b'{"card": {"name": "a", "name": "b"}}'), 400)
    case("JSON: twice deep in the card", register(b'{"card": {"x": [{"y": 1, "y": 1}]}}'), 400)


def wrong_values():
    for what, body in {"null": b"null", "true": b"true", "a number": b"1", "a text": b'"x"',
                       "a list": b"[]", "a list of objects": b"[{}]"}.items():  # fmt: skip
        case(f"body: {what}", register(body), 422)

    for name in ("agent_name", "base_url", "description", "agent_id", "status", "card_url"):
        for value in (None, 1, True, ["x"], {"x": 1}):
            case(f"type: {name} is {value!r}", register(with_field(name, value)), 422,
                 like=f"problem /{name}")  # fmt: skip
    for value in (None, 1, "x", {}, True):
        case(f"type: tags is {value!r}", register(with_field("tags", value)), 422,
             like="problem /tags")  # fmt: skip
    for value in (1, None, ["x"], {}):
        case(f"type: a tag is {value!r}", register(with_field("tags", ["a", value])), 422,
             like="problem /tags/1")  # fmt: skip
    for value in (1, "x", [], None, True):
        case(f"type: card is {value!r}", register(with_field("card", value)), 422,
             like="problem /card")  # fmt: skip
    for value in (1, "true", None, []):
        case(f"type: fetch_card is {value!r}", register(with_field("fetch_card", value)), 422,
             like="problem /fetch_card")  # fmt: skip

    limits = {
        "agent_name": ["x" * 101, "\u00e9" * 101, "a\u0000b", "a\u0007b", "a\nb", "\u007f"],
        "description": ["", " ", "\n\t ", "x" * 4097, "\u00e9" * 4097, "a\u0000b"],
        "agent_id": ["", "x", "123e4567-e89b-42d3-a456-42661417400", "123e4567e89b42d3a456426614174000",
                     "123e4567-e89b-42d3-a456-4266141740000", "{123e4567-e89b-42d3-a456-426614174000}",
                     "urn:uuid:123e4567-e89b-42d3-a456-426614174000",
                     "123e4567-e89b-42d3-a456-42661417400g", " 123e4567-e89b-42d3-a456-426614174000",
                     "../../../etc/passwd", "' OR 1=1 --"],
        "status": ["", "deleted", "ACTIVE", "gone"],
    }  # fmt: skip
    for name, values in limits.items():
        for value in values:
            case(f"value: {name} {value[:40]!r} ({len(value)})", register(with_field(name, value)),
                 422, like=f"problem /{name}")  # fmt: skip
    for tag in ("", " ", "x" * 65, "-x", ".x", "a b", "a,b", "a\u0000", "a\nb", "\U0001f600", "#x",
                "<b>"):  # fmt: skip
        case(f"value: tag {tag[:20]!r} ({len(tag)})", register(with_field("tags", [tag])), 422,
             like="problem /tags/0")  # fmt: skip
    case("value: 33 tags", register(with_field("tags", [f"t{n}" for n in range(33)])), 422,
         like="problem /tags")  # fmt: skip

    urls = [
        "", " ", "not-a-url", "//example.com", "/a", "example.com", "https://", "https:", "https:/a",
        "https:///a", "https://:443", "https://.", "https://..", "https://a..b", "https://.a.com",
        "https://u:p@example.com", "https://u@example.com", "https://example.com#x",
        "https://example.com#", "https://example.com?x=1", "https://example.com?",
        "https://exa mple.com", "https://example.com/ a", "https://example.com/%zz",
        "https://example.com/%", "https://example.com/%4", "https://example.com/a\\b",
        "https:\\\\example.com", "https://example.com/a\nb", "https://example.com/\u0000",
        "https://example.com/\u007f", "https://example.com:0", "https://example.com:65536",
        "https://example.com:99999999999", "https://example.com:-1", "https://example.com:x",
        "https://example.com:443:443", "https://0x7f.1", "https://0x7f000001", "https://2130706433",
        "https://127.1", "https://0177.0.0.1", "https://256.1.1.1", "https://1.2.3", "https://[::1",
        "https://::1", "https://[::g]", "https://[1:2:3]", "https://[v1.x]", "https://m\u00fcnchen.example",
        "https://example.com/\u00fc", "https://exa%6dple.com/%", "ftp://example.com", "http://example.com",
        "file:///etc/passwd", "javascript:alert(1)", "data:text/plain,x", "ws://example.com",
        "httpss://example.com", "https//example.com", "https://example.com/" + "a" * 2048,
        " https://example.com", "https://example.com ", "https://exa<mple>.com", "https://a_b^.com",
    ]  # fmt: skip
    for url in urls:
        case(f"base_url: {url[:50]!r}", register(with_field("base_url", url)), 422,
             like="problem /base_url")  # fmt: skip

    for name in ("agent_name", "base_url", "description"):
        body = agent("bad")
        del body[name]
        case(f"missing: {name}", register(body), 422, like=f"problem /{name}")
    case("missing: everything", register({}), 422)
    for name in ("color", "Agent_name", "agent_name ", "", "version", "owner_token", "urn",
                 "registered_at", "__proto__", "a/b~c"):  # fmt: skip
        pointer = "/" + name.replace("~", "~0").replace("/", "~1")
        case(f"unknown: {name!r}", register(with_field(name, "x")), 422, like=f"problem {pointer}")
    case("unknown: two", register({**agent("bad"), "x": 1, "y": 2}), 422)


def nested(depth):
    card = {"name": "x"}
    for _ in range(depth):
        card = {"x": card}
    return card


def cards():
    card = card_v1("x", "https://x.example.com")
    case("card: too deep", register(with_field("card", nested(40))), 400, 422)
    case("card: too long", register(with_field("card", {"x": "y" * (257 * 1024)})), 422,
         like="problem /card")  # fmt: skip
    both = {**agent("bad"), "card": card, "card_url": "https://x.example.com/card.json"}
    case("card: two of them", register(both), 422)
    case("card: fetched, too", register({**agent("bad"), "card": card, "fetch_card": True}), 422)
    case("card: without a url to be at",
         register({"card": {"name": "x", "description": "y"}}), 422)  # fmt: skip
    case("card: its url is none", register({"card": card_v1("x", "nowhere")}), 422)
    case("card: fetched from nowhere", register({"fetch_card": True}), 422)
    for url in ("https://x.example.com/card.json#x", "http://example.com/card.json", "nowhere",
                "https://127.0.0.1/card.json", "https://[::1]/card.json",
                "https://localhost/card.json", "https://169.254.169.254/", "https://10.0.0.1/",
                "https://u:p@example.com/card.json"):  # fmt: skip
        case(f"card_url: {url}", register(with_field("card_url", url)), 422,
             like="problem /card_url")  # fmt: skip
    preview = "/v1/cards/preview"
    case("preview: nothing", request("POST", preview, b""), 400)
    case("preview: no source", request("POST", preview, {}), 422)
    case("preview: a list", request("POST", preview, []), 422)
    case("preview: unknown", request("POST", preview, {"x": 1}), 422, like="problem /x")
    case("preview: loopback", request("POST", preview, {"base_url": "https://127.0.0.1"}), 422)


def sizes():
    big = json.dumps(with_field("description", "x" * 600_000)).encode()
    case("size: a body of 600 kB", register(big), 413)
    case("size: a body said to be of 600 kB, alone", register(b"", **{"Content-Length": "600000"}),
         413)  # fmt: skip
    case("size: a body said to be of 10^15 bytes",
         register(b"", **{"Content-Length": "1" + "0" * 15}), 413)  # fmt: skip
    case("size: more than a number can say", register(b"", **{"Content-Length": "9" * 30}),
         400, 413)  # fmt: skip
    chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"
    case("size: chunks without end",
         register(chunk * 9, **{"Transfer-Encoding": "chunked"}), 413)  # fmt: skip
    case("size: a header of 20 kB", request("GET", "/healthz", headers={"X-Long": "x" * 20_000}), 431)
    case("size: a header's name of 20 kB", request("GET", "/healthz", headers={"x" * 20_000: "x"}), 431)
    many = {f"X-{n}": "x" for n in range(3000)}
    case("size: 3000 headers", request("GET", "/healthz", headers=many), 431)
    case("size: a path of 20 kB", request("GET", "/" + "x" * 20_000), 431, 414)
    case("size: a query of 20 kB", request("GET", "/v1/agents?q=" + "x" * 20_000), 431, 414)
    case("size: a parameter of 3 kB", request("GET", "/v1/agents?q=" + "x" * 3000), 400)
    case("size: a method of 20 kB", request("X" * 20_000, "/healthz"), 400, 431)


def paths():
    for path in ("/v1/agents/", "/v1//agents", "//v1/agents", "/V1/agents", "/v1/Agents", "/v1",
                 "/v1/", "/v1/agents;x=1", "/v1/agents/../keys", "/v1/./agents", "/v1/agents/.",
                 "/../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/v1/%2e%2e/v1/agents",
                 "/v1%2Fagents", "/v1/agents/%2e%2e%2f%2e%2e%2fetc%2fpasswd", "/v1/agents/a%2fb",
                 "/v1/agents/..%5c..%5cetc", "/v1/agents/%252e%252e", "/.git/config", "/.env",
                 "/v1/agents/x/y", f"{NOBODY}/nothing", "/healthz/", "/healthz/x", "/register/",
                 "/metrics;x", "/v1/agents/urn:air:nobody.example:agents:x",
                 "/v1/agents/urn%3Aair%3Anobody.example%3Aagents%3Ax", "/v1/agents/x", NOBODY,
                 f"{NOBODY}/card", f"{NOBODY}/history", "/index.php", "/v1/agents/'%20OR%201=1",
                 "/v1/agents/%3Cscript%3E"):  # fmt: skip
        case(f"path: {path}", request("GET", path), 404)
    for path in ("/v1/agents/%00", "/v1/agents/x%00.json", "/v1/agents/%", "/v1/agents/%2",
                 "/v1/agents/%zz", "/v1/agents/%c0%af", "/v1/agents/%ff", "/v1/agents/%0d%0aX:%20y",
                 "/v1/agents/%ed%a0%80", "/%zz", "/%00"):  # fmt: skip
        case(f"path: {path}", request("GET", path), 400)
    for target in ("*", "v1/agents", "\\v1\\agents", "?", "marketplace:80"):
        case(f"target: {target}", request("GET", target), 400)

    allowed = {
        "/v1/agents": ("PUT", "PATCH", "DELETE"),
        NOBODY: ("POST", "PATCH"),
        f"{NOBODY}/heartbeat": ("GET", "PUT", "DELETE"),
        f"{NOBODY}/refresh": ("GET",),
        f"{NOBODY}/rotate": ("GET",),
        f"{NOBODY}/card": ("POST", "PUT", "DELETE"),
        f"{NOBODY}/history": ("POST", "DELETE"),
        "/v1/changes": ("POST", "DELETE"),
        "/v1/tags": ("POST",),
        "/v1/cards/preview": ("GET",),
        "/v1/keys": ("PUT", "DELETE"),
        "/v1/keys/x": ("GET", "POST"),
        "/healthz": ("POST", "DELETE", "PATCH"),
        "/readyz": ("POST",),
        "/metrics": ("POST", "PUT"),
        "/openapi.json": ("POST",),
        "/docs": ("POST",),
    }
    for path, methods in allowed.items():
        for method in methods:
            case(f"method: {method} {path}", request(method, path), 405, like="405")
    for method in ("BREW", "get", "PROPFIND", "LINK", "MKCOL"):
        case(f"method: {method}", request(method, "/v1/agents"), 405, 400, like="405 or 400")


def media_types():
    body = json.dumps(agent("bad")).encode()
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "text/json",
                 "application/xml", "application/jsonx", "garbage", "json", "", "*/*",
                 "application/*", "application/octet-stream"):  # fmt: skip
        case(f"Content-Type: {kind!r}", request("POST", "/v1/agents", body, {"Content-Type": kind}), 415)
    none = b"POST /v1/agents HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body)
    case("Content-Type: none", none + body, 415)
    for coding in ("gzip", "br", "deflate", "unknown"):
        case(f"Content-Encoding: {coding}", register(body, **{"Content-Encoding": coding}), 415)
    for accept in ("text/html", "image/*", "application/xml, text/plain", "application/json;q=0",
                   "*/*;q=0", "text/html;q=0.9, image/png"):  # fmt: skip
        for method, path, sent in (("GET", "/v1/agents", None), ("POST", "/v1/agents", body)):
            case(f"Accept: {accept} for {method}",
                 request(method, path, sent, {"Accept": accept}), 406)  # fmt: skip


def queries():
    for query in ("limit=0", "limit=-1", "limit=101", "limit=x", "limit=1.5", "limit=", "limit=1e1",
                  "limit=0x10", "limit=+5", "limit=%205", "limit=99999999999999999999",
                  "limit=1&limit=2", "colour=red", "LIMIT=5", "sort=", "sort=colour", "sort=--name",
                  "sort=name;drop", "health=", "health=dead", "status=deleted", "status=Active",
                  "updated_since=yesterday", "updated_since=2026-13-01T00:00:00Z",
                  "updated_since=2026-01-01", "updated_since=", "base_url=ftp://x", "base_url=x",
                  "include_deleted=maybe", "q=a&q=b", "q=%zz", "q=%", "q=%ff", "q=%00", "%zz=1",
                  "%00=1", "total=x", "tag=" + "x" * 3000, "&".join(["tag=a"] * 40),
                  "cursor=", "cursor=x", "cursor=%00", "cursor=" + "A" * 2000, "cursor=AAAA",
                  "cursor=eyJzZXEiOjF9", "cursor=" + "A" * 64, "cursor=..%2F.."):  # fmt: skip
        case(f"query: {query[:60]}", request("GET", f"/v1/agents?{query}"), 400)
    for query in ("since=-1", "since=x", "since=1.5", "since=99999999999999999999", "wait=-1",
                  "wait=61", "wait=x", "limit=0", "limit=1001", "since=1&since=2", "x=1"):  # fmt: skip
        case(f"changes: {query}", request("GET", f"/v1/changes?{query}"), 400)
    for query in ("limit=0", "limit=501", "limit=x", "x=1"):
        case(f"tags: {query}", request("GET", f"/v1/tags?{query}"), 400)
    case("query: of a registration", request("POST", "/v1/agents?x=1", agent("bad")), 400)


def authorization():
    body = agent("bad")
    for value in ("Basic dTpw", "Bearer", "Bearer ", "bearer", "Token x", "Bearer unknown",
                  "Bearer mk_unknown", "Bearer " + "x" * 300, "Bearer a b", "x", "mo_x"):  # fmt: skip
        case(f"Authorization: {value[:30]!r}", register(body, Authorization=value), 401)
    case("X-API-Key: unknown", register(body, **{"X-API-Key": "mk_unknown"}), 401)
    for method, path in (("POST", "/v1/keys"), ("GET", "/v1/keys"), ("DELETE", "/v1/keys/x")):
        sent = {"role": "admin"} if method == "POST" else None
        case(f"keys: {method} by anybody", request(method, path, sent), 401)
        owner = {"Authorization": "Bearer mo_somebody"}
        case(f"keys: {method} by an owner", request(method, path, sent, owner), 403)
    admin = {"Authorization": f"Bearer {ADMIN}"}
    for sent in ({}, {"role": "king"}, {"role": 1}, {"role": "admin", "x": 1},
                 {"role": "admin", "label": "x" * 101}, {"role": "admin", "label": "a\u0007"},
                 {"role": "admin", "label": 1}):  # fmt: skip
        case(f"keys: {sent}"[:60], request("POST", "/v1/keys", sent, admin), 422)
    case("keys: a list", request("POST", "/v1/keys", [], admin), 400, 422)
    case("keys: no JSON", request("POST", "/v1/keys", b"{", admin), 400)
    case("keys: revoking none", request("DELETE", "/v1/keys/none", None, admin), 404)


def idempotency():
    body = agent("bad")
    for key in ("", '""', "x" * 256, '"' + "x" * 256 + '"', 'a"b', "a\\b", "\xe9", "a\tb", '"'):
        case(f"Idempotency-Key: {key[:20]!r}", register(body, **{"Idempotency-Key": key}), 400)


def of_an_agent(made, token, etag):
    """What is wrong with requests for an agent that exists."""
    path = f"/v1/agents/{made}"
    owner = {"Authorization": f"Bearer {token}"}
    other = {"Authorization": "Bearer mo_somebody"}
    body = agent("bad", agent_name="Changed")

    def put(sent, **more):
        return request("PUT", path, sent, {**owner, **more})

    case("PUT: by anybody", request("PUT", path, body, {"If-Match": etag}), 401)
    case("PUT: by another", request("PUT", path, body, {"If-Match": etag, **other}), 403)
    case("PUT: without If-Match", put(body), 428)
    for value in ('"x"', etag.strip('"'), f"W/{etag}", '"' + made[:8] + '-2"', "", '""', "x, y",
                  etag[:-1], etag.upper() + "x"):  # fmt: skip
        case(f"If-Match: {value!r}", put(body, **{"If-Match": value}), 412, 400, 428)
    good = {"If-Match": etag}
    case("PUT: no JSON", put(b"{", **good), 400)
    case("PUT: nothing", put(b"", **good), 400)
    case("PUT: a list", put([], **good), 422)
    case("PUT: unknown", put({**body, "x": 1}, **good), 422, like="problem /x")
    case("PUT: another id", put({**body, "agent_id": NOBODY[-36:]}, **good), 422,
         like="problem /agent_id")  # fmt: skip
    case("PUT: a bad URL", put({**body, "base_url": "x"}, **good), 422, like="problem /base_url")
    case("PUT: of a form", put(b"x", **{**good, "Content-Type": "text/plain"}), 415)
    case("PUT: nobody", request("PUT", NOBODY, body, {**owner, **good}), 404)
    case("DELETE: by anybody", request("DELETE", path), 401)
    case("DELETE: by another", request("DELETE", path, None, other), 403)
    case("DELETE: of another version", request("DELETE", path, None, {**owner, "If-Match": '"x"'}), 412)
    case("DELETE: nobody", request("DELETE", NOBODY, None, owner), 404)
    case("GET: a parameter", request("GET", f"{path}?x=1"), 400)
    case("GET: as HTML", request("GET", path, None, {"Accept": "text/html"}), 406)
    case("card: there is none", request("GET", f"{path}/card"), 404)
    case("history: by anybody", request("GET", f"{path}/history"), 401)
    case("history: by another", request("GET", f"{path}/history", None, other), 403)
    case("history: limit", request("GET", f"{path}/history?limit=0", None, owner), 400)
    case("rotate: by another", request("POST", f"{path}/rotate", None, other), 403)
    case("refresh: by anybody", request("POST", f"{path}/refresh"), 401)
    case("refresh: nothing to fetch", request("POST", f"{path}/refresh", None, owner), 422)
    beat = f"{path}/heartbeat"
    for ttl in (29, 86_401, 0, -60, "60", 60.5, None, True, [60], 1 << 70):
        case(f"heartbeat: {ttl!r}", request("POST", beat, {"ttl_s": ttl}, owner), 422,
             like="problem /ttl_s")  # fmt: skip
    for sent in ({}, {"ttl": 60}, {"ttl_s": 60, "x": 1}, [], "60"):
        data = json.dumps(sent).encode()
        case(f"heartbeat: {sent!r}", request("POST", beat, data, owner), 422, 400)
    case("heartbeat: nothing", request("POST", beat, b"", owner), 400)
    case("heartbeat: by anybody", request("POST", beat, {"ttl_s": 60}), 401)
    case("heartbeat: by another", request("POST", beat, {"ttl_s": 60}, other), 403)
    case("heartbeat: nobody", request("POST", f"{NOBODY}/heartbeat", {"ttl_s": 60}, owner), 404)
    taken = agent("taken")
    case("taken: all of it", register(taken), 409, like="conflict base_url")
    case("taken: the URL", register({**agent("bad"), "base_url": "HTTPS://TAKEN.example.com:443/%612a/"}),
         409, like="conflict base_url")  # fmt: skip
    case("taken: the name", register({**agent("bad"), "agent_name": taken["agent_name"]}), 409,
         like="conflict agent_name")  # fmt: skip
    case("taken: the id", register({**agent("bad"), "agent_id": made.upper()}), 409,
         like="conflict agent_id")  # fmt: skip


def cursors(cursor):
    """A good cursor of ?limit=1, in the wrong hands."""
    swapped = ("B" if cursor[0] == "A" else "A") + cursor[1:]
    middle = len(cursor) // 2
    flipped = cursor[:middle] + ("x" if cursor[middle] != "x" else "y") + cursor[middle + 1 :]
    for what, query in {
        "of another list": f"tag=x&cursor={cursor}",
        "of another order": f"sort=name&cursor={cursor}",
        "its first letter": f"cursor={swapped}",
        "its middle": f"cursor={flipped}",
        "cut": f"cursor={cursor[:-4]}",
        "longer": f"cursor={cursor}AAAA",
        "twice": f"cursor={cursor}&cursor={cursor}",
    }.items():
        case(f"cursor: {what}", request("GET", f"/v1/agents?limit=1&{query}"), 400)


def other_routes():
    def python_route(body, **headers):
        return request("POST", "/register", body, headers)

    for what, body in {"nothing": b"", "half": b"{", "a list": b"[]", "a text": b'"x"',
                       "not UTF-8": b'{"agent_name": "\xff"}'}.items():  # fmt: skip
        case(f"/register: {what}", python_route(body), 422, like="fastapi")
    for name in ("agent_name", "base_url", "description"):
        for value in (None, 1, [], {}):
            case(f"/register: {name} is {value!r}", python_route(with_field(name, value)), 422,
                 like="fastapi")  # fmt: skip
    for name, value in (("agent_id", "x"), ("tags", "x"), ("tags", [1]), ("base_url", "x"),
                        ("base_url", "http://example.com"), ("base_url", "https://x?y")):  # fmt: skip
        case(f"/register: {name} {value!r}", python_route(with_field(name, value)), 422, like="fastapi")
    for query in ("limit=-1", "limit=x", "offset=-1", "offset=x", "limit=99999999999999999999"):
        case(f"new_entries: {query}", request("GET", f"/register/new_entries?{query}"), 422,
             like="fastapi")  # fmt: skip
    case("/register: GET", request("GET", "/register"), 405, like="plain")
    case("new_entries: POST", request("POST", "/register/new_entries", b"{}"), 405, like="plain")

    search = "/api/ard/search"
    for what, body in {"nothing": b"", "half": b"{", "a list": b"[]", "no query": b"{}",
                       "no text": b'{"query": {}}', "a number": b'{"query": {"text": 1}}',
                       "not UTF-8": b'{"query": {"text": "\xff"}}'}.items():  # fmt: skip
        case(f"ARD: {what}", request("POST", search, body), 400, like="ard INVALID_ARGUMENT")
    for path, status, code in (("urn:air:nobody.example:agents:x", 404, "NOT_FOUND"),
                               ("x", 400, "INVALID_ARGUMENT"), ("%zz", 400, "INVALID_ARGUMENT"),
                               ("urn%253Aair", 400, "INVALID_ARGUMENT")):  # fmt: skip
        case(f"ARD: {path}", request("GET", f"/api/ard/agents/{path}"), status, like=f"ard {code}")
    case("ARD: GET", request("GET", search), 405, like="plain")


def no_http():
    body = json.dumps(agent("smuggled")).encode()
    size = len(body)
    head = b"POST /v1/agents HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"

    def framed(fields, data=body):
        return head + fields + b"\r\n\r\n" + data

    chunks = b"%x\r\n%s\r\n0\r\n\r\n" % (size, body)
    frames = {
        "both lengths": (b"Content-Length: %d\r\nTransfer-Encoding: chunked" % size, chunks),
        "both lengths, in the other order":
            (b"Transfer-Encoding: chunked\r\nContent-Length: %d" % size, chunks),
        "two lengths": (b"Content-Length: %d\r\nContent-Length: 5" % size, body),
        "two lengths in one": (b"Content-Length: %d, 5" % size, body),
        "a negative length": (b"Content-Length: -1", body),
        "a length with a plus": (b"Content-Length: +5", body),
        "a length in hexadecimal": (b"Content-Length: 0x5", body),
        "a length with a letter": (b"Content-Length: 5x", body),
        "no length": (b"Content-Length: ", body),
        "an unknown coding": (b"Transfer-Encoding: xchunked", chunks),
        "identity": (b"Transfer-Encoding: identity", chunks),
        "chunked, then something": (b"Transfer-Encoding: chunked, identity", chunks),
        "chunked twice": (b"Transfer-Encoding: chunked, chunked", chunks),
        "chunked with a tab in it": (b"Transfer-Encoding: chun\tked", chunks),
        "a size that is none": (b"Transfer-Encoding: chunked", b"zz\r\n" + body),
        "a negative size": (b"Transfer-Encoding: chunked", b"-5\r\n" + body),
        "a size too large": (b"Transfer-Encoding: chunked", b"f" * 17 + b"\r\n" + body),
        "a chunk without its end": (b"Transfer-Encoding: chunked", b"5\r\nabcdefgh\r\n0\r\n\r\n"),
        "a bare line end in a chunk's size": (b"Transfer-Encoding: chunked", b"5\nabcde\r\n0\r\n\r\n"),
    }  # fmt: skip
    for what, (fields, data) in frames.items():
        case(f"framing: {what}", framed(fields, data), 400, 413)

    heads = {
        "no host": b"GET /healthz HTTP/1.1\r\n\r\n",
        "two hosts": b"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "a blank before the colon": b"GET /healthz HTTP/1.1\r\nHost : x\r\n\r\n",
        "a header without a colon": b"GET /healthz HTTP/1.1\r\nHost: x\r\nnothing\r\n\r\n",
        "a header without a name": b"GET /healthz HTTP/1.1\r\nHost: x\r\n: x\r\n\r\n",
        "a header that begins with a blank": b"GET /healthz HTTP/1.1\r\n Host: x\r\n\r\n",
        "a header's name with a bracket": b"GET /healthz HTTP/1.1\r\nHost: x\r\nA(b): x\r\n\r\n",
        "a NUL in a header": b"GET /healthz HTTP/1.1\r\nHost: x\r\nA: b\0c\r\n\r\n",
        "a bare CR in a header": b"GET /healthz HTTP/1.1\r\nHost: x\r\nA: b\rc\r\n\r\n",
        "no version": b"GET /healthz\r\n\r\n",
        "no target": b"GET HTTP/1.1\r\nHost: x\r\n\r\n",
        "two blanks": b"GET  /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
        "a blank in the target": b"GET /health z HTTP/1.1\r\nHost: x\r\n\r\n",
        "a tabulator": b"GET\t/healthz\tHTTP/1.1\r\nHost: x\r\n\r\n",
        "raw UTF-8 in the target": "GET /h\u00e9 HTTP/1.1\r\nHost: x\r\n\r\n".encode(),
        "a NUL in the target": b"GET /health\0z HTTP/1.1\r\nHost: x\r\n\r\n",
        "a method with a sign": b"G@T /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
        "another protocol": b"GET /healthz FTP/1.1\r\nHost: x\r\n\r\n",
        "a version that is none": b"GET /healthz HTTP/x.y\r\nHost: x\r\n\r\n",
        "the beginning of TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
        "the greeting of SSH": b"SSH-2.0-OpenSSH_9.2\r\n",
        "noise": bytes(range(128, 256)) * 4,
        "NULs": bytes(512) + b"\r\n\r\n",
    }
    for what, data in heads.items():
        statuses = (400, 404) if "UTF-8" in what else (400,)
        case(f"HTTP: {what}", data, *statuses)
    case("HTTP: version 2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400)
    case("HTTP: version 9.9", b"GET /healthz HTTP/9.9\r\nHost: x\r\n\r\n", 400)
    case("HTTP: version 1.0, nothing there", b"GET /nothing HTTP/1.0\r\n\r\n", 404)
    case("HTTP: version 1.0, a bad body",
         b"POST /v1/agents HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: 1\r\n\r\n{", 400)


TRUNCATED = {
    "in the request line": b"GET /heal",
    "in the headers": b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-",
    "before the body": request("POST", "/v1/agents", b"x" * 100)[:-100],
    "in the body": request("POST", "/v1/agents", b"x" * 100)[:-50],
    "in a chunk": register(b"50\r\nabc", **{"Transfer-Encoding": "chunked"}),
    "before the last chunk": register(b"3\r\nabc\r\n", **{"Transfer-Encoding": "chunked"}),
}


# ------------------------------------------------------------------------------------ the answers


def check_problem(what, answer, rest):
    kind = answer.headers.get("content-type", "")
    expect(f"{what}: Content-Type", kind.split(";")[0], "application/problem+json")
    body = json.loads(answer.body)
    for member in PROBLEM:
        require(member in body, f"{what}: no {member} in {body}")
    expect(f"{what}: status", body["status"], answer.status)
    for member in ("type", "title", "detail", "instance", "errorCode", "message", "request_id"):
        require(isinstance(body[member], str), f"{what}: {member} is {body[member]!r}")
    for member in ("type", "title", "detail", "errorCode", "message", "request_id"):
        require(body[member], f"{what}: {member} is empty")
    expect(f"{what}: X-Request-Id", answer.headers.get("x-request-id"), body["request_id"])
    if answer.status == 422 and rest != "any":
        require(body.get("errors"), f"{what}: no errors in {body}")
        for each in body["errors"]:
            expect(f"{what}: an error's members", sorted(each), ["code", "message", "pointer"])
    if rest and rest != "any":
        pointers = [each["pointer"] for each in body["errors"]]
        require(rest in pointers, f"{what}: {rest} is not among {pointers}")
    if answer.status == 401:
        require("www-authenticate" in answer.headers, f"{what}: no WWW-Authenticate")
    return body


def check(what, answer, statuses, like):
    if answer is None:
        require(like == "may close", f"{what}: closed without an answer")
        return
    require(answer.status in statuses, f"{what}: {answer.status} {answer.body[:300]!r}, "
            f"must be {statuses}")  # fmt: skip
    if like == "fastapi":
        expect(f"{what}: Content-Type", answer.headers["content-type"], "application/json")
        for each in json.loads(answer.body)["detail"]:
            for member in ("loc", "msg", "type"):
                require(member in each, f"{what}: no {member} in {each}")
    elif like.startswith("ard "):
        body = json.loads(answer.body)
        expect(f"{what}: errorCode", body["errorCode"], like[4:])
        require(isinstance(body["message"], str) and body["message"], f"{what}: message")
    elif like.startswith("conflict "):
        body = check_problem(what, answer, "")
        expect(f"{what}: conflict.field", body["conflict"]["field"], like[9:])
        expect(f"{what}: Location", answer.headers["location"], body["conflict"]["existing_url"])
    elif like == "plain":
        if answer.status == 405:
            require(answer.headers.get("allow"), f"{what}: no Allow")
    elif like.startswith("405"):
        check_problem(what, answer, "")
        if answer.status == 405:
            allow = answer.headers["allow"].split(", ")
            method = what.split()[1]
            require(allow and method not in allow, f"{what}: Allow: {allow}")
    else:
        check_problem(what, answer, like.removeprefix("may close").removeprefix("problem").removeprefix(" "))


def slow_clients(address, done):
    """Clients that never finish, side by side; their time limits are the service's own."""
    begun = time.monotonic()
    wires = {}
    for what, data in {
        "half a request line": b"GET /heal",
        "half a header": b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-",
        "half a body": request("POST", "/v1/agents", b"x" * 100)[:-50],
        "a byte at a time": b"GET /healthz HTTP/1.1\r\n",
    }.items():
        wires[what] = Wire(address)
        wires[what].send(data)
    dribble = wires["a byte at a time"]
    while not select.select([dribble.socket], [], [], 0.5)[0]:
        require(time.monotonic() - begun < DEADLINE, "a byte at a time holds a connection for ever")
        dribble.send(b"X")
    for what, wire in wires.items():
        with wire:
            answer = wire.answer()
            require(answer is not None, f"slow: {what}: closed without an answer")
            check(f"slow: {what}", answer, (408,), "problem")
            done.append(what)


def run_all(address):
    with Wire(address) as life:
        for what, data, statuses, like in CASES:
            with Wire(address) as wire:
                wire.send(data)
                check(what, wire.answer(data.split(b" ")[0].decode("latin-1")), statuses, like)
            life.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            alive = life.answer()
            require(alive is not None and alive.status == 200, f"the service is ill after {what}")
    for what, data in TRUNCATED.items():
        with Wire(address) as wire:
            wire.send(data)
            wire.socket.shutdown(socket.SHUT_WR)
            check(f"truncated: {what}", wire.answer(), (400,), "may close")


def in_thread(function, *arguments):
    """(thread, failures)"""
    failures = []

    def run():
        try:
            function(*arguments)
        except Exception as failure:
            failures.append(failure)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, failures


async def bad_requests(place):
    os.environ["MARKETPLACE_ADMIN_KEY"] = ADMIN
    service = await place.service(dev=False)
    client = service.client
    for name in ("first", "second", "third"):
        await client.post("/v1/agents", agent(name))
    made = await client.post("/v1/agents", agent("taken"))
    expect("registering", made.status, 201)
    agent_id, token = made.json()["agent_id"], made.json()["owner_token"]
    page = await client.get("/v1/agents?limit=1")

    malformed_json()
    wrong_values()
    cards()
    sizes()
    paths()
    media_types()
    queries()
    authorization()
    idempotency()
    of_an_agent(agent_id, token, made.headers["etag"])
    cursors(page.json()["next_cursor"])
    other_routes()
    no_http()
    require(len(CASES) >= 200, f"only {len(CASES)} cases")

    address = (client.host, client.port)
    slow = []
    patient, late = in_thread(slow_clients, address, slow)
    run_all(address)
    patient.join()
    if late:
        raise late[0]

    listed = (await client.get("/v1/agents?total=true")).json()
    expect("agents after all that", listed["total"], 4)
    same = await client.get(f"/v1/agents/{agent_id}")
    expect("the agent that was tried", same.headers["etag"], made.headers["etag"])
    ids = [str(uuid.UUID(each["agent_id"])) for each in listed["agents"]]
    expect("ids", len(set(ids)), 4)
    expect("5xx in /metrics", await count_5xx(service), 0)
    await service.stop()
    print(f"{len(CASES) + len(TRUNCATED) + len(slow)} bad requests")


main(bad_requests)
