# SPDX-License-Identifier: BSL-1.0
"""Runs a program and compares what it prints with a file.

usage: check_output.py EXPECTED PROGRAM [ARGUMENT...]

The program must exit with 0 and print exactly the lines of EXPECTED on its standard output. Within
a line of EXPECTED, {{REGEX}} stands for any text that the regular expression matches.
"""

import difflib
import pathlib
import re
import subprocess
import sys

HOLE = re.compile(r"\{\{(.+?)\}\}")


def pattern_of(line: str) -> re.Pattern:
    """The whole of an expected line, as a regular expression."""
    parts = HOLE.split(line)  # text, regex, text, ..., text
    return re.compile(
        "".join(f"(?:{part})" if hole % 2 else re.escape(part) for hole, part in enumerate(parts))
    )


def matches(expected: list[str], actual: list[str]) -> bool:
    return len(expected) == len(actual) and all(
        pattern_of(want).fullmatch(got) for want, got in zip(expected, actual)
    )


def main(arguments: list[str]) -> int:
    if len(arguments) < 2:
        print(__doc__, file=sys.stderr)
        return 2
    expected_file = pathlib.Path(arguments[0])
    if not expected_file.exists():
        print(f"{expected_file} is missing")
        return 1
    expected = expected_file.read_text(encoding="utf-8").splitlines()

    done = subprocess.run(
        arguments[1:], capture_output=True, text=True, encoding="utf-8", errors="replace"
    )
    actual = done.stdout.splitlines()
    if done.returncode == 0 and matches(expected, actual):
        return 0

    if done.returncode != 0:
        print(f"{arguments[1]} ended with {done.returncode}")
    if not matches(expected, actual):
        # A line that fits its expected one is shown as the same.
        shown = [
            want if want is not None and pattern_of(want).fullmatch(got) else got
            for want, got in zip(expected + [None] * len(actual), actual)
        ]
        print("\n".join(difflib.unified_diff(expected, shown, "expected", "printed", lineterm="")))
    if done.stderr:
        print("standard error:\n" + done.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
