"""What the settings of `split` refuse, and what they suggest instead."""

import pytest
from pydantic import ValidationError

from configs.settings import load
from pipeline.errors import CallError
from stages.split.settings import Shares


def test_shares_must_sum_to_one() -> None:
    with pytest.raises(ValidationError, match="sum to 1"):
        Shares(train=0.9, validation=0.2, test=0.1)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "split.formats=[trl, lava]",
            "split.formats: no format 'lava'; did you mean 'llava'? (there are: llamafactory, llava, trl) "
            "(got ['trl', 'lava'])",
        ),
        (
            "split.licences={web: CC-BY-4.0}",
            "split: unknown setting 'licences'; did you mean 'source_licenses'?",
        ),
        (
            "split.source_licences={web: CC-BY-4.0}",
            "unknown setting 'split.source_licences'; did you mean 'split.source_licenses'?",
        ),
    ],
)
def test_a_wrong_name_is_answered_with_the_right_one(override: str, message: str) -> None:
    with pytest.raises(CallError) as error:
        load("embedded", [override])
    assert str(error.value) == message


def test_formats_are_all_by_default_and_can_be_fewer_or_none() -> None:
    assert load("embedded").split.formats is None
    assert load("embedded", ["split.formats=[trl, llava]"]).split.formats == ["trl", "llava"]
    assert load("embedded", ["split.formats=[]"]).split.formats == []
