import pytest

from tests.captions import CAPTIONS, figures


@pytest.mark.skipif(not CAPTIONS.is_file(), reason="the labelled captions are not beside the project")
def test_captions_are_read_as_experts_labelled_them() -> None:
    often = {label: it for label, it in figures().items() if it.positives >= 15}
    assert len(often) >= 14
    low = {label for label, it in often.items() if it.precision < 0.9 or it.recall < 0.9}
    # Where these are missed, the caption does not say them: of 9 that move up, 6 speak of other moves alone.
    assert low <= {"move_up", "move_down"}
    assert all(it.recall >= 0.6 and it.precision >= 0.88 for it in often.values()), often
