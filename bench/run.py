#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Runs the micro benchmarks of both compilers and prints a table per case, then the targets.

`./dev bench` builds the programs first and passes its arguments on to this.
"""

import argparse
import concurrent.futures
import datetime
import fnmatch
import json
import os
import pathlib
import re
import resource
import statistics
import subprocess
import sys
import tempfile

BENCH = pathlib.Path(__file__).resolve().parent
ROOT = BENCH.parent
PRESETS = {"g++": "bench-gcc", "clang": "bench"}
PROGRAMS = ["bench_core", "bench_asio", "bench_two_threads"]
# What is neither a time nor a number of instructions.
FACTS = "facts"
COMPILE_TIME = "compile_time"
COMPILATIONS = 11

HANDOFF = [2, 8, 64, 1000]


class Failure(Exception):
    """Something that is said in one line."""


# ------------------------------------------------------------------------------------- the builds


def cached(preset, name):
    """A variable of the preset's CMake cache."""
    cache = ROOT / "build" / preset / "CMakeCache.txt"
    found = re.search(rf"^{name}:[A-Z]+=(.*)$", cache.read_text(), re.MULTILINE)
    return found.group(1) if found else ""


class Build:
    """The benchmark programs of one compiler."""

    def __init__(self, compiler):
        self.compiler = compiler
        self.preset = PRESETS[compiler]
        self.directory = ROOT / "build" / self.preset / "bench"
        for program in [*PROGRAMS, "bench_facts"]:
            if not (self.directory / program).is_file():
                raise Failure(f"{self.directory / program} is not built; use ./dev bench")
        self.path = cached(self.preset, "CMAKE_CXX_COMPILER")
        self.flags = cached(self.preset, "CMAKE_CXX_FLAGS_RELEASE").split()

    def run(self, program, *arguments):
        return output_of([str(self.directory / program), *arguments])

    def version(self):
        return output_of([self.path, "--version"]).splitlines()[0]


def output_of(command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = (done.stderr.strip() or "nothing").splitlines()[-1]
        raise Failure(f"{' '.join(command)} failed ({done.returncode}) and said: {said}")
    return done.stdout


def subjects_of(build):
    """The rows to fill, in the order of the programs' own lists."""
    rows = []
    for program in PROGRAMS:
        for line in build.run(program, "--list").splitlines():
            case, subject, role, counted, function = line.split("\t")
            rows.append({
                "program": program, "case": case, "subject": subject,
                "is_floor": role == "floor", "counted": int(counted), "compiler": build.compiler,
                "function": function, "ns": [], "shares": [], "instructions": None,
            })  # fmt: skip
    return rows


# ---------------------------------------------------------------------------------- measurements


def progress(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def time_once(build, program, rows):
    """Adds one repetition to all rows of a program."""
    by_name = {f"{row['case']}/{row['subject']}": row for row in rows}
    names = "|".join(re.sub(r"([.+*?()\[\]{}^$|\\])", r"\\\1", name) for name in by_name)
    report = json.loads(build.run(
        program, f"--benchmark_filter=^({names})(/real_time)?$", "--benchmark_min_time=0.02",
        "--benchmark_format=json",
    ))  # fmt: skip
    for result in report["benchmarks"]:
        on_wall_clock = result["name"].endswith("/real_time")
        row = by_name[result["name"].removesuffix("/real_time")]
        row["ns"].append(result["real_time" if on_wall_clock else "cpu_time"])
        if "least_share" in result:
            row["shares"].append(result["least_share"])


def time_all(builds, rows, repetitions):
    """Interleaved: every repetition is a round through all compilers, programs and subjects."""
    for repetition in range(repetitions):
        progress(f"timing, round {repetition + 1} of {repetitions}")
        for build in builds:
            for program in PROGRAMS:
                chosen = [
                    row for row in rows
                    if row["compiler"] == build.compiler and row["program"] == program
                ]  # fmt: skip
                if chosen:
                    time_once(build, program, chosen)


def collected(build, row, operations):
    command = [
        "valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null",
        str(build.directory / row["program"]), "--run", row["case"], row["subject"],
        str(operations),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode != 0 or not found:
        raise Failure(f"{' '.join(command)} failed: {done.stderr.strip().splitlines()[-1:]}")
    return int(found.group(1))


def count(build, row):
    """Of n and of 2n operations: what is set up once cancels out."""
    n = row["counted"]
    return round((collected(build, row, 2 * n) - collected(build, row, n)) / n, 1)


def count_all(builds, rows):
    by_compiler = {build.compiler: build for build in builds}
    same = {}  # rows by what they count: some functions serve in several cases
    for row in rows:
        if row["counted"]:
            key = (row["compiler"], row["program"], row["function"], row["counted"])
            same.setdefault(key, []).append(row)
    progress(f"counting the instructions of {len(same)} functions")

    def count_first(group):
        return count(by_compiler[group[0]["compiler"]], group[0])

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for group, instructions in zip(same.values(), pool.map(count_first, same.values())):
            for row in group:
                row["instructions"] = instructions


def standard_includes(header):
    """The standard headers that one of corolock's headers needs, its own includes' too."""
    found = []
    seen = set()

    def visit(name):
        if name in seen:
            return
        seen.add(name)
        text = (ROOT / "include" / name).read_text()
        for included in re.findall(r"^#\s*include <([^>]+)>", text, re.MULTILINE):
            if included.startswith("corolock/"):
                visit(included)
            elif included not in found:
                found.append(included)

    visit(header)
    return found


def compile_time(builds):
    """CPU seconds for a file with async_mutex.hpp alone, and for one with its standard includes.

    The ratio is the median of the ratios of neighbouring runs: what else the machine does slows
    both.
    """
    progress("measuring compile times")
    header = "corolock/async_mutex.hpp"
    texts = {
        "header": f"#include <{header}>\n",
        "floor": "".join(f"#include <{name}>\n" for name in standard_includes(header)),
    }
    environment = {**os.environ, "CCACHE_DISABLE": "1"}
    result = {build.compiler: {kind: [] for kind in texts} for build in builds}
    with tempfile.TemporaryDirectory() as directory:
        for kind, text in texts.items():
            (pathlib.Path(directory) / f"{kind}.cpp").write_text(text)
        for run in range(COMPILATIONS):
            for build in builds:
                for kind in sorted(texts, reverse=run % 2 == 1):
                    command = [
                        build.path, "-std=c++20", *build.flags, f"-I{ROOT / 'include'}", "-c",
                        f"{directory}/{kind}.cpp", "-o", "/dev/null",
                    ]  # fmt: skip
                    before = resource.getrusage(resource.RUSAGE_CHILDREN)
                    subprocess.run(command, check=True, env=environment)
                    after = resource.getrusage(resource.RUSAGE_CHILDREN)
                    seconds = (
                        after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
                    )  # fmt: skip
                    result[build.compiler][kind].append(round(seconds, 4))
    for times in result.values():
        times["ratio"] = statistics.median(
            mine / floor for mine, floor in zip(times["header"], times["floor"])
        )
    return result


def facts(builds):
    result = {}
    for build in builds:
        lines = build.run("bench_facts").splitlines()
        result[build.compiler] = {
            name: float(value) for name, value in (line.split("\t") for line in lines)
        }
    return result


# ---------------------------------------------------------------------------------------- figures


def median_and_mad(values):
    middle = statistics.median(values)
    return middle, statistics.median(abs(value - middle) for value in values)


def finish(rows):
    """From repetitions to medians, and to ratios of medians."""
    for row in rows:
        row["ns_median"], row["ns_mad"] = median_and_mad(row["ns"])
        if row["shares"]:
            row["least_share"] = statistics.median(row["shares"])
    for row in rows:
        floor = next(
            other for other in rows
            if other["is_floor"] and other["case"] == row["case"]
            and other["compiler"] == row["compiler"]
        )  # fmt: skip
        row["ratio_to_floor"] = row["ns_median"] / floor["ns_median"]


def json_row(row):
    keys = ["case", "subject", "compiler", "instructions", "ns_median", "ns_mad", "ratio_to_floor"]
    result = {key: row[key] for key in keys}
    if "least_share" in row:
        result["least_share"] = row["least_share"]
    return {
        key: round(value, 3) if isinstance(value, float) else value
        for key, value in result.items()
    }


def raw_text(raw):
    """JSON with a line per row, so that runs can be compared by diff."""
    rows = ",\n".join("  " + json.dumps(row) for row in raw.pop("rows"))
    rest = json.dumps(raw, indent=1)
    return rest.removesuffix("\n}") + f',\n "rows": [\n{rows}\n ]\n}}\n'


# ---------------------------------------------------------------------------------------- targets


def targets(rows, fact, compiling):
    """Issue 2's table: (what, compiler, limit, measured or None, reached or None)."""
    index = {(row["case"], row["subject"], row["compiler"]): row for row in rows}

    def figure(case, compiler, key):
        row = index.get((case, "corolock", compiler))
        return row.get(key) if row else None

    def handoffs(prefix, compiler):
        values = [figure(f"{prefix}.handoff.{n}", compiler, "instructions") for n in HANDOFF]
        return None if None in values else values

    result = []

    def at_most(what, compiler, limit, value, form="{:g}"):
        reached = None if value is None else value <= limit
        result.append((what, compiler, "<= " + form.format(limit), value, reached, form))

    def at_least(what, compiler, limit, value, form="{:g}"):
        reached = None if value is None else value >= limit
        result.append((what, compiler, ">= " + form.format(limit), value, reached, form))

    def both(check, what, limits, measure, form="{:g}"):
        for compiler, limit in zip(PRESETS, limits):
            check(what, compiler, limit, measure(compiler), form)

    ratio = "{:.2f}x"
    both(at_most, "async_mutex, uncontended: instructions", (28, 23),
         lambda c: figure("mutex.uncontended", c, "instructions"))
    both(at_most, "async_mutex, uncontended: against CAS + release store", (2.3, 2.3),
         lambda c: figure("mutex.uncontended", c, "ratio_to_floor"), ratio)
    both(at_most, "local_async_mutex, uncontended: instructions", (26, 20),
         lambda c: figure("local_mutex.uncontended", c, "instructions"))
    for name, prefix, limits in [
        ("async_mutex", "mutex", (100, 85)),
        ("local_async_mutex", "local_mutex", (95, 82)),
    ]:
        counts = {c: handoffs(prefix, c) for c in PRESETS}
        both(at_most, f"{name}, hand-off, 2 to 1,000 waiters: most instructions", limits,
             lambda c, counts=counts: counts[c] and max(counts[c]))
        both(at_most, f"{name}, hand-off: most against fewest instructions", (1.1, 1.1),
             lambda c, counts=counts: counts[c] and max(counts[c]) / min(counts[c]), ratio)
    both(at_most, "asio, uncontended, use_awaitable: instructions", (250, 250),
         lambda c: figure("asio.uncontended", c, "instructions"))
    both(at_most, "asio, hand-off: against the same loop without a lock", (2.0, 2.0),
         lambda c: figure("asio.handoff", c, "ratio_to_floor"), ratio)
    for name in ["async_mutex", "local_async_mutex"]:
        both(at_most, f"{name}: bytes", (16, 16),
             lambda c, name=name: fact and fact.get(c, {}).get(f"size: {name}"))
        both(at_most, f"{name}: allocations per wait", (0, 0),
             lambda c, name=name: fact and fact.get(c, {}).get(f"allocations: {name}"))
    both(at_most, "async_mutex.hpp: compile time against its standard includes", (1.25, 1.25),
         lambda c: compiling and compiling.get(c, {}).get("ratio"), ratio)
    both(at_least, "two threads, yielding: share of the least served task", (0.8, 0.8),
         lambda c: figure("mutex.two_threads", c, "least_share"), "{:.2f}")
    return result


# ----------------------------------------------------------------------------------------- output


def table(header, lines):
    """Aligned columns; the first is text, and so is every column whose header ends with a space."""
    cells = [header, *lines]
    widths = [max(len(line[i]) for line in cells) for i in range(len(header))]
    out = []
    for number, line in enumerate(cells):
        out.append("  ".join(
            cell.ljust(width) if header[i].endswith(" ") else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths))
        ).rstrip())  # fmt: skip
        if number == 0:
            out.append("  ".join("-" * width for width in widths))
    return out


def case_tables(rows):
    out = []
    for case in dict.fromkeys(row["case"] for row in rows):
        chosen = [row for row in rows if row["case"] == case]
        shared = any("least_share" in row for row in chosen)
        header = ["subject ", "compiler ", "instructions", "ns", "+- MAD", "ratio to floor"]
        lines = []
        for subject in dict.fromkeys(row["subject"] for row in chosen):
            for row in chosen:
                if row["subject"] != subject:
                    continue
                instructions = row["instructions"]
                line = [
                    subject + (" (floor)" if row["is_floor"] else ""), row["compiler"],
                    "-" if instructions is None else f"{instructions:.0f}",
                    f"{row['ns_median']:.2f}", f"{row['ns_mad']:.2f}",
                    f"{row['ratio_to_floor']:.2f}x",
                ]  # fmt: skip
                if shared:
                    line.append(f"{row['least_share']:.2f}" if "least_share" in row else "-")
                lines.append(line)
        out += ["", case] + table(header + (["least share"] if shared else []), lines)
    return out


def fact_tables(fact, compiling):
    out = []
    if fact:
        compilers = list(fact)
        names = list(fact[compilers[0]])
        lines = [[name, *(f"{fact[c].get(name, 0):g}" for c in compilers)] for name in names]
        out += ["", "sizes in bytes, allocations per wait"]
        out += table(["what ", *compilers], lines)
    if compiling:
        lines = []
        for compiler, times in compiling.items():
            cells = [f"{median:.2f} +- {mad:.2f}" for median, mad in
                     (median_and_mad(times[kind]) for kind in ("header", "floor"))]
            lines.append([compiler, *cells, f"{times['ratio']:.2f}x"])
        out += ["", f"compile time in CPU seconds, medians of {COMPILATIONS}"]
        out += table(["compiler ", "async_mutex.hpp", "its standard includes", "ratio"], lines)
    return out


def target_table(found):
    if not found:
        return []
    lines = []
    for what, compiler, limit, value, reached, form in found:
        lines.append([
            what, compiler, limit, "-" if value is None else form.format(round(value, 3)),
            "not measured" if reached is None else "reached" if reached else "not reached",
        ])  # fmt: skip
    return ["", "targets"] + table(["target ", "compiler ", "must reach", "measured", "verdict "],
                                   lines)


def machine(builds, load):
    def first(pattern, text):
        found = re.search(pattern, text, re.MULTILINE)
        return found.group(1).strip() if found else "unknown"

    def git(*arguments):
        done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True,
                              check=False)
        return done.stdout.strip() if done.returncode == 0 else ""

    cpuinfo = pathlib.Path("/proc/cpuinfo").read_text()
    model = first(r"^model name\s*:(.*)$", cpuinfo)
    system = first(r'^PRETTY_NAME="?([^"\n]*)', pathlib.Path("/etc/os-release").read_text())
    commit = git("rev-parse", "--short", "HEAD") or "unknown"
    changed = git("status", "--porcelain", "--untracked-files=no", "--", "include", "bench/micro")
    return {
        "cpu": f"{model}, {os.cpu_count()} cores",
        "virtual": "hypervisor" in cpuinfo,
        "os": system,
        "load": load,
        "compilers": {build.compiler: build.version() for build in builds},
        "flags": {build.compiler: " ".join(["-std=c++20", *build.flags]) for build in builds},
        "commit": commit + (" with changes" if changed else ""),
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d"),
    }


def machine_lines(about, repetitions):
    lines = [
        f"{about['cpu']}{' (virtual)' if about['virtual'] else ''}; {about['os']}; "
        f"load {about['load']} before the run; commit {about['commit']}; {about['date']}",
    ]
    for compiler, version in about["compilers"].items():
        lines.append(f"{compiler}: {version}; {about['flags'][compiler]}")
    lines.append(f"ns: median and median absolute deviation of {repetitions} interleaved "
                 "repetitions; CPU time on one thread, wall time on two")
    return lines


# ----------------------------------------------------------------------------------------- main


def parse(arguments):
    parser = argparse.ArgumentParser(
        prog="./dev bench", description="Micro benchmarks of corolock and its peers, built by g++ "
        "and by clang. Prints a table per case and the targets.")  # fmt: skip
    parser.add_argument("--instructions", action="store_true",
                        help="count instructions too, by callgrind (adds some minutes)")
    parser.add_argument("--only", metavar="CASE", action="append", default=[],
                        help="only this case, or those that match a pattern such as "
                        "'mutex.handoff.*'; may be repeated")
    parser.add_argument("--repetitions", metavar="N", type=int, default=5,
                        help="repetitions of each timing (default 5)")
    parser.add_argument("--json", metavar="FILE", type=pathlib.Path,
                        help="write an array with a row per case, subject and compiler")
    parser.add_argument("--save", metavar="DIRECTORY", type=pathlib.Path,
                        help="write run.json, with all repetitions, and run.txt")
    options = parser.parse_args(arguments)
    if options.repetitions < 1:
        parser.error(f"--repetitions takes a number from 1 on, not {options.repetitions}")
    if options.json and not options.json.resolve().parent.is_dir():
        parser.error(f"--json: there is no directory {options.json.parent}")
    if options.json and options.json.is_dir():
        parser.error(f"--json takes a file, and {options.json} is a directory")
    if options.save and options.save.exists() and not options.save.is_dir():
        parser.error(f"--save takes a directory, and {options.save} is a file")
    return parser, options


def choose(parser, options, rows):
    """The rows and the extra measurements that --only leaves."""
    extras = {FACTS, COMPILE_TIME}
    if not options.only:
        return rows, extras
    cases = list(dict.fromkeys(row["case"] for row in rows)) + sorted(extras)
    chosen = set()
    for pattern in options.only:
        matching = fnmatch.filter(cases, pattern)
        if not matching:
            parser.error(f"no case matches '{pattern}'; there are: {', '.join(cases)}")
        chosen.update(matching)
    return [row for row in rows if row["case"] in chosen], extras & chosen


def main(arguments):
    parser, options = parse(arguments)
    builds = [Build(compiler) for compiler in PRESETS]
    rows = [row for build in builds for row in subjects_of(build)]
    rows, extras = choose(parser, options, rows)

    load = round(os.getloadavg()[0], 2)
    if options.instructions and rows:
        count_all(builds, rows)
    time_all(builds, rows, options.repetitions if rows else 0)
    finish(rows)
    fact = facts(builds) if FACTS in extras else None
    compiling = compile_time(builds) if COMPILE_TIME in extras else None

    about = machine(builds, load)
    found = targets(rows, fact, compiling)
    if options.only:
        found = [target for target in found if target[4] is not None]
    text = machine_lines(about, options.repetitions)
    text += case_tables(rows) + fact_tables(fact, compiling) + target_table(found)
    if not options.instructions and any(row["counted"] for row in rows):
        text += ["", "instructions were not counted: --instructions does"]
    print("\n".join(text))

    if options.json:
        lines = ",\n".join("  " + json.dumps(json_row(row)) for row in rows)
        options.json.write_text(f"[\n{lines}\n]\n")
    if options.save:
        options.save.mkdir(parents=True, exist_ok=True)
        raw = {
            "machine": about, "repetitions": options.repetitions,
            "rows": [json_row(row) | {"is_floor": row["is_floor"],
                                      "ns": [round(value, 3) for value in row["ns"]]}
                     for row in rows],
            "facts": fact, "compile_time": compiling,
        }  # fmt: skip
        (options.save / "run.json").write_text(raw_text(raw))
        (options.save / "run.txt").write_text("\n".join(text) + "\n")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except Failure as failure:
        print(f"bench: {failure}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
