#!/usr/bin/python3
# SPDX-License-Identifier: BSL-1.0
"""Checks that the map from rows to tests is complete and true.

usage: scripts/check_rows.py ROWS.tsv EXECUTABLE...

Every id of a `# rows` line of the file has exactly one row, and no other row exists. A row has the
columns id, section, statement, tests, reason, separated by tabs: either tests, separated by spaces,
each of which one of the executables lists, or `-` and a reason why none can be written.
"""

import pathlib
import re
import subprocess
import sys

COLUMNS = ["id", "section", "statement", "tests", "reason"]


def tests_in(executable: str) -> set[str]:
    """All tests of an executable; a typed or parameterised one also by its name without the
    parameter, so that AsyncMutex/Local.IsFree is AsyncMutex.IsFree too."""
    listed = subprocess.run(
        [executable, "--gtest_list_tests"], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    names, suite = set(), ""
    for line in listed.splitlines():
        name = line.split("#")[0].rstrip()
        if not name:
            continue
        if not name.startswith(" "):
            suite = name.removesuffix(".") if name.endswith(".") else ""
        elif suite:
            names.add(f"{suite}.{name.strip()}")
            names.add(f"{suite.split('/')[0]}.{name.strip().split('/')[0]}")
    return names


def check(text: str, known: set[str]) -> list[str]:
    problems, expected, seen = [], [], set()
    lines = text.splitlines()
    for line in lines:
        if match := re.match(r"# rows (.+)", line):
            expected += match[1].split()
    rows = [(number, line) for number, line in enumerate(lines, 1) if not line.startswith("#")]
    if not expected:
        problems.append("no `# rows` line says which rows there are")
    if not rows or rows[0][1].split("\t") != COLUMNS:
        problems.append(f"the first row must name the columns {', '.join(COLUMNS)}")
    for number, line in rows[1:]:
        fields = line.split("\t")
        if len(fields) != len(COLUMNS) or not all(field.strip() for field in fields):
            problems.append(f"line {number}: {len(COLUMNS)} filled columns are needed")
            continue
        row, _, _, tests, reason = fields
        if row in seen:
            problems.append(f"line {number}: {row} has a row already")
        seen.add(row)
        if row not in expected:
            problems.append(f"line {number}: {row} is in no `# rows` line")
        if (tests == "-") == (reason == "-"):
            problems.append(f"line {number}: {row} needs tests or a reason, and not both")
        if tests != "-":
            for test in tests.split():
                if test not in known:
                    problems.append(f"line {number}: {row}: there is no test {test}")
    problems += [f"{row} is listed twice" for row in sorted(set(expected))
                 if expected.count(row) > 1]  # fmt: skip
    problems += [f"{row} has no row" for row in expected if row not in seen]
    return problems


def main() -> int:
    if len(sys.argv) < 3:
        print(__doc__, file=sys.stderr)
        return 2
    known = set()
    for executable in sys.argv[2:]:
        known |= tests_in(executable)
    text = pathlib.Path(sys.argv[1]).read_text(encoding="utf-8")
    problems = check(text, known)
    for problem in problems:
        print(f"{sys.argv[1]}: {problem}")
    if not problems:
        rows = [line for line in text.splitlines() if not line.startswith("#")][1:]
        print(f"{len(rows)} rows, {len(known)} names of tests")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
