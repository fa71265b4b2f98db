#!/usr/bin/python3
# SPDX-License-Identifier: BSL-1.0
"""Runs pages.mjs with playwright-core, which npm installs into a folder of the build.

usage: run.py PROGRAM FOLDER
"""

import pathlib
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent


def main() -> int:
    program, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    lock = (HERE / "package-lock.json").read_bytes()
    installed = folder / "installed.json"
    if not installed.exists() or installed.read_bytes() != lock:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, folder)
        npm = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        subprocess.run(npm, cwd=folder, check=True)
        installed.write_bytes(lock)
    shutil.copy(HERE / "pages.mjs", folder)  # Node looks for packages beside the script
    pages = ["node", str(folder / "pages.mjs"), program, str(folder / "screenshots")]
    return subprocess.run(pages, cwd=folder).returncode


if __name__ == "__main__":
    sys.exit(main())
