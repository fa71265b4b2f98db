# SPDX-License-Identifier: BSL-1.0
# Copyright (c) 2026 the corolock developers
"""unittest with a time limit for each test, because a broken lock hangs."""

import signal
import sys
import unittest


class TookTooLong(BaseException):
    pass


def on_alarm(signum, frame):
    raise TookTooLong("the test took too long")


class Result(unittest.TextTestResult):
    limit = 30.0

    def startTest(self, test):
        super().startTest(test)
        signal.setitimer(signal.ITIMER_REAL, self.limit)

    def stopTest(self, test):
        signal.setitimer(signal.ITIMER_REAL, 0)
        super().stopTest(test)


def run(suite: unittest.TestSuite) -> unittest.TestResult:
    signal.signal(signal.SIGALRM, on_alarm)
    return unittest.TextTestRunner(resultclass=Result, verbosity=0, stream=sys.stderr).run(suite)


def main() -> None:
    """Runs the tests of the program."""
    suite = unittest.defaultTestLoader.loadTestsFromModule(sys.modules["__main__"])
    if suite.countTestCases() == 0:
        sys.exit("there are no tests")
    sys.exit(0 if run(suite).wasSuccessful() else 1)
