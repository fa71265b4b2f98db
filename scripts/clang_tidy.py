# SPDX-License-Identifier: BSL-1.0
"""Runs clang-tidy on what a build compiles.

usage: clang_tidy.py [--jobs N] [--all] BUILD [FILE...]

BUILD is a build directory with a compile_commands.json, whose precompiled headers are built. Files
that include Boost.Asio take clang-tidy long, so without --all only some of them are checked: each
header of corolock/asio by itself, every source of the program, and the first test of each folder.
With FILEs only those are checked. What was found clean is not checked again until the file, a
header of ours, the command or .clang-tidy changes.
"""

import argparse
import concurrent.futures
import hashlib
import json
import pathlib
import re
import shlex
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
TOOL = "clang-tidy-19"
FINDING = re.compile(r"^(?=/\S+:\d+:\d+: (?:error|warning):)", re.MULTILINE)
ASIO = re.compile(r"#\s*include\s*<(boost/asio|corolock/asio|marketplace/)")


def all_headers() -> bytes:
    """The digest of what any file may include."""
    digest = hashlib.sha256((ROOT / ".clang-tidy").read_bytes())
    for folder in ("include", "marketplace", "tests", "bench", "cli", "python"):
        for header in sorted((ROOT / folder).rglob("*.hpp")):
            digest.update(str(header).encode() + b"\0" + header.read_bytes())
    return digest.digest()


def is_checked(file: pathlib.Path, seen: set[pathlib.Path]) -> bool:
    """Whether a file belongs to the selection; `seen` are the folders that Asio's tests had."""
    if "verify_interface_header_sets" in str(file):
        return True
    if not file.is_relative_to(ROOT) or file.is_relative_to(ROOT / "cmake"):
        return False
    if file.is_relative_to(ROOT / "build"):
        return False
    if not ASIO.search(file.read_text(encoding="utf-8", errors="replace")):
        return True
    if file.is_relative_to(ROOT / "cli"):
        return True
    first = file.parent not in seen
    seen.add(file.parent)
    return first


def words_of(entry: dict) -> list[str]:
    words = entry.get("arguments") or shlex.split(entry["command"])
    return [word for word in words if not word.startswith("-W")]


def check(file: pathlib.Path, entry: dict, options, common: bytes) -> tuple[bool, str]:
    """Runs clang-tidy on one file. Returns whether it is clean, and what was found."""
    digest = hashlib.sha256(common)
    digest.update(" ".join(words_of(entry)).encode() + b"\0" + file.read_bytes())
    stamp = options.build / "clang-tidy" / digest.hexdigest()
    if stamp.exists():
        return True, ""
    done = subprocess.run(
        [TOOL, "--quiet", "-p", str(options.build), str(file)],
        capture_output=True, text=True, errors="replace",
    )  # fmt: skip
    if done.returncode == 0:
        stamp.parent.mkdir(exist_ok=True)
        stamp.touch()
        return True, ""
    return False, done.stdout or done.stderr


def news_in(text: str, known: set[str]) -> str:
    """The findings in clang-tidy's output that no other file had as well."""
    fresh = []
    for finding in FINDING.split(text):
        title = finding.split("\n", 1)[0]
        if finding.strip() and title not in known:
            known.add(title)
            fresh.append(finding.rstrip())
    return "\n".join(fresh) or "(as above)"


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--all", action="store_true")
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("files", nargs="*", type=pathlib.Path)
    options = parser.parse_args()
    options.build = options.build.resolve()

    entries = {}
    for entry in json.loads((options.build / "compile_commands.json").read_text()):
        file = pathlib.Path(entry["directory"], entry["file"]).resolve()
        entries.setdefault(file, entry)
    wanted = {file.resolve() for file in options.files}
    for file in wanted - entries.keys():
        print(f"{file}: not part of {options.build}", file=sys.stderr)
        return 2
    seen: set[pathlib.Path] = set()
    files = [
        file
        for file in sorted(entries)
        if (file in wanted if wanted else options.all or is_checked(file, seen))
    ]

    common = all_headers()
    clean = True
    known: set[str] = set()
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        jobs = {pool.submit(check, file, entries[file], options, common): file for file in files}
        for number, job in enumerate(concurrent.futures.as_completed(jobs), 1):
            good, text = job.result()
            name = jobs[job]
            name = name.relative_to(ROOT) if name.is_relative_to(ROOT) else name
            print(f"[{number}/{len(files)}] {name}{'' if good else ': found'}", flush=True)
            if not good:
                clean = False
                print(news_in(text, known), flush=True)
    return 0 if clean else 1


if __name__ == "__main__":
    sys.exit(main())
