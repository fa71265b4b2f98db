#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
# Copyright (c) 2026 the corolock developers
"""What the program takes from its arguments and its file, and how it refuses what is wrong."""

import asyncio

from support.scenario import agent, expect, main, require

CONFIGURATION = """\
[serve]
storage = memory
closed = true
rate-limits = off
trusted-proxy = ["10.0.0.1", "::ffff:127.0.0.1"]
"""


async def refused(place, *arguments, says):
    process = await asyncio.create_subprocess_exec(
        place.program, *arguments,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await asyncio.wait_for(process.communicate(), 60)
    expect(f"{arguments}: exit status", process.returncode, 2)
    require(says in said.decode(), f"{arguments} said {said.decode()!r}, without {says!r}")


async def arguments(place):
    file = place.directory / "marketplace.ini"
    file.write_text(CONFIGURATION, encoding="utf-8")
    # --closed comes from the file only.
    service = await place.service("--config", str(file), storage="memory")
    answer = await service.client.post("/v1/agents", agent("anybody"))
    expect("a registration without a key", answer.status, 401)
    await service.stop()

    wrong = place.directory / "wrong.ini"
    wrong.write_text("[serve]\nstorag = memory\n", encoding="utf-8")
    await refused(place, "serve", "--config", str(wrong), says="serve.storag")
    await refused(place, "serve", "--config", "is-not-there.ini", says="is-not-there.ini")
    await refused(place, "serve", "--listen", "nonsense", says="'nonsense'")
    await refused(place, "serve", "--trusted-proxy", "nobody", says="'nobody' is no address")
    await refused(place, "serve", "--unique-names", "some", says="--unique-names")
    await refused(place, "serve", "--nonsense", says="--nonsense")


main(arguments)
