#!/usr/bin/python3
# SPDX-License-Identifier: BSL-1.0
# Copyright (c) 2026 the corolock developers
"""The checker: for each rule histories that keep it and histories that break it."""

import contextlib
import io
import json
import pathlib
import random
import sys
import tempfile
import unittest

import checker


class History:
    """Writes the files of a run, in a few words. Times are small integers."""

    def __init__(self):
        self.clients, self.resource, self.faults = [], [], []
        self.end = {"live": ["a", "b"], "bound": 1000, "margin": 0, "fifo": True, "leftovers": {}}
        self.written = {}

    def client(self, process, op, invoke, complete, grant, token, *, result="ok", name="n", **more):
        values = {"process": process, "op": op, "name": name, "t_invoke": invoke}
        values |= {"t_complete": complete, "result": result, "grant": grant, "token": token, **more}
        self.clients.append(values)
        return self

    def acquire(self, process, invoke, complete, token, *, grant=None, **more):
        """The grant has the number of its token, unless told otherwise."""
        grant = token if grant is None else grant
        return self.client(process, "acquire", invoke, complete, grant, [token, 0], **more)

    def release(self, process, invoke, token, **more):
        return self.client(process, "release", invoke, invoke + 1, token, [token, 0], **more)

    def lost(self, process, when, token, **more):
        return self.client(process, "lost", when, when, token, [token, 0], **more)

    def write(self, process, invoke, token, number, **more):
        more["id"] = number
        return self.client(process, "write", invoke, invoke + 2, token, [token, 0], **more)

    def at_resource(self, when, process, token, op, accepted=True, *, name="n", **more):
        values = {"t": when, "process": process, "grant": token, "name": name, "op": op}
        self.resource.append(values | {"token": [token, 0], "accepted": accepted, **more})
        return self

    def update(self, when, process, token, value, accepted=True, *, number=None):
        number = value if number is None else number
        return self.at_resource(when, process, token, "write", accepted, value=value, id=number)

    def fault(self, fault, target, begin, end):
        self.faults.append({"fault": fault, "target": target, "t_begin": begin, "t_end": end})
        return self

    def ending(self, **values):
        self.end |= values
        return self

    def save(self, directory):
        files = {"resource": self.resource, "faults": self.faults, "end": [self.end]}
        for each in self.clients:
            files.setdefault("client-" + each["process"], []).append(each)
        for name, lines in files.items():
            text = "".join(json.dumps(line) + "\n" for line in lines)
            (directory / f"{name}.jsonl").write_text(text)


def sound():
    """Two owners in turn, each with a write; then each gets the lock again."""
    return (
        History()
        .acquire("a", 0, 10, 1, deadline=100)
        .acquire("b", 5, 40, 2, deadline=100)
        .write("a", 12, 1, 1)
        .release("a", 30, 1)
        .write("b", 42, 2, 2)
        .release("b", 50, 2)
        .at_resource(11, "a", 1, "read")
        .update(13, "a", 1, 1)
        .at_resource(41, "b", 2, "read")
        .update(43, "b", 2, 2)
    )


class Case(unittest.TestCase):
    def setUp(self):
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        self.directory = pathlib.Path(place.name)

    def findings(self, history):
        history.save(self.directory)
        return checker.check(checker.read(self.directory))

    def assert_kept(self, history):
        self.assertEqual([str(each) for each in self.findings(history)], [])

    def assert_broken(self, history, rule, text, *wheres):
        """Exactly one finding, of this rule, that says this and names these lines in this order."""
        found = self.findings(history)
        self.assertEqual(len(found), 1, [str(each) for each in found])
        self.assertEqual(found[0].rule, rule)
        self.assertIn(text, found[0].text)
        self.assertEqual([each.split(": ")[0] for each in found[0].lines], list(wheres))


class Sound(Case):
    def test_is_kept(self):
        self.assert_kept(sound())


class Tokens(Case):
    def test_of_grants_at_once_are_in_any_order(self):
        # a's acquire had begun before b's grant: nothing says which came first.
        self.assert_kept(
            History()
            .acquire("a", 0, 30, 1, deadline=30)
            .acquire("b", 5, 20, 2, deadline=40)
        )

    def test_of_two_names_are_not_compared(self):
        history = sound()
        history.acquire("a", 60, 61, 1, grant=9, name="other", deadline=70)
        self.assert_kept(history)

    def test_given_twice(self):
        history = History().acquire("a", 0, 10, 1).release("a", 11, 1)
        history.acquire("b", 5, 20, 1).release("b", 21, 1)
        self.assert_broken(history, "tokens", "given twice", "client-a.jsonl:1", "client-b.jsonl:1")

    def test_one_token_with_two_local_sequences(self):
        history = History().acquire("a", 0, 10, 1).release("a", 11, 1)
        history.acquire("b", 0, 30, 2)
        history.client("a", "acquire", 12, 13, 7, [1, 1]).client("a", "release", 14, 15, 7, [1, 1])
        self.assert_kept(history)

    def test_that_decrease(self):
        history = History().acquire("a", 0, 10, 2).release("a", 11, 2)
        history.acquire("b", 20, 30, 1).ending(fifo=False)
        wheres = "client-a.jsonl:1", "client-b.jsonl:1"
        self.assert_broken(history, "tokens", "was asked for after", *wheres)

    def test_that_decrease_behind_another(self):
        # The grant that ended last is not the one with the greatest token.
        history = History().acquire("a", 0, 10, 3).release("a", 11, 3)
        history.acquire("c", 0, 12, 1).release("c", 13, 1).acquire("b", 20, 30, 2)
        wheres = "client-a.jsonl:1", "client-b.jsonl:1"
        self.assert_broken(history.ending(fifo=False), "tokens", "was asked for after", *wheres)

    def test_zero(self):
        history = History().acquire("a", 0, 10, 0).release("a", 11, 0).acquire("b", 20, 30, 1)
        self.assert_broken(history, "tokens", "token 0", "client-a.jsonl:1")

    def test_of_an_acquire_without_a_grant_count_for_nothing(self):
        for result in ("fail", "info"):
            self.assert_kept(sound().acquire("b", 60, 70, 1, result=result))


class Belief(Case):
    def overlapping(self, **more):
        """b is granted at 30 while a has said nothing of an end."""
        return History().acquire("a", 0, 10, 1, **more).acquire("b", 5, 30, 2)

    def test_two_owners(self):
        wheres = "client-a.jsonl:1", "client-b.jsonl:1"
        self.assert_broken(self.overlapping(), "belief", "an acquire returned", *wheres)

    def test_two_owners_with_one_between_them(self):
        # The owner that is still active is not the one before in the order of the grants.
        history = History().acquire("a", 0, 10, 1).acquire("b", 5, 20, 2, deadline=25)
        history.acquire("c", 6, 30, 3)
        found = self.findings(history)
        self.assertEqual([each.lines[1].split(": ")[0] for each in found],
                         ["client-b.jsonl:1", "client-c.jsonl:1"])
        self.assertEqual({each.lines[0].split(": ")[0] for each in found}, {"client-a.jsonl:1"})

    def test_of_two_names(self):
        self.assert_kept(sound().acquire("a", 45, 46, 1, grant=9, name="other"))

    def test_ends_at_the_invocation_of_the_release(self):
        for result in ("ok", "fail", "info"):
            self.assert_kept(self.overlapping().release("a", 29, 1, result=result))
            self.setUp()
        self.assert_broken(
            self.overlapping().release("a", 31, 1), "belief", "an acquire returned",
            "client-a.jsonl:1", "client-b.jsonl:1",
        )  # fmt: skip

    def test_ends_when_the_loss_is_known(self):
        self.assert_kept(self.overlapping().lost("a", 29, 1))
        self.assertEqual(len(self.findings(self.overlapping().lost("a", 31, 1))), 1)

    def test_ends_at_the_latest_deadline(self):
        self.assert_kept(self.overlapping(deadline=29))
        renewed = self.overlapping(deadline=29).write("a", 12, 1, 1, result="info", deadline=35)
        self.assertEqual(len(self.findings(renewed)), 1)

    def test_ends_with_the_process(self):
        self.assert_kept(self.overlapping().fault("kill", "a", 29, 29).ending(live=["b"]))
        history = self.overlapping().fault("kill", "a", 31, 31).ending(live=["b"], bound=0)
        history.acquire("b", 32, 33, 3, deadline=33).release("b", 31, 2)
        self.assertIn("belief", {each.rule for each in self.findings(history)})

    def test_of_who_could_not_know_that_the_engine_took_it_away(self):
        def taken():
            history = self.overlapping().fault("free", "a", 25, 26)
            history.acquire("c", 50, 51, 1, grant=9, name="other")
            return history.ending(live=["c"], margin=10)

        self.assert_kept(taken().lost("a", 36, 1))
        self.assert_kept(taken().write("a", 31, 1, 1, result="fail").lost("a", 36, 1))
        self.assertEqual(len(self.findings(taken().lost("a", 37, 1))), 1)
        # Nor could who was to be told of its grant just then; but who asked later could.
        def told_late(invoked, lost):
            history = History().acquire("a", invoked, 27, 1).acquire("b", 5, 30, 2)
            history.fault("free", "a", 25, 26).acquire("c", 50, 51, 1, grant=9, name="other")
            return history.lost("a", lost, 1).ending(live=["c"], margin=10)

        self.assert_kept(told_late(invoked=0, lost=36))
        self.assertEqual(len(self.findings(told_late(invoked=0, lost=37))), 1)
        self.assertEqual(len(self.findings(told_late(invoked=26, lost=36))), 1)
        # Nor could who was stopped, or cut off.
        for fault in ("pause", "partition"):
            self.assert_kept(taken().fault(fault, "a", 24, 40).lost("a", 50, 1))
            self.assertEqual(len(self.findings(taken().fault(fault, "a", 24, 40).lost("a", 51, 1))), 1)
            self.assertEqual(len(self.findings(taken().fault(fault, "b", 24, 40).lost("a", 50, 1))), 1)

    def test_a_write_while_another_is_active(self):
        history = self.overlapping(deadline=29).write("a", 31, 1, 1, result="fail")
        wheres = "client-b.jsonl:1", "client-a.jsonl:2"
        self.assert_broken(history, "belief", "a write began", *wheres)

    def test_a_write_that_began_in_time(self):
        self.assert_kept(self.overlapping(deadline=29).write("a", 28, 1, 1, result="fail"))

    def test_a_write_after_the_end_that_meets_nobody(self):
        history = self.overlapping(deadline=20).write("a", 25, 1, 1, result="fail")
        self.assert_kept(history)

    def test_what_is_over_on_return_is_no_belief(self):
        history = History().acquire("b", 5, 20, 2, deadline=60)
        history.acquire("a", 0, 30, 1, deadline=25)
        self.assert_kept(history)


class Resource(Case):
    def test_takes_an_older_token(self):
        history = sound().update(44, "a", 1, 3)
        wheres = "resource.jsonl:4", "resource.jsonl:5"
        self.assert_broken(history, "resource", "after the newer", *wheres)

    def test_refuses_a_stale_one(self):
        self.assert_kept(sound().update(44, "a", 1, 3, accepted=False))

    def test_refuses_the_newest(self):
        history = sound().update(44, "b", 2, 3, accepted=False)
        self.assert_broken(history, "resource", "nothing newer", "resource.jsonl:5")

    def test_refuses_the_first(self):
        history = History().acquire("a", 0, 10, 1).release("a", 12, 1).acquire("b", 5, 20, 2)
        history.update(11, "a", 1, 1, accepted=False)
        self.assert_broken(history, "resource", "nothing newer", "resource.jsonl:1")

    def test_takes_a_token_that_was_never_granted(self):
        history = sound().update(44, "b", 3, 3)
        self.assert_broken(history, "resource", "never granted", "resource.jsonl:5")

    def test_takes_a_token_of_another_process(self):
        history = sound().update(44, "a", 2, 3)
        self.assert_broken(history, "resource", "never granted", "resource.jsonl:5")

    def test_takes_a_token_of_another_grant_of_the_process(self):
        history = sound().at_resource(44, "b", 2, "read")
        history.resource[-1]["token"] = [3, 0]
        self.assert_broken(history, "resource", "never granted", "resource.jsonl:5")

    def test_takes_a_token_of_another_name(self):
        history = sound().at_resource(44, "b", 2, "read", name="other")
        self.assert_broken(history, "resource", "never granted", "resource.jsonl:5")

    def test_loses_an_update(self):
        history = sound()
        history.resource[-1]["value"] = 1
        wheres = "resource.jsonl:2", "resource.jsonl:4"
        self.assert_broken(history, "resource", "an update was lost", *wheres)

    def test_has_not_what_was_confirmed(self):
        history = sound()
        del history.resource[-1]
        self.assert_broken(history, "resource", "never accepted", "client-b.jsonl:2")

    def test_need_not_have_what_was_not_confirmed(self):
        history = sound().write("b", 44, 2, 3, result="info")
        self.assert_kept(history)


class Honesty(Case):
    def rejected(self, *, told=None, renewed_to=None):
        """a's write arrives at 50, after b's at 40."""
        history = History().acquire("a", 0, 10, 1, deadline=renewed_to or 1000)
        history.acquire("b", 5, 30, 2)
        if told is not None:
            history.lost("a", told, 1)
        history.update(40, "b", 2, 1).update(50, "a", 1, 1, accepted=False)
        return history

    def rules(self, history):
        # A guard that lies overlaps as well; that is not what is asked here.
        return {each.rule for each in self.findings(history)} - {"belief"}

    def test_of_a_loss_in_time(self):
        self.assertEqual(self.rules(self.rejected(told=50)), set())
        self.assertEqual(self.rules(self.rejected(renewed_to=50)), set())

    def test_of_a_loss_that_came_late(self):
        found = [each for each in self.findings(self.rejected(told=51)) if each.rule == "honesty"]
        self.assertEqual(len(found), 1)
        self.assertEqual([each.split(": ")[0] for each in found[0].lines],
                         ["client-a.jsonl:1", "resource.jsonl:1", "resource.jsonl:2"])

    def test_of_a_loss_within_the_margin(self):
        self.assertEqual(self.rules(self.rejected(told=53).ending(margin=3)), set())
        self.assertEqual(self.rules(self.rejected(told=54).ending(margin=3)), {"honesty"})

    def test_of_a_stopped_process(self):
        def paused(target, begin, end):
            history = self.rejected(told=55).fault("pause", target, begin, end)
            history.acquire("a", 60, 61, 3, deadline=62).acquire("b", 70, 71, 4, deadline=72)
            return self.rules(history)

        self.assertEqual(paused("a", 35, 45), set())
        self.assertEqual(paused("b", 35, 45), {"honesty"})
        self.assertEqual(paused("a", 20, 39), {"honesty"})
        self.assertEqual(paused("a", 51, 52), {"honesty"})


class Progress(Case):
    def after_a_fault(self, a, b):
        history = History().fault("partition", "a|s1", 0, 100).ending(bound=50)
        history.acquire("a", 20, a, 1, deadline=a + 1)
        history.acquire("b", 21, b, 2, deadline=b + 1)
        return history

    def test_within_the_bound(self):
        self.assert_kept(self.after_a_fault(130, 150))

    def test_too_late(self):
        history = self.after_a_fault(130, 151)
        self.assert_broken(history, "progress", "b got no lock", "faults.jsonl:1")

    def test_never(self):
        history = self.after_a_fault(90, 140)
        self.assert_broken(history, "progress", "a got no lock", "faults.jsonl:1")

    def test_of_who_is_not_live_is_not_asked(self):
        self.assert_kept(self.after_a_fault(130, 151).ending(live=["a"]))

    def overtaking(self, **more):
        """b, second in the queue, has the lock before a."""
        history = History().acquire("b", 5, 20, 2).release("b", 25, 2)
        return history.acquire("a", 0, 30, 1, **more)

    def test_in_turn(self):
        self.assert_broken(
            self.overtaking(), "progress", "overtook", "client-b.jsonl:1", "client-a.jsonl:1"
        )

    def test_where_no_order_is_promised(self):
        self.assert_kept(self.overtaking().ending(fifo=False))

    def test_of_who_had_left_the_queue(self):
        self.assert_kept(self.overtaking(deadline=30))
        self.setUp()
        self.assert_kept(self.overtaking().fault("pause", "a", 10, 12).ending(bound=1000))

    def test_of_who_was_stopped_at_another_time(self):
        history = self.overtaking().fault("pause", "a", 31, 32).ending(live=["a"])
        history.release("a", 31, 1).acquire("a", 33, 34, 3)
        self.assert_broken(history, "progress", "overtook", "client-b.jsonl:1", "client-a.jsonl:1")


class Leftovers(Case):
    def test_none(self):
        self.assert_kept(sound().ending(leftovers={"keys": 0, "leases": 0}))

    def test_a_lease(self):
        history = sound().ending(leftovers={"keys": 0, "leases": 1})
        self.assert_broken(history, "leftovers", "1 leases", "end.jsonl:1")


class Files(Case):
    def assert_unreadable(self, message):
        with self.assertRaisesRegex(checker.Unreadable, message):
            checker.check(checker.read(self.directory))

    def append(self, name, text):
        with (self.directory / name).open("a") as file:
            file.write(text)

    def test_a_torn_line_of_a_killed_client(self):
        history = sound().fault("kill", "b", 60, 60).ending(live=["a"])
        history.acquire("a", 61, 62, 3).save(self.directory)
        self.append("client-b.jsonl", '{"process": "b", "o')
        self.assertEqual(checker.check(checker.read(self.directory)), [])
        self.append("client-a.jsonl", '{"process": "a", "o')
        self.assert_unreadable("client-a.jsonl:5: the last line has no newline")

    def test_of_another_form(self):
        good = sound().clients[0]
        for change, message in [
            ({"op": "lock"}, 'client-a.jsonl:4: op is "lock": expected one of acquire'),
            ({"result": "yes"}, "result"),
            ({"process": 1}, "process is 1: expected a string"),
            ({"t_invoke": 1.5}, "t_invoke is 1.5: expected an integer"),
            ({"t_complete": -1}, "t_complete is before t_invoke"),
            ({"token": [1]}, "token"),
            ({"token": 5}, "token"),
            ({"deadline": "soon"}, "deadline"),
            ({"grant": None}, "grant"),
            ({"op": "write"}, "id is null"),
            ({}, "client-a.jsonl:4: the grant of client-a.jsonl:1 a second time"),
            ({"op": "release", "grant": 99}, "release of a grant that no acquire returned"),
        ]:
            with self.subTest(message):
                sound().save(self.directory)
                self.append("client-a.jsonl", json.dumps(good | change) + "\n")
                self.assert_unreadable(message)
        for text, message in [("x\n", "client-a.jsonl:4: no JSON"), ("[]\n", "no JSON object")]:
            sound().save(self.directory)
            self.append("client-a.jsonl", text)
            self.assert_unreadable(message)

    def test_of_the_resource_the_faults_and_the_end(self):
        for name, history, message in [
            ("accepted", sound().at_resource(60, "a", 1, "read", 1), "resource.jsonl:5: accepted"),
            ("value", sound().at_resource(60, "a", 1, "write"), "resource.jsonl:5: value is null"),
            ("fault", sound().fault("flood", "a", 0, 1), 'faults.jsonl:1: fault is "flood"'),
            ("time", sound().fault("kill", "a", 2, 1), "faults.jsonl:1: t_end is before t_begin"),
            ("live", sound().ending(live=[]), "a run without clients proves nothing"),
            ("bound", sound().ending(bound=None), "end.jsonl:1: bound is null"),
            ("leftovers", sound().ending(leftovers={"keys": "0"}), "end.jsonl:1: leftovers"),
        ]:
            with self.subTest(name):
                history.save(self.directory)
                self.assert_unreadable(message)

    def test_with_two_ends(self):
        sound().save(self.directory)
        self.append("end.jsonl", json.dumps(sound().end) + "\n")
        self.assert_unreadable("end.jsonl: 2 lines: expected one")

    def test_that_are_missing(self):
        sound().save(self.directory)
        (self.directory / "resource.jsonl").unlink()
        self.assert_unreadable("resource.jsonl: .*No such file")

    def run_main(self, *arguments):
        output, errors = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
            status = checker.main(list(arguments))
        return status, output.getvalue(), errors.getvalue()

    def test_the_program(self):
        sound().save(self.directory)
        status, output, _ = self.run_main(str(self.directory))
        self.assertEqual(status, 0)
        self.assertEqual(
            output, "2 grants, 4 attempts at the resource (0 rejected), 0 faults: 0 findings\n"
        )
        sound().ending(leftovers={"keys": 2}).save(self.directory)
        status, output, _ = self.run_main(str(self.directory))
        self.assertEqual(status, 1)
        self.assertIn("leftovers: 2 keys left in the engine\n    end.jsonl:1: {", output)
        self.append("end.jsonl", "x\n")
        self.assertEqual(self.run_main(str(self.directory))[0], 2)
        status, _, errors = self.run_main()
        self.assertEqual(status, 2)
        self.assertIn("usage: checker.py DIRECTORY", errors)


class Scale(Case):
    def brute_force_belief(self, grants):
        """The pairs (acquire, active grant) and (write, active grant) by comparing all with all."""
        active = [each for each in grants if each.end > each.start]
        acquires = sum(
            any(other is not each and other.start <= each.start < other.end
                and (other.start, active.index(other)) < (each.start, active.index(each))
                for other in active)
            for each in active
        )  # fmt: skip
        writes = sum(
            any(other is not grant and other.start <= write.t_invoke < other.end
                for other in active)
            for grant in grants for write in grant.writes
        )  # fmt: skip
        return acquires, writes

    def test_the_sweep_finds_what_comparing_all_with_all_finds(self):
        for seed in range(200):
            chance = random.Random(seed)
            history = History().ending(fifo=False)
            for token in range(1, 30):
                process = chance.choice("ab")
                start = chance.randrange(200)
                end = start + chance.randrange(20)
                history.acquire(process, 0, start, token, deadline=end)
                for number in range(chance.randrange(3)):
                    when = start + chance.randrange(30)
                    history.write(process, when, token, 10 * token + number, result="info")
            history.save(self.directory)
            run = checker.read(self.directory)
            grants = checker.grants_of(run)
            found = list(checker.check_belief(run, grants))
            writes = sum("a write began" in each.text for each in found)
            self.assertEqual(
                (len(found) - writes, writes), self.brute_force_belief(list(grants.values())), seed
            )


if __name__ == "__main__":
    sys.exit(unittest.main())
