# SPDX-License-Identifier: BSL-1.0
"""Reads ctest's output from standard input and prints it for people.

usage: ctest_output.py LOG

On a terminal the tests that pass share one line; elsewhere each has its own. What CPython's own
tests gave is taken from LOG, in which ctest has everything. ctest's closing line,
"100% tests passed, 0 tests failed out of N", is printed last.
"""

import pathlib
import re
import sys

RESULT = re.compile(r"\s*\d+/\d+ Test\s+#\d+: ")
START = re.compile(r"\s*Start\s+\d+: ")
SUITE = re.compile(r"test_\w+\.py: \d+/\d+ passed.*")
CLOSING = re.compile(r"\d+% tests passed, \d+ tests? failed out of \d+")


def main() -> int:
    terminal = sys.stdout.isatty()
    pending = False  # a line that the next one may overwrite
    closing = None

    def show(line: str) -> None:
        nonlocal pending
        if pending:
            sys.stdout.write("\r\x1b[K")
            pending = False
        print(line, flush=True)

    for raw in sys.stdin.buffer:
        line = raw.decode("utf-8", "replace").rstrip("\n")
        if START.match(line):
            continue
        if CLOSING.match(line):
            closing = line
        elif terminal and RESULT.match(line) and " Passed " in line:
            sys.stdout.write("\r\x1b[K" + line[:79])
            sys.stdout.flush()
            pending = True
        else:
            show(line)
    log = pathlib.Path(sys.argv[1])
    if log.is_file():
        for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
            if SUITE.fullmatch(line):
                show(line)
    if closing is not None:
        show(closing)
    return 0


if __name__ == "__main__":
    sys.exit(main())
