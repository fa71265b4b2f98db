#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""What the program says about itself, and to those who call it wrongly.

usage: usage.py PROGRAM
"""

import subprocess
import sys
import unittest

PROGRAM = ""


def run(*arguments):
    return subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, timeout=60)


class Usage(unittest.TestCase):
    def test_help_names_the_commands(self):
        for arguments in (["--help"], ["-h"]):
            done = run(*arguments)
            self.assertEqual(done.returncode, 0)
            self.assertIn("tour", done.stdout)
            self.assertEqual(done.stderr, "")

    def test_help_of_the_tour_explains_its_file(self):
        done = run("tour", "--help")
        self.assertEqual(done.returncode, 0)
        self.assertIn("FILE", done.stdout)

    def test_version_is_printed(self):
        done = run("--version")
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stdout, r"^corolock \d+\.\d+\.\d+\n$")

    def test_bad_usage_ends_with_2_and_says_why(self):
        for arguments in ([], ["fly"], ["--fly"], ["tour", "--fly"], ["tour", "a", "b"]):
            done = run(*arguments)
            self.assertEqual(done.returncode, 2, arguments)
            self.assertEqual(done.stdout, "", arguments)
            self.assertIn("--help", done.stderr, arguments)


if __name__ == "__main__":
    PROGRAM = sys.argv[1]
    unittest.main(argv=sys.argv[:1] + sys.argv[2:])
