#!/usr/bin/python3
# SPDX-License-Identifier: BSL-1.0
# Copyright (c) 2026 the corolock developers
"""Puts bugs into the library's locks across machines, one at a time: the faults must show each.

usage: mutate.py [--seeds N] [--seconds S] [NAME...]     all of tests/faults/bugs by default

bugs/NAME.patch is a unified diff against the tree, after the lines `bug:`, what is wrong, `engine:`,
where it shows, and `faults:` and `hold:`, the kinds and the times that show it. Each is applied to a copy of the tree, whose client is built and run until
a seed has findings. Exits with 1 if a bug was not noticed.
"""

import argparse
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUGS = pathlib.Path(__file__).resolve().parent / "bugs"
SCRATCH = ROOT / "build" / "faults-mutate"


def call(*command):
    done = subprocess.run(command, cwd=SCRATCH, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"mutate.py: {' '.join(command)}\n{done.stdout}{done.stderr}")


def client_of(patch):
    """The program with that bug. The one place for all keeps ccache's hits."""
    for each in SCRATCH.iterdir() if SCRATCH.exists() else ():
        if each.name != "build":
            shutil.rmtree(each) if each.is_dir() else each.unlink()
    # With new times: what was changed by the last patch is built again.
    shutil.copytree(ROOT, SCRATCH, dirs_exist_ok=True, copy_function=shutil.copy,
                    ignore=shutil.ignore_patterns("build", ".git", "node_modules"))  # fmt: skip
    call("patch", "-p1", "--fuzz=0", "-i", str(patch))
    call("cmake", "--preset", "default")
    call("cmake", "--build", "build/default", "--target", "corolock_faults_client")
    return SCRATCH / "build" / "default" / "tests" / "faults" / "corolock_faults_client"


def is_noticed(patch, arguments):
    header = dict(re.findall(r"^(engine|faults|hold): (\S+)$", patch.read_text("utf-8"), re.MULTILINE))
    client = client_of(patch)
    for _ in range(arguments.seeds):
        command = [sys.executable, str(ROOT / "tests/faults/run.py"), "--client", str(client),
                   "--engine", header["engine"], "--only", header["faults"],
                   "--hold", header["hold"],
                   "--seeds", "1", "--seconds", str(arguments.seconds)]  # fmt: skip
        code = subprocess.run(command, check=False).returncode
        if code == 1:
            return True
        if code:
            sys.exit(f"mutate.py: run.py ended with {code}")
    return False


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--seeds", type=int, default=4, help="at most (default: 4)")
    parser.add_argument("--seconds", type=int, default=25, help="of each (default: 25)")
    parser.add_argument("names", nargs="*", metavar="NAME")
    arguments = parser.parse_args()
    patches = [BUGS / f"{each}.patch" for each in arguments.names] or sorted(BUGS.glob("*.patch"))
    missed = 0
    for each in patches:
        noticed = is_noticed(each, arguments)
        missed += not noticed
        print(f"{each.stem}: {'noticed' if noticed else 'NOT noticed'}", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
