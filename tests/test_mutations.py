"""benchmarks/mutation_check.py breaks rules of the package: here, that each is still where it looks for it."""

import importlib.util
import sys

import pytest

from support.places import PROJECT

spec = importlib.util.spec_from_file_location("mutation_check", PROJECT / "benchmarks" / "mutation_check.py")
assert spec is not None
assert spec.loader is not None
mutation_check = sys.modules["mutation_check"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(mutation_check)


@pytest.mark.parametrize("rule", mutation_check.MUTATIONS)
def test_the_rule_that_a_mutation_breaks_is_there_once_and_so_are_its_tests(rule):
    mutation = mutation_check.MUTATIONS[rule]
    text = (PROJECT / "src" / "search_forecast" / mutation.file).read_text(encoding="utf-8")

    assert text.count(mutation.old) == 1
    assert all((PROJECT / "tests" / name).exists() for name in mutation.tests)
