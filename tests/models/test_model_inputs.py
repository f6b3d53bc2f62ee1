"""Inputs as people write them."""

import pytest

from search_forecast.errors import UsageError
from search_forecast.models.model_inputs import Input, parse


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
