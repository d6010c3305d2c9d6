"""The fuzzer's targets, without a fuzzer: their seeds and some mutations of these, so that they go on working."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sadpath.core.errors import FileProblem
from tests.fuzz.files import check_problems
from tests.fuzz.targets import TARGETS, Target

MOST_SEEDS = 40


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_are_taken(name: str) -> None:
    """Good inputs and a few strange ones are read, or refused, as they should be."""
    target = TARGETS[name]
    seeds = target.seeds()

    assert seeds
    assert target.words()
    for seed in seeds[:: max(1, len(seeds) // MOST_SEEDS)]:
        target.run(seed)


@st.composite
def mutations(draw: st.DrawFn, target: Target) -> bytes:
    """A seed in which a few bytes were replaced, removed, doubled, or taken from elsewhere."""
    data = draw(st.sampled_from(target.seeds()))
    for _ in range(draw(st.integers(1, 4))):
        begin = draw(st.integers(0, len(data)))
        end = min(len(data), begin + draw(st.integers(0, 12)))
        other = draw(st.binary(max_size=4) | st.sampled_from(target.words()) | st.just(data[begin:end] * 2))
        data = data[:begin] + other + data[end:]
    return data


@pytest.mark.parametrize("name", TARGETS)
def test_mutations_are_refused_clearly_or_read_faithfully(name: str) -> None:
    """What is nearly right is refused in words, or means what it says."""
    target = TARGETS[name]

    @settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
    @given(mutations(target))
    def run(data: bytes) -> None:
        target.run(data)

    run()


@pytest.mark.parametrize(
    "problem",
    [
        FileProblem("f.yaml", "Input should be a valid string", 1),
        FileProblem("f.yaml", "two\nlines", 1),
        FileProblem("f.yaml", " ", 1),
        FileProblem("f.yaml", "is wrong", 9),
        FileProblem("f.yaml", "x" * 2_000),
    ],
    ids=["jargon", "lines", "nothing", "no such line", "endless"],
)
def test_a_message_that_nobody_can_read_is_found(problem: FileProblem) -> None:
    """The targets themselves complain where they should."""
    with pytest.raises(AssertionError):
        check_problems([problem], "title: x\n")


def test_what_is_wrong_with_a_reader_is_found() -> None:
    """A target lets through whatever is raised that is no refusal."""

    def broken(data: bytes) -> None:
        assert data

    with pytest.raises(AssertionError):
        Target("broken", broken, lambda: [b""]).run(b"")
