import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st
from served import Brightest

from wmlearn.service import _app
from wmlearn.service.options import ServiceOptions
from wmlearn.service.server import serve


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"scores": 1}, TypeError),
        ({"token": "two words"}, ValueError),
        ({"token": 81}, TypeError),
        ({"rate": 0}, ValueError),
        ({"rate": "5"}, TypeError),
        ({"rate": float("nan")}, ValueError),
        ({"latency": -1}, ValueError),
        ({"latency": 61}, ValueError),
        ({"latency": None}, TypeError),
        ({"faults": 1.5}, ValueError),
        ({"faults": 30}, ValueError),
        ({"faults": False}, TypeError),
        ({"seed": -1}, ValueError),
        ({"seed": 0.5}, TypeError),
        ({"classes": "0123"}, TypeError),
        ({"classes": [1, 2]}, TypeError),
        ({"classes": ["a", "a"]}, TypeError),
    ],
    ids=str,
)
def test_bad_options(says, options, error):
    with says(error):
        ServiceOptions(**options)


anything = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary()
    | st.lists(st.integers(), max_size=2)
)


@given(
    st.dictionaries(
        st.sampled_from([field.name for field in dataclasses.fields(ServiceOptions)]), anything
    )
)
def test_any_options_are_taken_or_refused_in_one_sentence(options):
    try:
        made = ServiceOptions(**options)
    except (TypeError, ValueError) as error:
        message = str(error)
    else:
        _app.Gatekeeper(made).pace(1)
        message = repr(made)
        assert 0 <= made.faults <= 1
        assert 0 <= made.latency <= 60
    assert "\n" not in message


def test_options_are_frozen_and_asked_for_by_name(says):
    with pytest.raises(dataclasses.FrozenInstanceError):
        ServiceOptions().rate = 5
    with says(TypeError):
        serve(Brightest(), options={"rate": 50})
    says(repr(ServiceOptions(rate=5)))
