"""Contract files: what they promise, what they inherit, and what is wrong with them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest

from sadpath.client.policy import Policy as ClientPolicy
from sadpath.core.errors import FileProblems, UsageError
from sadpath.core.events import ExchangeEvent, FiredFault
from sadpath.drivers.messages import CAPABILITIES
from sadpath.scenario.yamlfile import YamlFile
from sadpath.verify.clauses import all_clauses
from sadpath.verify.contract import Contract, contract_paths, load_contract
from sadpath.verify.contractfile import contract_schema, read_contract
from sadpath.workspace import find_workspace

Write = Callable[..., Path]

BASE = """\
# A client.
client: base
driver: {python: "shop.client:create"}
capabilities: [retry, cancel]
profiles:
  quick: {timeouts: {read: 300ms, total: 2s}}
policy:
  timeouts: {read: 15s, total: 60s}
  retry: {max_retries: 2, statuses: [503], budget: {tokens: 10}}
  cache: {users.get: network_first, max_stale: 24h}
  errors: {map: {404: not_found, 4xx: unexpected_status}}
expected_failures:
  - {clause: END-01, reason: It hangs.}
"""


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Return what writes contract files into a workspace."""
    folder = tmp_path / "contracts" / "clients"
    folder.mkdir(parents=True)

    def file(text: str, name: str = "base") -> Path:
        path = folder / f"{name}.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return file


def _problems(path: Path) -> list[tuple[int | None, str | None, str, str | None]]:
    with pytest.raises(FileProblems) as caught:
        read_contract(path)
    return [(found.line, found.field, found.message, found.nearest) for found in caught.value.problems]


# The bundled ones


def _root() -> Path:
    return find_workspace().root


@pytest.mark.parametrize("name", ["reference", "httpx2", "http-cache", "article"])
def test_bundled_contracts_can_be_read(name: str) -> None:
    """Each bundled contract loads, has a driver and a quick profile, and is judged by every clause."""
    contract = load_contract(name, _root())
    quick = contract.with_profile("quick")

    assert contract.client == name
    assert set(contract.driver.given) == {"python"}
    assert quick.policy.timeouts.read is not None
    assert quick.policy.timeouts.read < 1.0
    assert all(contract.applies(clause) for clause in all_clauses())


def test_the_reference_contract_is_the_reference_clients_default() -> None:
    """What the reference contract publishes is what the reference client does when it is told nothing."""
    policy = load_contract("reference", _root()).policy

    assert ClientPolicy.from_dict(policy.to_protocol()) == ClientPolicy()


def test_the_article_promises_less() -> None:
    """The article's contract takes back what the article never speaks of, in the quick profile as well."""
    article = load_contract("article", _root())
    for policy in (article.policy, article.with_profile("quick").policy):
        assert policy.timeouts.total is None
        assert policy.pool.size is None
        assert policy.retry.retry_after is None
        assert policy.retry.budget is None
        assert policy.cache.evict_on is None
        assert (policy.cache.operations or {}).keys() == {"users.get", "settings.get"}
    assert article.policy.retry.first_delay == 0.3
    assert article.policy.retry.statuses == ()
    assert {"retry_after", "idempotency_key", "fake_clock"}.isdisjoint(article.capabilities)


def test_the_http_cache_leaves_caching_to_the_standard() -> None:
    """The contract of the client with an HTTP cache promises of caching how old a stale answer is at most, no more."""
    reference, other = load_contract("reference", _root()), load_contract("http-cache", _root())
    for policy in (other.policy, other.with_profile("quick").policy):
        assert policy.to_protocol()["cache"] == {"max_stale_ms": 86_400_000}
    changed = {"cache_fallback", "cache_control", "http_cache"}
    assert set(other.capabilities) - changed == set(reference.capabilities) - changed
    assert set(other.capabilities) & changed == {"http_cache"}
    assert other.policy.model_copy(update={"cache": reference.policy.cache}) == reference.policy


def test_bundled_contracts_fit_the_schema() -> None:
    """The JSON Schema accepts the bundled contracts and refuses a misspelt key."""
    schema = contract_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    for path in contract_paths(_root()).values():
        data = json.loads(json.dumps(YamlFile.load(path).data))
        assert list(validator.iter_errors(data)) == []
        assert list(validator.iter_errors({**data, "polcy": {}}))
        assert list(validator.iter_errors({**data, "policy": {"cache": {"users.get": "sometimes"}}}))


# Reading


def test_a_contract_by_name_and_by_path(write: Write, tmp_path: Path) -> None:
    """A contract is found by its name or its path, and knows its folder, in which its commands run."""
    path = write(BASE)

    assert load_contract("base", tmp_path) == load_contract(str(path), tmp_path) == load_contract(path, tmp_path)
    assert load_contract("base", tmp_path).folder == path.parent.resolve()
    assert contract_paths(tmp_path) == {"base": path}


def test_an_unknown_name_names_the_nearest(write: Write, tmp_path: Path) -> None:
    """A name that no contract has is an error that names the nearest, or those that there are."""
    write(BASE)
    with pytest.raises(UsageError, match="did you mean 'base'"):
        load_contract("bsae", tmp_path)
    with pytest.raises(UsageError, match="there are base"):
        load_contract("zzz", tmp_path)


def test_extends_merges_values_and_replaces_lists(write: Write) -> None:
    """``extends`` merges mappings key by key; lists and drivers are replaced; what is not named is inherited."""
    write(BASE)
    path = write(
        'extends: base\nclient: other\ndriver: {stdio: "node driver.mjs"}\ncapabilities: [cancel]\n'
        "policy: {timeouts: {read: 5s}, retry: {statuses: [429]}, errors: {map: {404: other}}}\n",
        "other",
    )
    contract = read_contract(path)

    assert contract.client == "other"
    assert contract.driver.given == {"stdio": "node driver.mjs"}
    assert contract.capabilities == ("cancel",)
    assert (contract.policy.timeouts.read, contract.policy.timeouts.total) == (5.0, 60.0)
    assert contract.policy.retry.statuses == (429,)
    assert contract.policy.retry.max_retries == 2
    assert (contract.policy.errors.kind_of(404), contract.policy.errors.kind_of(418)) == ("other", "unexpected_status")
    assert [item.clause for item in contract.expected_failures] == ["END-01"]


def test_null_takes_a_promise_back(write: Write) -> None:
    """``null`` in a contract that extends another removes a promise, whatever it is."""
    write(BASE)
    path = write(
        "extends: base\nclient: other\nexpected_failures: []\n"
        "policy: {timeouts: {total: null}, retry: {budget: null}, cache: {users.get: null}, errors: {map: "
        "{404: null}}}\n",
        "other",
    )
    policy = read_contract(path).policy

    assert policy.missing(["timeouts.total", "retry.budget", "cache.operations", "timeouts.read"]) == [
        "timeouts.total", "retry.budget", "cache.operations",
    ]  # fmt: skip
    assert policy.errors.kind_of(404) == "unexpected_status"
    assert policy.to_protocol()["errors"] == {"map": {"4xx": "unexpected_status"}}


def test_a_chain_of_contracts(write: Write) -> None:
    """A contract may extend one that extends another; one that extends itself in a circle is refused."""
    write(BASE)
    write("extends: base\nclient: middle\npolicy: {timeouts: {read: 5s}}\n", "middle")
    path = write("extends: middle\nclient: last\npolicy: {timeouts: {total: 9s}}\n", "last")
    timeouts = read_contract(path).policy.timeouts
    assert (timeouts.read, timeouts.total) == (5.0, 9.0)

    circle = write("client: a\nextends: b\n", "a")
    write("client: b\nextends: a\n", "b")
    assert _problems(circle)[0][1:3] == ("extends", "extends itself, by way of what it extends")


def test_profiles_are_put_over_the_policy(write: Write) -> None:
    """A profile changes what it names and nothing else; ``published`` always exists; an unknown one is an error."""
    contract = read_contract(write(BASE))
    quick = contract.with_profile("quick").policy

    assert (quick.timeouts.read, quick.timeouts.total, quick.retry.max_retries) == (0.3, 2.0, 2)
    assert contract.with_profile("published").policy == contract.policy
    with pytest.raises(UsageError, match="did you mean 'quick'"):
        contract.with_profile("quikc")


# Clauses and expected failures


@pytest.mark.parametrize(
    ("choice", "chosen"),
    [
        ("all", {clause.id for clause in all_clauses()}),
        ("[END-01, IDEM]", {"END-01", "IDEM-01", "IDEM-02", "IDEM-03"}),
        ("{level: must}", {clause.id for clause in all_clauses() if clause.level == "must"}),
        ("{level: [must, should]}", {clause.id for clause in all_clauses() if clause.level != "policy"}),
    ],
)
def test_which_clauses_apply(write: Write, choice: str, chosen: set[str]) -> None:
    """Clauses are chosen as all, by ids and families, or by levels."""
    contract = read_contract(write(f"{BASE}clauses: {choice}\n"))

    assert {clause.id for clause in all_clauses() if contract.applies(clause)} == chosen


def test_what_a_standard_binds_is_a_must(write: Write) -> None:
    """A contract that declares a capability is bound by the rules that a standard makes for it."""
    bound = {clause.id for clause in all_clauses() if clause.must_for == "http_cache"}
    assert bound
    for capabilities, applies in (("[http_cache]", True), ("[cache_fallback]", False)):
        text = re.sub("(?m)^capabilities: .*$", f"capabilities: {capabilities}", BASE)
        contract = read_contract(write(f"{text}clauses: {{level: must}}\n"))
        assert {clause.id for clause in all_clauses() if contract.applies(clause)} >= bound or not applies
        assert bound.isdisjoint(clause.id for clause in all_clauses() if contract.applies(clause)) is not applies


def test_when_narrows_an_expected_failure() -> None:
    """A failure is expected where its clause matches and, with ``when``, one fault has both name and phase."""
    contract = Contract.model_validate(
        {
            "client": "a",
            "expected_failures": [
                {"clause": "RETRY-*", "reason": "r", "when": {"fault": ["truncate"], "phase": ["body"]}},
                {"clause": "END-01", "reason": "e"},
            ],
        }
    )

    def case(*fired: FiredFault) -> list[ExchangeEvent]:
        return [ExchangeEvent("s", 1, 1, "GET", "/", fired=[item]) for item in fired]

    in_body, in_head = FiredFault("truncate", "body"), FiredFault("truncate", "head")
    reset = FiredFault("reset", "body")
    assert contract.expected("RETRY-03", case(in_body)) is not None
    assert contract.expected("RETRY-03", case(in_head, reset)) is None
    assert contract.expected("RETRY-03") is None
    assert contract.expected("END-01") is not None
    assert contract.expected("AUTH-01", case(in_body)) is None


def test_when_narrows_to_scenarios() -> None:
    """``when.scenario`` names scenarios or patterns; with ``fault`` both must be so."""
    contract = Contract.model_validate(
        {
            "client": "a",
            "expected_failures": [
                {"clause": "RETRY-01", "reason": "r", "when": {"scenario": ["retry/*", "auth/late"]}},
                {"clause": "RETRY-02", "reason": "r", "when": {"scenario": ["retry/*"], "fault": ["reset"]}},
            ],
        }
    )
    reset = ExchangeEvent("s", 1, 1, "GET", "/", fired=[FiredFault("reset", "head")])

    assert contract.expected("RETRY-01", (), "retry/busy") is not None
    assert contract.expected("RETRY-01", (), "auth/late") is not None
    assert contract.expected("RETRY-01", (), "auth/later") is None
    assert contract.expected("RETRY-01") is None
    assert contract.expected("RETRY-02", (reset,), "retry/busy") is not None
    assert contract.expected("RETRY-02", (), "retry/busy") is None
    assert contract.expected("RETRY-02", (reset,), "auth/late") is None


# What is wrong

MISTAKES: list[tuple[str, str, tuple[int, str, str, str | None]]] = [
    ("capabilities:", "capabilites:", (4, "capabilites", "unknown key", "capabilities")),
    ("[retry, cancel]", "[retry, cancl]", (4, "capabilities[1]", "unknown capability 'cancl'", "cancel")),
    ("read: 15s", "read: -1s",
     (8, "policy.timeouts.read", "must be a duration such as 300ms, 1.5s or 2m, not '-1s'", None)),
    ("max_retries", "max_retry", (9, "policy.retry.max_retry", "unknown key", "max_retries")),
    ("[503]", "[5030]", (9, "policy.retry.statuses[0]", "must be at most 599, not 5030", None)),
    ("network_first", "network_frist",
     (10, "policy.cache.users.get", "unknown strategy 'network_frist'", "network_first")),
    ("not_found", "not_fond", (11, "policy.errors.map.404", "unknown kind of failure 'not_fond'", "not_found")),
    ("4xx:", "40x:", (11, "policy.errors.map.40x", "must be a status such as 404, or a class such as 4xx", None)),
    ("read: 300ms", "red: 300ms", (6, "profiles.quick.timeouts.red", "unknown key", "read")),
    ("END-01", "END-10", (13, "expected_failures[0].clause", "there is no clause 'END-10'", "END-01")),
    ("END-01", "NOPE-*", (13, "expected_failures[0].clause", "matches no clause", None)),
    ("client: base", "client:", (2, "client", "is empty: give it a value or leave it out", None)),
    ("python:", "pyhton:", (3, "driver.pyhton", "unknown key", "python")),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "problem"), MISTAKES, ids=[new for _, new, _ in MISTAKES])
def test_a_mistake_is_named_with_its_place(
    write: Write, old: str, new: str, problem: tuple[int, str, str, str | None]
) -> None:
    """A mistake in a contract is one message with line, field and the nearest known name."""
    assert _problems(write(BASE.replace(old, new, 1))) == [problem]


@pytest.mark.parametrize(
    ("more", "field", "message", "near"),
    [
        ("clauses: [RETRY-99]\n", "clauses[0]", "there is no clause or family 'RETRY-99'", "RETRY-01"),
        ("clauses: [RETYR]\n", "clauses[0]", "there is no clause or family 'RETYR'", "RETRY"),
        ("extends: bsae\n", "extends", "there is no contract 'bsae' beside this file", None),
    ],
)
def test_names_of_other_things_must_exist(write: Write, more: str, field: str, message: str, near: str | None) -> None:
    """Clauses, families and contracts that a contract names must exist."""
    found = _problems(write(BASE + more))

    assert [item[1:3] for item in found] == [(field, message)]
    if near is not None:
        assert (found[0][3] or "").startswith(near[:5])


def test_when_narrows_to_profiles(write: Write) -> None:
    """``when.profile`` lists profiles of the contract; by another one nothing is expected to fail."""
    when = "reason: It hangs., when: {profile: [quick]}"
    contract = read_contract(write(BASE.replace("reason: It hangs.", when)))
    wrong = write(BASE.replace("reason: It hangs.", when.replace("quick", "quik")))

    assert contract.with_profile("quick").expected("END-01") is not None
    assert contract.with_profile("published").expected("END-01") is None
    assert _problems(wrong) == [(13, "expected_failures[0].when.profile[0]", "there is no profile 'quik'", "quick")]


def test_an_unknown_fault_in_when(write: Write) -> None:
    """``when`` names faults that exist."""
    text = BASE.replace("reason: It hangs.", "reason: It hangs., when: {fault: [truncat], phase: [body]}")

    assert _problems(write(text)) == [(13, "expected_failures[0].when.fault[0]", "unknown fault 'truncat'", "truncate")]


def test_what_is_missing_from_the_whole(write: Write) -> None:
    """A contract needs a client and one way to drive it, by itself or by what it extends."""
    nameless = write("driver: {python: a:b}\n", "nameless")
    driverless = write("client: a\n", "driverless")
    twice = write("client: a\ndriver: {python: a:b, http: http://127.0.0.1/}\n", "twice")

    assert _problems(nameless)[0][1:3] == ("client", "this key is missing")
    assert _problems(driverless)[0][1] == "driver"
    assert "python and http" in _problems(twice)[0][2]


def test_a_mistake_that_is_inherited_is_named_where_it_is(write: Write) -> None:
    """A mistake in a file that is extended is named with that file and its line."""
    write(BASE.replace("15s", "15"))
    path = write("extends: base\nclient: other\n", "other")
    with pytest.raises(FileProblems) as caught:
        read_contract(path)

    assert caught.value.problems[0].file.endswith("base.yaml")
    assert caught.value.problems[0].line == 8


def test_a_profile_that_fits_no_policy_is_named(write: Write) -> None:
    """A profile that is right by itself but not over this policy is an error at its place."""
    path = write(BASE.replace("quick: {timeouts:", "quick: {retry: {budget: {cost: 2, tokens: -1}}, timeouts:"))

    assert _problems(path)[0][:3] == (6, "profiles.quick.retry.budget.tokens", "must be at least 0, not -1")


def test_every_capability_may_be_promised(write: Write) -> None:
    """Each capability of the driver protocol can stand in a contract."""
    path = write(BASE.replace("[retry, cancel]", f"[{', '.join(CAPABILITIES)}]"))

    assert read_contract(path).capabilities == CAPABILITIES
