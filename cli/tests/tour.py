#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Runs the tour on its sample and on files of many kinds.

usage: tour.py PROGRAM SAMPLE
"""

import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

PROGRAM = ""
SAMPLE = ""


def run(*arguments, program=None, **options):
    return subprocess.run(
        [program or PROGRAM, *map(str, arguments)],
        capture_output=True, text=True, encoding="utf-8", timeout=60, **options
    )


def agent(number, **changes):
    profile = {
        "agent_name": f"agent {number}",
        "base_url": f"https://agent{number}.example",
        "description": "for tests",
    }
    profile.update(changes)
    return json.dumps(profile)


class Tour(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def tour(self, contents):
        file = self.folder / "agents.jsonl"
        if isinstance(contents, list):
            contents = "\n".join(contents) + "\n"
        file.write_bytes(contents.encode() if isinstance(contents, str) else contents)
        return run("tour", file)

    def check_tour(self, done, results):
        """The tour ended well; `results` is what became of the lines of the file."""
        self.assertEqual(done.stderr, "")
        self.assertEqual(done.returncode, 0)
        lines = done.stdout.splitlines()
        for result in (
            "without the lock: 11",
            "with the lock: 12",
            "1000 created, 0 refused",
            "1 created, 999 refused",
            results,
        ):
            self.assertEqual(lines.count(result), 1, result)
        self.assertLess(lines.index("without the lock: 11"), lines.index("with the lock: 12"))
        for line in lines:
            self.assertLessEqual(len(line), 100, line)
            self.assertNotIn("\033", line)
        return lines

    def check_error(self, done, *parts):
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stdout, "")
        for part in ("corolock: ", *parts):
            self.assertIn(part, done.stderr)

    def test_the_sample_is_shown_without_a_file(self):
        lines = self.check_tour(run("tour"), "11 created, 1 refused, 0 skipped")
        self.assertEqual(lines, self.check_same_but_for_figures(lines))
        text = "\n".join(lines)
        self.assertIn("created: lines 1-6, 8-12", text)
        self.assertRegex(text, r"line 7 refused: base_url is held by agent [0-9a-f-]{36} \(line 1\)")

    def check_same_but_for_figures(self, lines):
        again = self.check_tour(run("tour", SAMPLE), "11 created, 1 refused, 0 skipped")
        plain = re.compile(r" +[0-9.]+ ns .*|[0-9a-f]{8}-[0-9a-f-]{27}.*")
        self.assertEqual([plain.sub("", l) for l in lines], [plain.sub("", l) for l in again])
        return lines

    def test_the_losing_schedule_is_shown_and_the_lock_verified(self):
        lines = run("tour").stdout.splitlines()
        without, with_lock = (lines.index(f"{w} the lock: {n}") for w, n in
                              (("without", 11), ("with", 12)))
        table = [line for line in lines[:without] if " | " in line]
        self.assertRegex(table[0], r"step \| task\[1\] +\| task\[2\]")
        self.assertEqual(sum("read users → 10  explored.cpp:" in line for line in table), 2)
        self.assertEqual(sum("write users → 11  explored.cpp:" in line for line in table), 2)
        self.assertTrue(any(line.strip().endswith("needs a lock") for line in lines[:without]))
        between = lines[without:with_lock]
        self.assertEqual(len([l for l in between if re.search(r"VERIFIED all \d+ traces", l)]), 1)

    def test_the_repository_creates_the_agent_twice_without_the_lock(self):
        text = run("tour").stdout
        where = text[text.index("2. Where"):text.index("3. When")]
        self.assertEqual(where.count("is told: created"), 2)
        self.assertEqual(len(re.findall(r"VERIFIED all \d+ traces", where)), 1)

    def test_the_same_section_is_atomic_while_nothing_is_awaited_in_it(self):
        lines = run("tour").stdout.splitlines()
        when = [line.split(":", 1)[1].split()[0] for line in lines if " in between: " in line]
        self.assertEqual(when, ["VERIFIED", "FAILED,", "VERIFIED"])

    def test_costs_are_measured(self):
        figures = re.findall(r"^ +(.*?)  +([0-9.]+) ns  \+- ([0-9.]+)$", run("tour").stdout, re.M)
        self.assertEqual(len(figures), 8)
        for _, median, _ in figures:
            self.assertGreater(float(median), 0)
        self.assertEqual(sum("std::mutex" in what for what, _, _ in figures), 2)
        self.assertEqual(sum("async_mutex" in what for what, _, _ in figures), 3)
        self.assertEqual(sum("channel of capacity 1" in what for what, _, _ in figures), 2)

    def test_malformed_lines_are_reported_with_their_numbers_and_skipped(self):
        done = self.tour([agent(1), "{", "", agent(2, base_url="http://a.example"), agent(3),
                          agent(4, base_url="HTTPS://AGENT3.example:443/")])
        text = "\n".join(self.check_tour(done, "2 created, 1 refused, 2 skipped"))
        self.assertIn("line 2 skipped: is not complete JSON", text)
        self.assertIn("line 4 skipped: base_url must begin with https://", text)
        self.assertRegex(text, r"line 6 refused: base_url is held by agent [0-9a-f-]{36} \(line 5\)")
        self.assertIn("created: lines 1, 5", text)

    def test_the_storm_takes_the_first_valid_agent(self):
        text = self.tour(["nonsense", agent(2)]).stdout
        self.assertIn("https://agent2.example", text)

    def test_many_malformed_lines_are_counted(self):
        done = self.tour(["x"] * 50 + [agent(1)])
        text = "\n".join(self.check_tour(done, "1 created, 0 refused, 50 skipped"))
        self.assertIn("and 40 more lines skipped", text)

    def test_an_id_that_is_given_twice_is_refused(self):
        same = "123e4567-e89b-42d3-a456-426614174000"
        done = self.tour([agent(1, agent_id=same), agent(2, agent_id=same.upper())])
        text = "\n".join(self.check_tour(done, "1 created, 1 refused, 0 skipped"))
        self.assertIn(f"line 2 refused: agent_id is held by agent {same} (line 1)", text)

    def test_files_of_other_systems_are_read(self):
        contents = b"\xef\xbb\xbf" + "\r\n".join([agent(1), agent(2)]).encode()
        self.check_tour(self.tour(contents), "2 created, 0 refused, 0 skipped")

    def test_what_is_in_the_file_cannot_control_the_terminal(self):
        done = self.tour([agent(1, agent_name="\u009b2J"), agent(2, base_url="https://\x1b[2J")])
        self.check_tour(done, "1 created, 0 refused, 1 skipped")

    def test_a_file_without_a_valid_agent_is_an_error(self):
        self.check_error(self.tour(["{}", "[]"]), "agents.jsonl: has no valid agent",
                         "line 1: agent_name is missing", "line 2: must be a JSON object")
        self.check_error(self.tour("\n \n"), "agents.jsonl: has no valid agent")
        self.check_error(self.tour(["x"] * 19), "and 9 more lines")

    def test_an_empty_file_is_an_error(self):
        self.check_error(self.tour(""), "agents.jsonl: is empty")

    def test_a_missing_file_is_an_error(self):
        self.check_error(run("tour", self.folder / "none"), "none: No such file or directory")
        self.check_error(run("tour", ""), "No such file or directory")

    def test_a_directory_is_an_error(self):
        self.check_error(run("tour", self.folder), "Is a directory")

    def test_a_huge_file_is_an_error(self):
        self.check_error(run("tour", "/dev/zero"), "/dev/zero: is larger than 16 MiB")

    def test_a_huge_line_is_skipped(self):
        done = self.tour([agent(1), agent(2, description="x" * 300_000)])
        text = "\n".join(self.check_tour(done, "1 created, 0 refused, 1 skipped"))
        self.assertIn("line 2 skipped: is longer than 262144 bytes", text)

    def parts(self, but):
        """A copy of the program, without that part of it."""
        for part in {"corolock-explored", "corolock-timings"} - {but}:
            (self.folder / part).symlink_to(pathlib.Path(PROGRAM).resolve().with_name(part))
        return shutil.copy(PROGRAM, self.folder)

    def test_a_missing_part_of_the_program_is_an_error(self):
        for part in ("corolock-timings", "corolock-explored"):
            alone = self.parts(but=part)
            done = run("tour", SAMPLE, program=alone)
            self.assertEqual(done.returncode, 1)
            self.assertIn(f"{part} cannot be started: No such file", done.stderr)
            self.check_error(run("tour", program=alone), "agents.jsonl: No such file or directory")
            for name in ("corolock-timings", "corolock-explored"):
                (self.folder / name).unlink(missing_ok=True)

    def test_a_part_of_the_program_that_fails_is_an_error(self):
        for part, message in (("corolock-timings", "printed something else than timings"),
                              ("corolock-explored", "printed something else than a verdict")):
            alone = self.parts(but=part)
            stub = self.folder / part
            for script, expected in (("exit 3", "did not end well"), ("echo nonsense", message)):
                stub.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
                stub.chmod(0o755)
                done = run("tour", SAMPLE, program=alone)
                self.assertEqual(done.returncode, 1)
                self.assertIn(expected, done.stderr)
            for name in ("corolock-timings", "corolock-explored"):
                (self.folder / name).unlink(missing_ok=True)

    def test_output_that_cannot_be_written_is_an_error(self):
        with open("/dev/full", "w", encoding="utf-8") as full:
            done = subprocess.run([PROGRAM, "tour"], stdout=full, stderr=subprocess.PIPE, text=True)
        self.assertEqual(done.returncode, 1)
        self.assertIn("cannot write to standard output", done.stderr)


if __name__ == "__main__":
    PROGRAM, SAMPLE = sys.argv[1:3]
    unittest.main(argv=sys.argv[:1] + sys.argv[3:])
