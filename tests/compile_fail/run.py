# SPDX-License-Identifier: BSL-1.0
"""Checks that a source file does not compile, and why.

usage: run.py SOURCE COMPILER [FLAG...]

Near its top, SOURCE has one line or more of the form

    // expect-error: REGEX
    // expect-error(clang): REGEX      for clang only
    // expect-error(g++): REGEX        for g++ only

Compiling it must fail with messages, errors or notes, that match each of them. With COROLOCK_EXPECT_SUCCESS
defined the same file must compile, warnings counting as errors: so the failure has the one cause
that the file excludes by that macro, and not a missing include.
"""

import pathlib
import re
import subprocess
import sys

EXPECTATION = re.compile(r"// expect-error(?:\((clang|g\+\+)\))?: (.+)")
LINES_SEARCHED = 20


def expectations(source: pathlib.Path, family: str) -> list[str]:
    found = []
    for line in source.read_text(encoding="utf-8").splitlines()[:LINES_SEARCHED]:
        match = EXPECTATION.fullmatch(line.rstrip())
        if match and match[1] in (None, family):
            found.append(match[2])
    return found


def compile_it(command: list[str]) -> tuple[bool, str]:
    done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    return done.returncode == 0, done.stderr


def main(arguments: list[str]) -> int:
    if len(arguments) < 2:
        print(__doc__, file=sys.stderr)
        return 2
    source = pathlib.Path(arguments[0])
    family = "clang" if "clang" in pathlib.Path(arguments[1]).name else "g++"
    command = [*arguments[1:], "-fsyntax-only", "-fdiagnostics-color=never", str(source)]

    wanted = expectations(source, family)
    if not wanted:
        print(f"{source} has no line `// expect-error: REGEX` for {family}")
        return 1

    compiles, messages = compile_it([*command, "-Werror", "-DCOROLOCK_EXPECT_SUCCESS"])
    if not compiles:
        print("with COROLOCK_EXPECT_SUCCESS it must compile, and does not:\n" + messages)
        return 1

    compiles, messages = compile_it(command)
    if compiles:
        print("it compiles, and must not")
        return 1
    # The messages alone: the source lines that the compiler quotes would match as well.
    errors = "\n".join(re.findall(r"(?:error|note): (.*)", messages))
    for regex in wanted:
        if not re.search(regex, errors):
            print(f"it does not compile, but no message matches: {regex}\n{messages}")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
