#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
# Copyright (c) 2026 the corolock developers
"""A card is never fetched from inside the network of the service.

With --dev its own loopback is allowed, and nothing else that is private.
"""

from support.scenario import agent, expect, expect_quiet, main, require

REDIRECTS = {
    "/metadata": "http://169.254.169.254/latest/meta-data/",
    "/mapped": "http://[::ffff:10.0.0.1]/card.json",
    "/private": "http://192.168.0.1/card.json",
    "/shared": "http://100.64.0.1/card.json",
    "/unspecified": "http://0.0.0.0/card.json",
    "/multicast": "http://224.0.0.1/card.json",
    "/mapped-metadata": "http://[::ffff:169.254.169.254]/",
    "/local-v6": "http://[fc00::1]/",
    "/link-v6": "http://[fe80::1]/",
    "/file": "file:///etc/passwd",
    "/loop": "/loop",
}
# Addresses that a registration names itself.
DIRECT = [
    "https://10.0.0.1/card.json",
    "https://169.254.169.254/latest/meta-data/",
    "https://[::ffff:10.0.0.1]/card.json",
    "https://[::ffff:a00:1]/card.json",
    "https://[64:ff9b::a00:1]/card.json",
    "https://[fd00::1]/card.json",
    "https://172.16.0.1/card.json",
    "https://100.64.0.1/card.json",
    "https://0.0.0.0/card.json",
    "https://224.0.0.1/card.json",
    "https://255.255.255.255/card.json",
]


def redirect(path, headers):
    if path in REDIRECTS:
        return 302, {"Location": REDIRECTS[path]}, b""
    if path == "/twice":
        return 307, {"Location": "/metadata"}, b""
    return 404, {}, b""


async def refused(client, url, what):
    answer = await client.post("/v1/agents", agent("ssrf", card_url=url))
    expect(f"{what}: {url}", answer.status, 422)
    pointers = [each["pointer"] for each in answer.json()["errors"]]
    expect(f"{what}: the field that is wrong", pointers, ["/card_url"])
    require(answer.took < 4, f"{what}: {url} was tried for {answer.took:.1f} s")
    preview = await client.post("/v1/cards/preview", {"card_url": url})
    expect(f"{what}, previewed: {url}", preview.status, 422)


async def private(place):
    # With --dev: this host is reached, and where it points to is not.
    host = await place.card_host(redirect)
    service = await place.service()
    for path in [*REDIRECTS, "/twice"]:
        before = len(host.requests)
        await refused(service.client, host.url(path), "a redirect")
        expect(f"requests for {path}", len(host.requests) > before, True)
    for url in DIRECT:
        await refused(service.client, url, "an address")
    expect("agents", (await service.client.get("/v1/agents")).json()["agents"], [])
    await expect_quiet(service)
    await service.stop()

    # Without it: not even loopback, by address or by a name that resolves to it.
    service = await place.service(dev=False)
    reached = host.accepted
    for name in ("127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "127.8.9.10"):
        await refused(service.client, f"https://{name}:{host.port}/card.json", "loopback")
    for url in DIRECT:
        await refused(service.client, url, "an address")
    answer = await service.client.post(
        "/v1/agents",
        agent("ssrf", base_url=f"https://localhost:{host.port}/a", fetch_card=True),
    )
    expect("a base_url that resolves to loopback", answer.status, 422)
    expect("connections that reached the host", host.accepted, reached)
    await expect_quiet(service)
    await service.stop()


main(private)
