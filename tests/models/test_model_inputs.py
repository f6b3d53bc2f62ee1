"""Inputs as people write them."""

import pytest

from search_forecast.errors import UsageError
from search_forecast.models import signature
from search_forecast.models.model_inputs import Input, parse
from search_forecast.parameters import RegressionParameters


@pytest.mark.parametrize(
    ("texts", "inputs"),
    [
        (["city=New York, NY"], [("city", None, "New York, NY")]),
        (["city=New York, NY,x=3"], [("city", None, "New York, NY"), ("x", None, "3")]),
        (["note:string=a, b, c , x:double = 3"], [("note", "string", "a, b, c"), ("x", "double", "3")]),
        (["title=Hello, note: this"], [("title", None, "Hello, note: this")]),
        (['city="Paris, x=3", x=4'], [("city", None, "Paris, x=3"), ("x", None, "4")]),
        (['city="say ""hi"", you"'], [("city", None, 'say "hi", you')]),
        (["x:double=1,y:double=2"], [("x", "double", "1"), ("y", "double", "2")]),
        (["x:long,y:double"], [("x", "bigint", None), ("y", "double", None)]),
        (["x, y"], [("x", None, None), ("y", None, None)]),
        (["x=1,", " ", "y=2"], [("x", None, "1"), ("y", None, "2")]),
        (["city="], [("city", None, "")]),
    ],
)
def test_a_comma_begins_an_input_only_where_one_can_begin(
    texts: list[str], inputs: list[tuple[str, str | None, str | None]]
) -> None:
    assert parse(texts, "predict") == [Input(*item) for item in inputs]


@pytest.mark.parametrize("text", ["year:number", "=3", "a:long,a:long", "a:long,b:number"])
def test_what_is_no_input_is_one_line(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse([text], "predict")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["a.b", "`a.b`", "a`b"])
def test_a_column_that_spark_ml_does_not_find_by_its_name_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    said = f"{name}: Spark ML finds no column with a dot or a backtick in its name; give it another"
    for features, label in (((name, "x"), "y"), (("x",), name)):
        with pytest.raises(UsageError) as caught:
            RegressionParameters("t", features, label)
        assert str(caught.value) == f"train-regression: {said}"

    monkeypatch.setattr(signature.s, "flat", lambda model: [model])
    monkeypatch.setattr(signature.s, "needed", lambda stages: (stages, ["features", "given.in SQL"]))
    monkeypatch.setattr(signature.s, "vector", lambda *_: ("features", 2))
    with pytest.raises(UsageError) as caught:
        signature.wrapped(None, [Input("x", None, None), Input(name, None, None)])  # type: ignore[arg-type]
    assert str(caught.value) == f"import-model: {said}"

    monkeypatch.setattr(signature.s, "needed", lambda stages: (stages, ["`own`"]))
    monkeypatch.setattr(signature.s, "vector", lambda *_: None)
    monkeypatch.setattr(signature, "_likely_type", lambda *_: "double")
    with pytest.raises(UsageError, match="import-model: `own`: Spark ML finds no column"):
        signature.wrapped(None, [])  # type: ignore[arg-type]
