"""The policy: its numbers, its form in files and in the driver protocol, and what is merged into it."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from sadpath.client.policy import Policy as ClientPolicy
from sadpath.core.names import ERROR_KINDS
from sadpath.core.units import format_seconds
from sadpath.verify.policy import STRATEGIES, TRANSPORT, Policy, RetryPolicy, merge

SECONDS = st.integers(0, 10**7).map(lambda ms: format_seconds(ms / 1000))
STATUS = st.integers(100, 599)


def _some(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Return mappings that have some of the fields, each with a value or null."""
    return st.fixed_dictionaries({}, optional={name: st.none() | value for name, value in fields.items()})


POLICIES = st.fixed_dictionaries(
    {},
    optional={
        "timeouts": _some(connect=SECONDS, read=SECONDS, write=SECONDS, pool=SECONDS, total=SECONDS),
        "pool": _some(size=st.integers(1, 99)),
        "retry": _some(
            max_retries=st.integers(0, 9),
            first_delay=SECONDS,
            factor=st.floats(1, 10),
            max_delay=SECONDS,
            jitter=st.sampled_from(["none", "full", "equal"]),
            delays=st.lists(SECONDS, min_size=1, max_size=3),
            transport=st.booleans() | st.lists(st.sampled_from(TRANSPORT), max_size=3),
            statuses=st.lists(STATUS, max_size=3),
            methods=st.sampled_from(["idempotent", "any"]),
            budget=st.fixed_dictionaries(
                {"tokens": st.floats(0, 99), "cost": st.floats(0.1, 9), "refill": st.floats(0, 9)}
            ),
        ),
        "cache": st.dictionaries(st.sampled_from(["users.get", "getUser"]), st.none() | st.sampled_from(STRATEGIES)),
        "errors": _some(
            map=st.dictionaries(STATUS | st.sampled_from(["4xx", "5xx"]), st.none() | st.sampled_from(ERROR_KINDS))
        ),
    },
)


@given(POLICIES)
def test_what_is_written_reads_back(data: dict[str, Any]) -> None:
    """A policy's form in a file gives the same policy again, but for nulls, which promise nothing."""
    policy = Policy.model_validate(data)

    assert Policy.model_validate(policy.to_file()).to_protocol() == policy.to_protocol()


@given(POLICIES, POLICIES)
def test_the_later_file_wins(first: dict[str, Any], second: dict[str, Any]) -> None:
    """Merging puts each value of the later file over the earlier one's, and keeps what the later one does not name."""
    merged = Policy.model_validate(first).merged(second)
    one, two = Policy.model_validate(first), Policy.model_validate(second)
    for section in ("timeouts", "pool", "retry"):
        named = second.get(section, {})
        for name in type(getattr(one, section)).model_fields:
            source = two if name in named else one
            assert getattr(getattr(merged, section), name) == getattr(getattr(source, section), name)


def test_a_nested_mapping_is_merged_and_a_list_replaced() -> None:
    """Merging plain data goes into mappings and replaces everything else; neither side is changed."""
    base, over = {"a": {"b": 1, "c": [1, 2]}, "d": 1}, {"a": {"c": [3]}, "d": {"e": 2}}

    assert merge(base, over) == {"a": {"b": 1, "c": [3]}, "d": {"e": 2}}
    assert base == {"a": {"b": 1, "c": [1, 2]}, "d": 1}


def test_the_form_of_the_driver_protocol() -> None:
    """Durations are numbers of milliseconds with the suffix ``_ms``; strategies stand beside the cache's other keys."""
    policy = Policy.model_validate(
        {
            "timeouts": {"read": "300ms", "total": "1.5s"},
            "retry": {
                "delays": ["20ms", "2500ms"],
                "retry_after_cap": "1m",
                "budget": {"tokens": 3},
                "transport": ["reset"],
            },
            "auth": {"refresh_early": "30s", "logout_on": ["invalid_grant"]},
            "cache": {"users.get": "network_first", "max_stale": "24h", "fallback_on": ["transport", 503]},
            "cancel": {"within": "100ms"},
        }
    )

    assert policy.to_protocol() == {
        "timeouts": {"read_ms": 300, "total_ms": 1500},
        "retry": {
            "delays_ms": [20, 2500],
            "retry_after_cap_ms": 60000,
            "budget": {"tokens": 3, "cost": 1, "refill": 0},
            "transport": ["reset"],
        },
        "auth": {"refresh_early_ms": 30000, "logout_on": ["invalid_grant"]},
        "cache": {"users.get": "network_first", "max_stale_ms": 86_400_000, "fallback_on": ["transport", 503]},
        "cancel": {"within_ms": 100},
    }


@pytest.mark.parametrize("name", list(Policy.model_fields))
def test_every_duration_has_its_suffix(name: str) -> None:
    """A section names exactly those of its fields as durations that are held as seconds."""
    section = type(getattr(Policy(), name))

    assert section.durations == {field for field in section.model_fields if _reads_durations(section, field)}


def _reads_durations(section: type[BaseModel], field: str) -> bool:
    for written in ("1500ms", ["1500ms"]):
        try:
            value = getattr(section.model_validate({field: written}), field)
        except ValidationError:
            continue
        if value in (1.5, (1.5,)):
            return True
    return False


def test_the_client_reads_every_field_that_we_write() -> None:
    """The reference client's own policy has each field of ours, so that nothing which is promised goes unsaid."""
    for name in ("timeouts", "pool", "retry", "auth", "redirects", "errors"):
        ours = set(type(getattr(Policy(), name)).model_fields)
        theirs = {item.name for item in dataclasses.fields(getattr(ClientPolicy(), name))}
        assert ours == theirs, name


# Waits


@given(st.floats(0.001, 10), st.floats(1, 5), st.floats(0.001, 100), st.integers(1, 400))
def test_delays_grow_up_to_the_longest(first: float, factor: float, longest: float, n: int) -> None:
    """The wait before retry n is first_delay * factor ** (n - 1), never beyond max_delay, and never overflows."""
    retry = RetryPolicy.model_construct(
        first_delay=first, factor=factor, max_delay=longest, delays=None, jitter="equal"
    )
    wait = retry.delay(n)

    assert wait is not None
    assert wait <= longest
    assert wait == min(longest, first) or n > 1
    assert retry.bounds(n) == (wait / 2, wait)
    assert n == 1 or (retry.delay(n - 1) or 0.0) <= wait


def test_what_is_not_promised_has_no_wait() -> None:
    """Without first_delay, or without a factor from the second retry on, no wait is promised."""
    assert RetryPolicy().delay(1) is None
    assert RetryPolicy.model_validate({"first_delay": "1s"}).delay(1) == 1.0
    assert RetryPolicy.model_validate({"first_delay": "1s"}).delay(2) is None
    assert RetryPolicy.model_validate({"first_delay": "1s"}).bounds(1) is None


@pytest.mark.parametrize(
    ("transport", "names", "due"),
    [(True, ("reset",), True), (False, ("reset",), False), (None, ("reset",), False), (["reset"], ("reset",), True),
     (["reset"], ("reset", "closed"), False), (["reset", "closed"], ("reset", "closed"), True)],
)  # fmt: skip
def test_which_failures_are_retried(transport: Any, names: tuple[str, ...], due: bool) -> None:
    """A failure is promised to be retried if the contract lists all that it may be, or says true."""
    assert RetryPolicy.model_validate({"transport": transport}).retries_transport(*names) is due


def test_alternatives_are_promised_together() -> None:
    """``a|b`` is missing only where neither is promised."""
    policy = Policy.model_validate({"retry": {"delays": ["1s"]}})

    assert policy.missing(["retry.first_delay|retry.delays", "retry.jitter"]) == ["retry.jitter"]


def test_sections_are_models() -> None:
    """Every part of a policy is a section of its own, so that no value stands outside of one."""
    assert all(isinstance(getattr(Policy(), name), BaseModel) for name in Policy.model_fields)
