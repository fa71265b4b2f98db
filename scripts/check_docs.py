#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Checks that the documents say what is there.

usage: check_docs.py [--write]

  links       lead to a file, and to a heading of it
  pages       say of which kind they are; a reference page has all headings, in their order
  tests       that a document names exist, in the file that it links
  code        a C++ block is a copy of code that is compiled and run, a synopsis has the functions
              of its class, the class's state table is on its page, a Python block is Python
  comments    every function async_...() of the library has one

--write copies the code into the documents. A block says where it comes from in a line before it:

  <!-- code: docs/code/reference.cpp#asio -->      the part between // [asio] and // [/asio]
  <!-- output: docs/code/reference.expected -->    some lines of it
  <!-- lines: tests/consumers/run.py -->           every line is a line of it, but for the indent
  <!-- synopsis: include/corolock/async_event.hpp -->

Prints FILE:LINE: what is wrong, and exits with 1 when there is anything.
"""

import ast
import pathlib
import re
import sys
import textwrap

ROOT = pathlib.Path(__file__).resolve().parent.parent
INCLUDE = ROOT / "include" / "corolock"
DOCUMENTS = ["*.md", "docs/**/*.md", "bench/*.md", "marketplace/*.md", "cli/*.md", "python/*.md"]

KINDS = {"tutorial": "Tutorial", "how-to": "How-to", "reference": "Reference",
         "explanation": "Explanation"}  # fmt: skip
HEADINGS = [
    "What", "When and when not", "Synopsis", "State table", "Order", "Resumption", "Cancellation",
    "Memory order", "Thread safety", "Lifetime", "Cost", "Example", "See also",
]  # fmt: skip

# Public because the front ends need them, but not for users.
PROTOCOL = {
    "begin_wait", "end_wait", "leave_queue", "settle", "recheck", "granted", "released", "set_owner",
    "clear_owner",
}  # fmt: skip

FENCE = re.compile(r"^ *```(\w*)")
MARK = re.compile(r"^<!-- (code|output|lines|synopsis): ([^#\s]+)(?:#(\S+))? -->$")
LINK = re.compile(r"(?<!!)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)")
TEST_NAME = re.compile(r"`([A-Z]\w+)\.([A-Z]\w+)`")
TEST = re.compile(r"^(?:TYPED_)?TEST(?:_F|_P)?\(\s*(\w+),\s*(\w+)\)", re.MULTILINE)


class Page:
    """A document: its lines, and which of them are text."""

    def __init__(self, path: pathlib.Path):
        self.path = path
        self.name = path.relative_to(ROOT)
        self.lines = path.read_text(encoding="utf-8").splitlines()
        self.blocks = []  # (language, first line, line after the last)
        self.text = []  # (number, line) outside of the blocks
        start = None
        for number, line in enumerate(self.lines, 1):
            fence = FENCE.match(line)
            if start is not None:
                if fence:
                    self.blocks.append((language, start, number))
                    start = None
            elif fence:
                language, start = fence.group(1), number + 1
            else:
                self.text.append((number, line))

    def anchors(self) -> set[str]:
        """The anchors that a forge gives to the headings."""
        result = set()
        for _, line in self.text:
            if match := re.match(r"#+ (.*)", line):
                title = re.sub(r"[^\w\- ]", "", LINK.sub(r"\1", match.group(1)).lower())
                anchor = title.strip().replace(" ", "-")
                result.add(anchor)
        return result


def read(path: pathlib.Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


# ------------------------------------------------------------------------------------------ links


def check_links(page: Page, pages: dict[pathlib.Path, Page]):
    for number, line in page.text:
        for match in LINK.finditer(re.sub(r"``.*?``", "", line)):
            target, _, anchor = match.group(2).partition("#")
            if re.match(r"[a-z]+:", target):
                continue
            path = (page.path.parent / target).resolve() if target else page.path
            if not path.exists():
                yield number, f"a link to {target}, which does not exist"
            elif anchor and path not in pages:
                yield number, f"a link to a heading of {target}, which is not a document"
            elif anchor and anchor not in pages[path].anchors():
                yield number, f"a link to #{anchor}, which is no heading of {path.relative_to(ROOT)}"


# ------------------------------------------------------------------------------------------ pages


def check_shape(page: Page):
    parts = page.name.parts
    if parts[0] != "docs" or len(parts) < 3:
        return
    kind = KINDS.get(parts[1])
    if kind is None:
        yield 1, f"docs/{parts[1]} is none of the four kinds: {', '.join(KINDS)}"
        return
    if not any(line.startswith(f"*{kind}.*") for line in page.lines[:4]):
        yield 1, f"a page that does not say at its top that it is of the kind *{kind}.*"
    if kind == "Reference" and parts[-1] != "README.md":
        headings = [line[3:] for _, line in page.text if line.startswith("## ")]
        if headings != HEADINGS:
            yield 1, f"the headings are {headings}, not {HEADINGS}"


def check_chooser(pages: dict[pathlib.Path, Page]):
    """Every page of docs is linked by an index."""
    indexes = [ROOT / "README.md", ROOT / "docs/reference/README.md"]
    linked = set()
    for index in indexes:
        if index in pages:
            for _, line in pages[index].text:
                for match in LINK.finditer(line):
                    linked.add((index.parent / match.group(2).partition("#")[0]).resolve())
    for path, page in pages.items():
        if page.name.parts[0] == "docs" and path not in linked:
            yield page, 1, "neither README.md nor docs/reference/README.md links this page"


# ------------------------------------------------------------------------------------------ tests


def tests_of(path: pathlib.Path) -> set[tuple[str, str]]:
    files = [path] if path.is_file() else path.rglob("*.cpp")
    return {names for file in files for names in TEST.findall(file.read_text(encoding="utf-8"))}


def check_tests(page: Page, known: set[tuple[str, str]]):
    for number, line in page.text:
        linked = {}
        for match in LINK.finditer(line):
            for names in TEST_NAME.findall(match.group(1)):
                linked[names] = (page.path.parent / match.group(2)).resolve()
        for names in TEST_NAME.findall(line):
            name = ".".join(names)
            if names not in known:
                yield number, f"the test {name}, which does not exist"
            elif names in linked and names not in tests_of(linked[names]):
                yield number, f"the test {name}, which is not in {linked[names].name}"


# ------------------------------------------------------------------------------------------- code


def region(text: str, name: str | None) -> list[str] | None:
    """The lines between // [name] and // [/name]; without a name, the whole text."""
    if name is None:
        return text.splitlines()
    match = re.search(rf"^ *// \[{name}\]\n(.*?)^ *// \[/{name}\]$", text, re.DOTALL | re.MULTILINE)
    return textwrap.dedent(match.group(1)).splitlines() if match else None


def is_output(line: str, expected: str) -> bool:
    parts = re.split(r"\{\{(.+?)\}\}", expected)
    pattern = "".join(f"(?:{p})" if i % 2 else re.escape(p) for i, p in enumerate(parts))
    return re.fullmatch(pattern, line) is not None


def check_code(page: Page, write: bool):
    changes = []
    for language, first, end in page.blocks:
        lines = page.lines[first - 1 : end - 1]
        mark = MARK.match(page.lines[first - 3]) if first >= 3 else None
        if language == "python":
            try:
                flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
                compile("\n".join(lines), str(page.name), "exec", flags)
            except SyntaxError as error:
                yield first, f"Python that is not Python: {error}"
        if mark is None:
            if language in ("cpp", "cmake"):
                yield first, f"{language} that comes from nowhere: say where in a line before it"
            continue
        how, name, part = mark.groups()
        source = read(ROOT / name)
        if source is None:
            yield first, f"code from {name}, which does not exist"
        elif how == "code":
            wanted = region(source, part)
            if wanted is None:
                yield first, f"code from {name}, which has no part [{part}]"
            elif lines != wanted and write:
                changes.append((first - 1, end - 1, wanted))
            elif lines != wanted:
                yield first, f"code that is not that of {name}; --write copies it"
        elif how == "output":
            expected = source.splitlines()
            for number, line in enumerate(lines, first):
                if not any(is_output(line, e) for e in expected):
                    yield number, f"output that {name} does not have"
        elif how == "lines":
            have = {line.strip() for line in source.splitlines()}
            for number, line in enumerate(lines, first):
                if line.strip() and line.strip() not in have:
                    yield number, f"a line that {name} does not have"
        else:
            yield from ((first, problem) for problem in check_synopsis(lines, source, name))
            yield from ((first, problem) for problem in check_table(page, source, name))
    if changes:
        for first, end, wanted in reversed(changes):
            page.lines[first:end] = wanted
        page.path.write_text("\n".join(page.lines) + "\n", encoding="utf-8")


# --------------------------------------------------------------------------------------- synopses


def without_comments(text: str) -> str:
    return re.sub(r" *//[^\n]*", "", text)


def matching(text: str, start: int) -> int:
    """The index of the bracket that closes the one at start."""
    pairs = {"(": ")", "{": "}"}
    opening, closing = text[start], pairs[text[start]]
    depth = 0
    for index in range(start, len(text)):
        if text[index] == opening:
            depth += 1
        elif text[index] == closing:
            depth -= 1
            if depth == 0:
                return index
    raise ValueError("brackets that do not match")


def split_arguments(text: str) -> list[str]:
    parts, depth, current = [], 0, ""
    for character in text:
        depth += (character in "<({[") - (character in ">)}]")
        if character == "," and depth == 0:
            parts.append(current)
            current = ""
        else:
            current += character
    return [" ".join(part.split()) for part in [*parts, current] if part.strip()]


def function_key(declaration: str) -> str | None:
    """`name(types and names of the parameters)` of a function's declaration, without call sites and
    default arguments; None if it is no function or one that every class has."""
    declaration = re.sub(r"\[\[.*?\]\]", "", declaration, flags=re.DOTALL)
    declaration = re.sub(r"\brequires\s*\(.*?\)\s*(?=explicit|\w+\()", "", declaration)
    match = re.search(r"(~?\b(?:operator\s*\S+?|\w+))\s*\(", declaration)
    if re.match(r"\s*(using|friend|static constexpr|static_assert)\b", declaration) or not match:
        return None
    name = match.group(1)
    start = match.end() - 1
    parameters = split_arguments(declaration[start + 1 : matching(declaration, start)])
    if name.startswith(("~", "operator=")) or name in PROTOCOL:
        return None
    kept = [re.sub(r"\s*=(?!=).*", "", p) for p in parameters if "call_site" not in p]
    return f"{name}({', '.join(kept)})"


def public_functions(text: str) -> dict[str, set[str]]:
    """The public functions of each class of a header or a synopsis."""
    text = without_comments(text)
    result = {}
    for match in re.finditer(r"^(class|struct)(?: \[\[.*?\]\])? (\w+) \{$", text, re.MULTILINE):
        body = text[match.end() : matching(text, match.end() - 1)]
        is_public = match.group(1) == "struct"
        functions, declaration, index = set(), "", 0
        while index < len(body):
            character = body[index]
            if label := re.match(r"\s*(public|private|protected):", body[index:]):
                is_public, declaration = label.group(1) == "public", ""
                index += label.end()
                continue
            if character in "{;":
                # What follows a constructor's parameters is no part of the declaration, and its
                # body may follow other braces.
                key = function_key(declaration)
                if is_public and key:
                    functions.add(key)
                if character == "{":
                    index = matching(body, index)
                    after = body[index + 1 :].lstrip()
                    if after.startswith((";", ",")):
                        index = body.index(after[0], index)
                declaration = ""
            elif character == "(":
                end = matching(body, index)
                declaration += body[index : end + 1]
                index = end
            else:
                declaration += character
            index += 1
        name = match.group(2)
        copies = {f"{name}({name}&& other)", f"{name}(const {name}&)", f"{name}()"}
        result[name] = functions - copies
    return result


def check_synopsis(lines: list[str], source: str, name: str):
    have = public_functions(source)
    shown = public_functions("\n".join(lines))
    if not shown:
        yield "a synopsis of no class"
    for class_name, functions in shown.items():
        if class_name not in have:
            yield f"a synopsis of {class_name}, which {name} does not define"
            continue
        for function in sorted(have[class_name] - functions):
            yield f"a synopsis of {class_name} without {function}"
        for function in sorted(functions - have[class_name]):
            yield f"a synopsis of {class_name} with {function}, which it does not have"


def check_table(page: Page, source: str, name: str):
    """The state table of a page is that of the class comment."""

    def cells(row: str) -> list[str]:
        return [" ".join(cell.replace("`", "").split()) for cell in row.strip("|").split("|")]

    shown = [cells(line) for _, line in page.text if line.startswith("|")]
    for row in re.findall(r"^/// (\|.*\|)$", source, re.MULTILINE):
        if not re.fullmatch(r"[|-]+", row) and cells(row) not in shown:
            yield f"a page without this row of the table in {name}: {row}"


# --------------------------------------------------------------------------------------- comments

DECLARATION = re.compile(r"^(?:  )?(?!return\b|co_)[\w:]+[\w:<>, ]*[>\w] (async_\w+)\(")


def check_comments(path: pathlib.Path):
    """Yields the functions async_...() without a /// comment; those of one name that follow each
    other without a blank line share one."""
    lines = path.read_text(encoding="utf-8").splitlines()
    documented = None  # the name of the last function that has a comment, up to a blank line
    for index, line in enumerate(lines):
        if not line.strip():
            documented = None
        match = DECLARATION.match(line)
        if not match:
            continue
        above = index - 1
        while above >= 0 and not re.search(r"^\s*$|^\s*//|[;}]\s*(//.*)?$|:$", lines[above]):
            above -= 1
        if lines[above].lstrip().startswith("///"):
            documented = match.group(1)
        elif documented != match.group(1):
            yield index + 1, f"{match.group(1)}() has no /// comment"


def check_asio_page(pages: dict[pathlib.Path, Page]):
    page = pages.get(ROOT / "docs/reference/asio.md")
    if page is None:
        return
    text = "\n".join(page.lines)
    for path in sorted((INCLUDE / "asio").glob("*.hpp")):
        for name in DECLARED_ASYNC.findall(path.read_text(encoding="utf-8")):
            if f"`{name}`" not in text:
                yield page, 1, f"nothing about {name}() of {path.relative_to(ROOT)}"


DECLARED_ASYNC = re.compile(r"^auto (async_\w+)\(", re.MULTILINE)


# ------------------------------------------------------------------------------------------- main


def main(arguments: list[str]) -> int:
    if arguments not in ([], ["--write"]):
        print(__doc__, file=sys.stderr)
        return 2
    paths = sorted({p for pattern in DOCUMENTS for p in ROOT.glob(pattern)})
    pages = {path: Page(path) for path in paths}
    tests = tests_of(ROOT / "tests") | tests_of(ROOT / "marketplace")
    found = []
    for page in pages.values():
        for check in (
            check_links(page, pages), check_shape(page), check_tests(page, tests),
            check_code(page, write=bool(arguments)),
        ):  # fmt: skip
            found += [(page.name, number, problem) for number, problem in check]
    for check in (check_chooser(pages), check_asio_page(pages)):
        found += [(page.name, number, problem) for page, number, problem in check]
    for path in sorted(INCLUDE.rglob("*.hpp")):
        if "detail" not in path.parts:
            found += [(path.relative_to(ROOT), *problem) for problem in check_comments(path)]
    for name, number, problem in sorted(found):
        print(f"{name}:{number}: {problem}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
