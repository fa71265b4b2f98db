# SPDX-License-Identifier: BSL-1.0
"""The rules of this repository that no other tool knows.

usage: tidy.py [FILE...]     all tracked files by default

Prints FILE:LINE: what is wrong and what to do instead, and exits with 1 when there is anything.
"""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent

SPDX = "SPDX-License-Identifier: BSL-1.0"
COLUMNS = 100

CPP = {".cpp", ".hpp"}
# What begins with the licence line, or with `#!` and then the licence line.
SOURCES = CPP | {".py", ".sh", ".cmake"}
SOURCE_NAMES = {"CMakeLists.txt", "dev", "run", ".clang-format", ".clang-tidy"}
# Where a tab or a trailing blank is part of the contents.
FREE = {".expected", ".patch", ".tsv", ".jsonl", ".json", ".svg"}

UNOWNED = re.compile(r"\b(TODO|FIXME|XXX)\b(?!\(#\d+\))")
ATOMIC = re.compile(r"\bstd::atomic|#\s*include\s*<atomic>")
# A sleep of the explorer is one on its virtual clock.
SLEEP = re.compile(r"(?<!explore::)\bsleep_(for|until)\b|\busleep\(|\bnanosleep\(")


def tracked() -> list[pathlib.Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [ROOT / name for name in listed.stdout.split("\0") if name]


def line_rules(path: pathlib.PurePath, line: str):
    """Yields what is wrong with a line of the file at this path from the root."""
    parts = path.parts
    if path.suffix not in FREE:
        if "\t" in line:
            yield "a tab: use spaces"
        if line != line.rstrip():
            yield "trailing blanks"
    if path.suffix in CPP and len(line) > COLUMNS:
        yield f"{len(line)} columns: at most {COLUMNS}"
    if path.name != "tidy.py" and UNOWNED.search(line):
        yield "an open end without an issue: file one and write TODO(#N)"
    in_library = parts[:2] == ("include", "corolock")
    if in_library and parts[-2:] != ("detail", "sync.hpp") and ATOMIC.search(line):
        yield "std::atomic: use corolock::detail::atomic from detail/sync.hpp"
    if parts[:1] == ("tests",) and path.suffix in CPP and SLEEP.search(line):
        yield "a test that sleeps: wait for the condition itself"


def problems(file: pathlib.Path):
    """Yields (line number, what is wrong) for a file."""
    path = file.relative_to(ROOT)
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return  # a picture
    lines = text.split("\n")
    if lines.pop() != "":
        yield len(lines) + 1, "the last line has no newline"
    if path.suffix in SOURCES or path.name in SOURCE_NAMES:
        first = 1 if lines and lines[0].startswith("#!") else 0
        if len(lines) <= first or SPDX not in lines[first]:
            yield first + 1, f"no licence: begin with the comment {SPDX}"
    if path.suffix == ".hpp" and "#pragma once" not in lines:
        yield 1, "a header without #pragma once"
    for number, line in enumerate(lines, 1):
        for problem in line_rules(path, line):
            yield number, problem


def main(arguments: list[str]) -> int:
    files = [pathlib.Path(name).resolve() for name in arguments] or tracked()
    found = 0
    for file in sorted(files):
        if file.is_symlink() or not file.is_file():
            continue
        for number, problem in problems(file):
            print(f"{file.relative_to(ROOT)}:{number}: {problem}")
            found += 1
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
