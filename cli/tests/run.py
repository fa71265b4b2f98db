#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Runs commands under a lock, on each of the servers named in the environment.

usage: run.py PROGRAM      with COROLOCK_ETCD and COROLOCK_POSTGRESQL
"""

import os
import pathlib
import re
import select
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request

PROGRAM = ""
NOT_OBTAINED, LOST, NO_SERVER = 121, 122, 123


def words(*arguments, on, lock="name"):
    return [PROGRAM, "run", "--lock", lock, "--on", on, *arguments]


def run(*arguments, **where):
    return subprocess.run(words(*arguments, **where), capture_output=True, text=True, timeout=60)


class Started:
    """A command under the lock that has begun, and says so on its standard output."""

    def __init__(self, *arguments, on, script="echo begun; read line", **options):
        self.process = subprocess.Popen(
            words(*arguments, "--", "sh", "-c", script, on=on), stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)

    def begun(self):
        ready, _, _ = select.select([self.process.stdout], [], [], 30)
        assert ready, "the command has not begun"
        assert self.process.stdout.readline() == "begun\n"
        return self

    def end(self, text=""):
        """Its exit code and what it said."""
        _, errors = self.process.communicate(text, timeout=60)
        return self.process.returncode, errors

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()


class Servers:
    on = ""

    def test_the_command_has_a_token_and_its_exit_code_is_returned(self):
        done = run("--", "sh", "-c", "echo $COROLOCK_TOKEN; exit 7", on=self.on)
        self.assertEqual(done.returncode, 7, done.stderr)
        first = int(done.stdout)
        self.assertGreater(first, 0)
        done = run("--", "sh", "-c", "echo $COROLOCK_TOKEN", on=self.on)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertGreater(int(done.stdout), first)

    def test_a_command_that_a_signal_ends(self):
        done = run("--", "sh", "-c", "kill -KILL $$", on=self.on)
        self.assertEqual(done.returncode, 128 + 9, done.stderr)

    def test_a_command_that_is_not_there(self):
        done = run("--", "/no/such/command", on=self.on)
        self.assertEqual(done.returncode, 127)
        self.assertIn("/no/such/command", done.stderr)
        done = run("--", "/etc/passwd", on=self.on)
        self.assertEqual(done.returncode, 126)

    def test_a_lock_that_somebody_holds_is_not_obtained(self):
        with Started(on=self.on).begun() as holder:
            for wait in ("0s", "200ms"):
                done = run("--wait", wait, "--", "true", on=self.on)
                self.assertEqual(done.returncode, NOT_OBTAINED, done.stderr)
                self.assertIn("'name' is held", done.stderr)
            done = run("--wait", "0", "--", "true", on=self.on, lock="other")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(holder.end("go\n")[0], 0)
        self.assertEqual(run("--wait", "5s", "--", "true", on=self.on).returncode, 0)

    def test_commands_run_one_at_a_time(self):
        with tempfile.TemporaryDirectory() as folder:
            script = (f"mkdir {folder}/inside || exit 1; echo x >> {folder}/log; "
                      f"rmdir {folder}/inside")
            running = [Started(on=self.on, script=script) for _ in range(6)]
            for each in running:
                self.assertEqual(each.end()[0], 0)
            self.assertEqual(pathlib.Path(folder, "log").read_text(), "x\n" * 6)

    def test_a_signal_reaches_the_command(self):
        script = "trap 'echo ended >&2; exit 5' TERM; echo begun; while :; do sleep 0.05; done"
        with Started(on=self.on, script=script).begun() as holder:
            holder.process.send_signal(signal.SIGTERM)
            code, errors = holder.end()
            self.assertEqual(code, 5)
            self.assertIn("ended", errors)
        self.assertEqual(run("--wait", "5s", "--", "true", on=self.on).returncode, 0)

    def test_a_signal_ends_a_wait(self):
        with Started(on=self.on).begun() as holder:
            with Started(on=self.on) as waiter:
                self.wait_for_queue(2)
                waiter.process.send_signal(signal.SIGINT)
                self.assertEqual(waiter.end()[0], 128 + 2)
            self.wait_for_queue(1)
            holder.end("go\n")

    def test_what_the_server_takes_away_ends_the_command(self):
        script = "echo begun; sleep 60 & wait"
        with Started("--ttl", "3s", on=self.on, script=script).begun() as holder:
            self.take_away()
            code, errors = holder.end()
            self.assertEqual(code, LOST, errors)
            self.assertIn("is lost", errors)

    # A command that does not listen to SIGTERM, and what it has started, end a second later.
    def test_a_command_that_does_not_want_to_end_is_killed(self):
        script = "trap '' TERM; echo begun; sleep 60"
        with Started("--ttl", "3s", on=self.on, script=script).begun() as holder:
            self.take_away()
            self.assertEqual(holder.end()[0], LOST)

    def wait_for_queue(self, count):
        limit = time.monotonic() + 30
        while self.queue() != count:
            self.assertLess(time.monotonic(), limit)
            time.sleep(0.02)


class Etcd(Servers, unittest.TestCase):
    on = os.environ.get("COROLOCK_ETCD")

    def ask(self, path, question):
        url = self.on.replace("etcd://", "http://") + path
        with urllib.request.urlopen(url, question.encode(), timeout=30) as answer:
            return answer.read().decode()

    # All keys that begin with corolock/.
    ALL = '{"key":"Y29yb2xvY2sv","range_end":"Y29yb2xvY2sw"}'

    def queue(self):
        found = re.search(r'"count":"(\d+)"', self.ask("/v3/kv/range", self.ALL))
        return int(found.group(1)) if found else 0

    def take_away(self):
        self.ask("/v3/kv/deleterange", self.ALL)


class Postgresql(Servers, unittest.TestCase):
    on = os.environ.get("COROLOCK_POSTGRESQL")

    def ask(self, statement):
        return subprocess.run(["psql", "-At", "-c", statement, self.on], capture_output=True,
                              text=True, timeout=30, check=True).stdout

    def queue(self):
        return int(self.ask("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"))

    def take_away(self):
        self.ask("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'")


class Usage(unittest.TestCase):
    def test_bad_arguments_end_with_2_and_say_why(self):
        good = os.environ["COROLOCK_ETCD"]
        for arguments, part in (
            (["--on", good, "--", "true"], "--lock"),
            (["--lock", "a", "--", "true"], "--on"),
            (["--lock", "a", "--on", good], "COMMAND"),
            (["--lock", "a", "--on", good, "--wait", "soon", "--", "true"], "'soon' is no time"),
            (["--lock", "a", "--on", good, "--wait", "-1s", "--", "true"], "--wait"),
            (["--lock", "a", "--on", "redis://h", "--", "true"], "not with 'redis'"),
            (["--lock", "a", "--on", good, "--ttl", "1s", "--", "true"], "the least for etcd"),
            (["--lock", "", "--on", good, "--", "true"], "empty"),
            (["--lock", "a" * 256, "--on", good, "--", "true"], "256 bytes"),
        ):
            done = subprocess.run([PROGRAM, "run", *arguments], capture_output=True, text=True,
                                  timeout=60)
            self.assertEqual(done.returncode, 2, (arguments, done.stderr))
            self.assertIn(part, done.stderr)
            self.assertEqual(done.stdout, "")

    def test_a_server_that_is_not_there(self):
        done = run("--", "true", on="postgresql://u@127.0.0.1:1/db")
        self.assertEqual(done.returncode, NO_SERVER)
        self.assertIn("Connection refused", done.stderr)

    def test_help_explains_the_codes(self):
        done = subprocess.run([PROGRAM, "run", "--help"], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0)
        for part in ("--lock", "--on", "--wait", "121", "122", "123", "COROLOCK_TOKEN"):
            self.assertIn(part, done.stdout)


if __name__ == "__main__":
    PROGRAM = sys.argv[1]
    unittest.main(argv=sys.argv[:1] + sys.argv[2:])
