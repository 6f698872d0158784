import pytest
from hypothesis import given
from hypothesis import strategies as st

from configs.published import Given, sections, settle
from configs.settings import load
from pipeline.errors import CallError

PROFILE = load("embedded")


def manifest(*overrides: str, profile: str = "embedded") -> dict[str, object]:
    """As `split` with these settings would publish it."""
    return sections(load(profile, overrides)) | {"profile": sections(load(profile))}


def test_without_a_dataset_the_command_decides() -> None:
    asked = load("embedded", ["gates.flow_min=0.5"])
    held = settle(asked, Given(PROFILE), {})
    assert held.config == asked
    assert not held.kept
    assert not held.changed


def test_what_the_command_does_not_set_stays_as_published() -> None:
    held = settle(PROFILE, Given(PROFILE), manifest("gates.flow_min=0.01", "split.seed=7"))
    assert (held.config.gates.flow_min, held.config.split.seed) == (0.01, 7)
    assert held.kept == {"gates.flow_min": (0.01, PROFILE.gates.flow_min), "split.seed": (7, 0)}
    assert not held.changed


@pytest.mark.parametrize("path", ["gates.flow_min", "gates"])
def test_what_the_command_sets_holds(path: str) -> None:
    asked = load("embedded", ["gates.flow_min=0.2"])
    held = settle(asked, Given(PROFILE, [path]), manifest("gates.flow_min=0.01", "split.seed=7"))
    assert (held.config.gates.flow_min, held.config.split.seed) == (0.2, 7)
    assert held.changed == {"gates.flow_min": (0.01, 0.2)}


def test_yes_takes_all_settings_of_the_command() -> None:
    held = settle(PROFILE, Given(PROFILE, all=True), manifest("gates.flow_min=0.01"))
    assert held.config == PROFILE
    assert list(held.changed) == ["gates.flow_min"]


def test_a_file_that_is_named_again_asks_for_nothing_new() -> None:
    held = settle(PROFILE, Given(PROFILE, named=True), manifest("gates.flow_min=0.01"))
    assert held.config.gates.flow_min == 0.01


def test_another_file_holds_where_it_differs_from_the_one_before() -> None:
    other = load("embedded", ["gates.quality_max=50"])  # the same file after it was edited
    held = settle(other, Given(other, named=True), manifest("gates.flow_min=0.01"))
    assert (held.config.gates.quality_max, held.config.gates.flow_min) == (50, 0.01)
    assert held.profile == sections(other)
    unnamed = settle(other, Given(other), manifest("gates.flow_min=0.01"))
    assert unnamed.config.gates.quality_max == PROFILE.gates.quality_max
    assert unnamed.profile == sections(PROFILE)


def test_a_dataset_of_an_older_version_has_no_say_on_settings_it_did_not_know() -> None:
    old = {"gates": {"flow_min": 0.01, "long_gone": 1}}
    held = settle(PROFILE, Given(PROFILE), old)
    assert held.config.gates.flow_min == 0.01
    assert held.config.split == PROFILE.split
    assert settle(PROFILE, Given(PROFILE, named=True), old).config == PROFILE


def test_settings_that_do_not_fit_together_are_refused() -> None:
    shares = "split.shares={train: 0.4, validation: 0.3, test: 0.3}"
    asked = load("embedded", [shares])
    with pytest.raises(CallError, match=r"split.shares: .*sum to 1"):
        settle(asked, Given(PROFILE, ["split.shares.train"]), manifest())


SETS = st.lists(
    st.sampled_from(["gates.flow_min=0.3", "gates.cuts_max=3", "split.seed=5", "split.min_dpo_margin=0.5"]),
    unique=True,
)


@given(SETS, SETS)
def test_a_command_repeated_changes_nothing(first: list[str], second: list[str]) -> None:
    def after(overrides: list[str], published: dict[str, object]) -> dict[str, object]:
        paths = [override.partition("=")[0] for override in overrides]
        held = settle(load("embedded", overrides), Given(PROFILE, paths), published)
        return sections(held.config) | {"profile": held.profile}

    once = after(second, after(first, {}))
    assert after(second, once) == after([], once) == once
