#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
# Copyright (c) 2026 the corolock developers
"""The disk is full: 503, reads go on, and what the service says is what the disk holds.

Two ways to be full: a file system of 16 MiB (where this process may mount one), and a limit on the
size of files (everywhere).
"""

import contextlib
import os
import resource
import shutil
import signal
import sqlite3
import subprocess

from support.scenario import agent, all_agents, expect, main, require, until

MIB = 1 << 20


def expect_unavailable(answer):
    expect("writing to a full disk", answer.status, 503)
    expect("its type", answer.headers["content-type"], "application/problem+json")
    for member in ("type", "title", "status", "detail", "instance", "errorCode", "message"):
        require(member in answer.json(), f"the problem has no {member}")
    require("retry-after" in answer.headers, "no Retry-After")


async def fill(place, database, before_exec, make_room):
    """Fills the disk, makes room, and compares the answers with the database."""
    storage = f"sqlite:{database}"
    service = await place.service(storage=storage, before_exec=before_exec)
    client = service.client
    stored, refused = [], []
    big = "x" * 4000
    for n in range(20_000):
        answer = await client.post("/v1/agents", agent(f"full-{n}", description=big))
        if answer.status == 201:
            stored.append(answer.json()["agent_id"])
        else:
            expect_unavailable(answer)
            refused.append(f"full-{n}")
            if len(refused) == 20:
                break
    require(len(refused) == 20, "the disk did not become full")
    require(len(stored) > 20, f"only {len(stored)} agents fit")

    # Reads go on, and show exactly what was acknowledged.
    listed = [each["agent_id"] for each in await all_agents(client)]
    expect("the list", sorted(listed), sorted(stored))
    one = await client.get(f"/v1/agents/{stored[0]}")
    expect("an agent", one.status, 200)
    expect("/healthz", (await client.get("/healthz")).status, 200)

    async def is_ready():
        answer = await client.get("/readyz")
        expect("/readyz", answer.status, 200, 503)
        return answer.status == 200

    async def is_not_ready():  # each look writes a little, and takes what little is left
        return not await is_ready()

    await until("/readyz to notice", is_not_ready)
    claim = await client.post("/v1/agents", agent("full-0", description="again"))
    expect("a conflict while the disk is full", claim.status, 409, 503)

    make_room(service.pid)
    await until("/readyz after there is room again", is_ready)
    answer = await client.post("/v1/agents", agent(refused[0], description=big))
    expect("what was refused before", answer.status, 201)
    stored.append(answer.json()["agent_id"])
    await service.stop()
    with contextlib.closing(sqlite3.connect(database)) as opened:
        expect("integrity_check", opened.execute("PRAGMA integrity_check").fetchall(), [("ok",)])

    service = await place.service(storage=storage)
    listed = [each["agent_id"] for each in await all_agents(service.client)]
    expect("the list after a restart", sorted(listed), sorted(stored))
    await service.stop()


async def on_a_small_file_system(place):
    directory = place.directory / "small"
    directory.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(directory)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        print(f"no file system of our own ({done.stderr.strip()}): only the limit on files")
        return
    try:
        ballast = directory / "ballast"
        ballast.write_bytes(bytes(MIB))
        await fill(place, directory / "agents.db", None, lambda pid: ballast.unlink())
    finally:
        await place.clean_up()
        subprocess.run(["umount", str(directory)], check=True)


async def with_a_limit_on_files(place):
    directory = place.directory / "limited"
    directory.mkdir()

    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # writing fails with EFBIG instead
        resource.setrlimit(resource.RLIMIT_FSIZE, (8 * MIB, resource.RLIM_INFINITY))

    def lift(pid):
        unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, unlimited)

    await fill(place, directory / "agents.db", limit, lift)


async def disk_full(place):
    require(shutil.which("mount") or os.geteuid() != 0, "root without the program mount")
    await with_a_limit_on_files(place)
    await on_a_small_file_system(place)


main(disk_full)
