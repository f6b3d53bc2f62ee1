"""A run that failed, was killed or stopped is gone on with; a task of it runs alone."""

from contextlib import contextmanager

import pytest

from search_forecast.bundle import runs
from search_forecast.bundle.graph import State
from search_forecast.cli import main
from search_forecast.cli.call import Call
from search_forecast.errors import DataError, UsageError
from search_forecast.lakehouse import task_values
from support.jobs import NOW, Commands, after, bundle_of, run, start, states, wheel


def test_a_repair_runs_what_failed_and_what_was_left_out_with_the_values_of_before(tmp_path):
    tasks = [
        wheel("first", "ingest"),
        wheel("second", "aggregate", "{{tasks.first.values.n}}", depends_on=after("first")),
        wheel("third", "reconcile", depends_on=after("second")),
    ]
    bundle = bundle_of(tmp_path, tasks, parameters=[{"name": "source", "default": "x"}])
    failing = Commands(ingest=lambda: task_values.set_value("n", 5), aggregate=DataError("no"))
    first = run(bundle, tmp_path, failing, {"source": "y"})
    mended = Commands()

    done = run(bundle, tmp_path, mended, is_repair=True)

    assert mended.called == ["aggregate 5", "reconcile"]
    assert (done.state, done.run_id, done.repairs, done.parameters) == ("SUCCESS", first.run_id, 1, {"source": "y"})
    assert runs.last(tmp_path / "lake", "flow", None).state == "SUCCESS"


def test_a_killed_run_can_be_repaired(tmp_path):
    tasks = [wheel("first", "ingest"), wheel("second", "clean", depends_on=after("first"))]
    bundle = bundle_of(tmp_path, tasks)
    _, pending = start(bundle, tmp_path)
    pending.tasks["first"].state, pending.tasks["second"].state = State.SUCCESS, State.RUNNING
    pending.save()
    commands = Commands()

    done = run(bundle, tmp_path, commands, is_repair=True)

    assert (commands.called, done.state) == (["clean"], "SUCCESS")


def test_a_repair_without_an_earlier_run_says_so(tmp_path):
    with pytest.raises(UsageError, match="no earlier run"):
        run(bundle_of(tmp_path, [wheel("a", "x")]), tmp_path, Commands(), is_repair=True)


def test_one_task_runs_alone(tmp_path):
    tasks = [wheel("first", "ingest"), wheel("second", "clean", depends_on=after("first"))]
    commands = Commands()

    done = run(bundle_of(tmp_path, tasks), tmp_path, commands, tasks=("second",))

    assert (commands.called, states(done)) == (["clean"], {"second": "SUCCESS"})


def test_one_task_of_an_earlier_run_has_the_values_of_those_before_it(tmp_path):
    tasks = [
        wheel("first", "ingest"),
        wheel("second", "aggregate", "{{tasks.first.values.n}}", depends_on=after("first")),
        wheel("third", "reconcile", depends_on=after("second")),
    ]
    bundle = bundle_of(tmp_path, tasks)
    run(bundle, tmp_path, Commands(ingest=lambda: task_values.set_value("n", 5), aggregate=DataError("no")))
    one, rest = Commands(), Commands()

    done = run(bundle, tmp_path, one, tasks=("second",), is_repair=True)
    run(bundle, tmp_path, rest, is_repair=True)

    assert (one.called, done.state, rest.called) == (["aggregate 5"], "SUCCESS", ["reconcile"])


def test_ctrl_c_stops_the_tasks_and_keeps_the_run_for_a_repair(tmp_path):
    def interrupt():
        raise KeyboardInterrupt

    bundle = bundle_of(tmp_path, [wheel("a", "stop"), wheel("b", "x", depends_on=after("a"))])
    with pytest.raises(KeyboardInterrupt):
        run(bundle, tmp_path, Commands(stop=interrupt))

    assert runs.last(tmp_path / "lake", "flow", None).state == "CANCELED"


def test_a_failed_run_says_the_command_that_goes_on_with_it(tmp_path, capsys, monkeypatch):
    flags = ["--bronze-schema=b", "--silver-schema=s", "--gold-schema=g", "--catalog=${var.catalog}"]
    bundle_of(tmp_path, [wheel("first", "check", *flags)])
    monkeypatch.chdir(tmp_path)
    lake = tmp_path / "my lake"
    lake.mkdir()

    asked = ["run", "flow", "--target", "prod", "--var", "mail=to whom", "--lakehouse", str(lake)]
    assert main(asked) == 1

    said = capsys.readouterr().err.splitlines()[-1]
    assert said.endswith(f"run flow --from-failed --target prod --var 'mail=to whom' --lakehouse '{lake}'")
    assert main([*asked, "--task", "first"]) == 1
    assert "run flow --from-failed --target prod --task first --var " in capsys.readouterr().err
    assert main(["--lakehouse", str(lake), "runs"]) == 0
    assert f"run flow --from-failed --target prod --lakehouse '{lake}'" in capsys.readouterr().err


def test_what_a_run_ended_while_another_waited_is_neither_overwritten_nor_repeated(tmp_path, capsys, monkeypatch):
    equal = {"op": "EQUAL_TO", "left": "a", "right": "a"}
    bundle = bundle_of(tmp_path, [{"task_key": "first", "condition_task": equal}])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Call, "now", staticmethod(lambda: NOW))
    (lake := tmp_path / "lake").mkdir()
    asked = ["--lakehouse", str(lake), "run", "flow", "--var", "mail=x"]
    locked = Call.locked

    @contextmanager
    def waiting(call):
        run(bundle, tmp_path, Commands(), is_repair=(lake / "_runs").exists())
        with locked(call):
            yield

    monkeypatch.setattr(Call, "locked", waiting)
    assert main(asked) == 0
    assert [each.run_id for each in runs.listed(lake, "flow")] == ["20261123-070000-2", "20261123-070000"]
    failed = runs.last(lake, "flow", None)
    failed.tasks["first"].state = State.FAILED
    failed.save()
    capsys.readouterr()

    assert main([*asked, "--from-failed"]) == 0
    assert "run flow: nothing to repair, the last run succeeded" in capsys.readouterr().out
    assert runs.last(lake, "flow", None).repairs == 1
