"""Retries, and what takes too long."""

import time

from search_forecast.bundle import runner
from search_forecast.bundle.graph import State
from search_forecast.errors import DataError
from support.jobs import Commands, after, bundle_of, run, states, wheel


def test_an_accident_is_retried_and_a_finding_is_not(tmp_path):
    tries = []

    def flaky():
        tries.append(1)
        if len(tries) < 3:
            raise OSError("disk hiccup")

    tasks = [wheel("a", "flaky", max_retries=2), wheel("b", "bad", max_retries=2)]
    done = run(bundle_of(tmp_path, tasks), tmp_path, Commands(flaky=flaky, bad=DataError("wrong")))

    assert (done.tasks["a"].state, done.tasks["a"].attempts) == (State.SUCCESS, 3)
    assert (done.tasks["b"].state, done.tasks["b"].attempts) == (State.FAILED, 1)


def test_a_task_that_takes_too_long_is_stopped(tmp_path):
    def endless():
        while True:
            time.sleep(0.01)

    bundle = bundle_of(tmp_path, [wheel("a", "endless", timeout_seconds=1), wheel("b", "x", depends_on=after("a"))])
    done = run(bundle, tmp_path, Commands(endless=endless))

    assert states(done) == {"a": "TIMEDOUT", "b": "UPSTREAM_FAILED"}
    assert done.state == "TIMEDOUT"
    assert "took longer than 1" in done.tasks["a"].error


def test_a_job_that_takes_too_long_is_stopped(tmp_path):
    def endless():
        while True:
            time.sleep(0.01)

    tasks = [wheel("a", "endless"), wheel("b", "x", depends_on=after("a"))]
    done = run(bundle_of(tmp_path, tasks, timeout_seconds=1), tmp_path, Commands(endless=endless))

    assert states(done) == {"a": "TIMEDOUT", "b": "CANCELED"}


def test_nothing_starts_once_the_job_has_taken_too_long(tmp_path):
    def endless():
        end = time.monotonic() + 10
        while time.monotonic() < end:
            time.sleep(0.01)

    tasks = [wheel(f"t{number}", "endless", timeout_seconds=600) for number in range(runner._SIDE_BY_SIDE + 1)]
    commands = Commands(endless=endless)
    done = run(bundle_of(tmp_path, tasks, timeout_seconds=1), tmp_path, commands)

    assert len(commands.called) < len(tasks)
    assert (set(states(done).values()), done.state) == ({"TIMEDOUT"}, "TIMEDOUT")
    assert {task.error for task in done.tasks.values()} == {"took longer than the job may take"}


def test_a_task_that_waits_for_another_attempt_gets_none_once_the_job_has_taken_too_long(tmp_path):
    def fail():
        raise OSError("disk hiccup")

    commands = Commands(flaky=fail)
    tasks = [wheel("a", "flaky", max_retries=3, min_retry_interval_millis=1500)]
    done = run(bundle_of(tmp_path, tasks, timeout_seconds=1), tmp_path, commands)

    assert (commands.called, states(done), done.state) == (["flaky"], {"a": "TIMEDOUT"}, "TIMEDOUT")
