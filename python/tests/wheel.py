# SPDX-License-Identifier: BSL-1.0
# Copyright (c) 2026 the corolock developers
"""Builds the wheel with what is installed, installs it into a new venv, and uses it there.

usage: wheel.py REPOSITORY
"""

import pathlib
import shutil
import subprocess
import sys
import tempfile

USE = """
import asyncio, pathlib, sys
import corolock

assert pathlib.Path(corolock.__file__).is_relative_to(sys.prefix), corolock.__file__
for part in ("__init__.pyi", "py.typed"):
    assert pathlib.Path(corolock.__file__).with_name(part).is_file(), part

async def main():
    corolock.install()
    async with asyncio.Lock(), corolock.ThreadSafeLock():
        return type(asyncio.Lock()).__module__

print(asyncio.run(main()))
"""


def run(*command, **options):
    return subprocess.run(
        [str(word) for word in command], check=True, text=True, stdout=subprocess.PIPE, **options
    ).stdout


def main() -> int:
    repository = pathlib.Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        # A copy, because setuptools leaves its own folders beside the sources.
        for part in ("python", "include"):
            shutil.copytree(repository / part, folder / "clone" / part)
        quiet = ("-m", "pip", "--disable-pip-version-check", "-q")
        run(sys.executable, "-m", "venv", folder / "build", "--system-site-packages")
        run(folder / "build/bin/python", *quiet, "wheel", "--no-build-isolation", "--no-deps",
            "--no-index", "-w", folder, folder / "clone" / "python")  # fmt: skip
        (wheel,) = folder.glob("*.whl")
        run(sys.executable, "-m", "venv", folder / "venv")
        run(folder / "venv/bin/python", *quiet, "install", "--no-index", wheel)
        said = run(folder / "venv/bin/python", "-c", USE, cwd=folder)
        print(f"{wheel.name}: {said.strip()}")
        return 0 if said == "corolock\n" else 1


if __name__ == "__main__":
    sys.exit(main())
