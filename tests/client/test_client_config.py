"""Configuration: where a setting comes from, which source wins, and what is said of a slip."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sadpath.client import AppConfig, ConfigError, Environment, Policy, ShopClient
from sadpath.client.config_reading import flatten
from sadpath.client.policy import BudgetPolicy, Timeouts
from sadpath.client.policy_reading import SECTIONS
from tests.client.scripted import Server, problem, reply, serving
from tests.client.shopside import USER, failure_of, success_of
from tests.client.test_client_tls import pem

FILE = """
environment = "dev"

[default]
log_level = "info"
timeouts.read = "4s"

[dev]
base_url = "http://127.0.0.1:8080"

[staging]
base_url = "https://staging.example.com/api"

[prod]
base_url = "https://api.example.com"
timeouts = {read = "3s", total = "none"}
"""


def written(folder: Path, text: str = FILE) -> Path:
    """Write a configuration file."""
    path = folder / "shop.toml"
    path.write_text(text)
    return path


def load(environment: str | None = "prod", /, **given: Any) -> AppConfig:
    """Load a configuration of what is given alone: no variable of this process counts."""
    given.setdefault("variables", {})
    return AppConfig.load(environment, **given)


def with_settings(**overrides: Any) -> AppConfig:
    """Load a configuration from code."""
    return load(overrides={"base_url": "https://api.example.com", **overrides})


def test_the_base_url_is_all_that_must_be_said() -> None:
    """With nothing but a base URL the policy is the reference one."""
    config = with_settings()

    assert (config.base_url, config.policy) == ("https://api.example.com", Policy())
    assert (config.library, config.ca_pem) == (None, None)


@pytest.mark.parametrize(("environment", "level"), [("dev", "debug"), ("staging", "info"), ("prod", "warning")])
def test_each_environment_has_a_log_level_of_its_own(environment: str, level: str) -> None:
    """The nearer to users, the less is logged, unless somebody says otherwise."""
    url = {"base_url": "https://api.example.com"}

    assert load(environment, overrides=url).log_level == level
    assert load(environment, overrides={**url, "log_level": "off"}).log_level == "off"


@pytest.mark.parametrize(
    ("environment", "url", "read"),
    [
        ("dev", "http://127.0.0.1:8080", 4.0),
        ("staging", "https://staging.example.com/api", 4.0),
        ("prod", "https://api.example.com", 3.0),
    ],
)
def test_the_environment_picks_its_table(tmp_path: Path, environment: str, url: str, read: float) -> None:
    """The environment's own table goes before the default one, the default one before what is built in."""
    config = load(environment, file=written(tmp_path))

    assert (config.environment, config.base_url, config.policy.timeouts.read) == (environment, url, read)
    assert config.policy.timeouts.connect == Timeouts().connect
    assert config.log_level == "info"


def test_each_source_goes_before_those_above_it(tmp_path: Path) -> None:
    """Defaults, file, table, variable, code: with each one more, the setting is that one's; and it is said which."""
    path = written(tmp_path)
    base = {"base_url": "https://api.example.com"}
    variables = {"SHOP_TIMEOUTS__READ": "2s"}

    def read(config: AppConfig) -> tuple[float | None, str | None]:
        return config.policy.timeouts.read, config.origins.get("timeouts.read")

    assert read(load("prod", overrides=base)) == (15.0, None)
    assert read(load("staging", file=path)) == (4.0, f"{path}: default.timeouts.read")
    assert read(load("prod", file=path)) == (3.0, f"{path}: prod.timeouts.read")
    assert read(load("prod", file=path, variables=variables)) == (2.0, "environment: SHOP_TIMEOUTS__READ")
    config = load("prod", file=path, variables=variables, overrides={"timeouts": {"read": timedelta(seconds=1)}})
    assert read(config) == (1.0, "overrides: timeouts.read")
    assert config.policy.timeouts.total is None


def test_the_environment_is_looked_for_in_three_places(tmp_path: Path) -> None:
    """The argument goes before the variable, the variable before the file, and without any of them nothing is guessed."""
    path = written(tmp_path)
    variables = {"SHOP_ENVIRONMENT": "staging", "SHOP_CONFIG": str(path)}

    assert load(None, file=path).environment is Environment.DEV
    assert load(None, variables=variables).environment is Environment.STAGING
    assert load("prod", variables=variables).environment is Environment.PROD
    assert load(None, variables=variables).base_url == "https://staging.example.com/api"
    with pytest.raises(ConfigError, match=r"nobody says which environment this is: .* SHOP_ENVIRONMENT"):
        load(None, overrides={"base_url": "https://api.example.com"})


def test_variables_are_read_as_toml_has_values() -> None:
    """Numbers, lists and truths are read; what is no TOML is plain text; other programs' variables do not count."""
    config = load(
        "dev",
        variables={
            "SHOP_BASE_URL": "http://localhost:8080/api",
            "SHOP_RETRY__MAX_RETRIES": "4",
            "SHOP_RETRY__STATUSES": "[429, 503]",
            "SHOP_RETRY__DELAYS": '["0s", "200ms"]',
            "SHOP_RETRY__BUDGET": "none",
            "SHOP_REDIRECTS__FOLLOW": "false",
            "SHOP_CACHE__USERS__GET": "cache_first",
            "SHOP_ERRORS__MAP__404": "unexpected_status",
            "SHOP_ERRORS__MAP__4XX": "server",
            "BASE_URL": "http://nowhere",
        },
    )

    policy = config.policy
    assert config.base_url == "http://localhost:8080/api"
    assert (policy.retry.max_retries, policy.retry.delays) == (4, (0.0, 0.2))
    assert policy.retry.statuses == frozenset({429, 503})
    assert (policy.retry.budget, policy.redirects.follow) == (None, False)
    assert (policy.cache.strategies["users.get"], policy.cache.strategies["settings.get"]) == ("cache_first",) * 2
    assert (policy.errors.kind_of(404), policy.errors.kind_of(418)) == ("unexpected_status", "server")
    assert policy.errors.kind_of(401) == "unauthorized"


def test_a_prefix_of_ones_own() -> None:
    """An application may call its variables as it likes."""
    config = load("dev", variables={"MY_APP_BASE_URL": "http://localhost", "SHOP_NONSENSE": "1"}, prefix="MY_APP_")

    assert config.base_url == "http://localhost"


def test_a_part_goes_for_the_whole_and_the_whole_for_its_parts() -> None:
    """A budget that is switched off is off whatever it held, and naming one number of it switches it on again."""
    off = {"SHOP_RETRY__BUDGET": "none"}
    part = {"retry.budget.tokens": 3}
    url = {"base_url": "https://api.example.com"}

    assert load(overrides={**url, **part}).policy.retry.budget == BudgetPolicy(tokens=3)
    assert load(variables=off, overrides=url).policy.retry.budget is None
    assert load(variables=off, overrides={**url, **part}).policy.retry.budget == BudgetPolicy(tokens=3)
    assert (
        load(variables={"SHOP_RETRY__BUDGET__COST": "2"}, overrides={**url, "retry.budget": "none"}).policy.retry.budget
        is None
    )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[prod]\ntimeout.read = '3s'", r"prod\.timeout\.read: there is no such setting; did you mean 'prod\.timeouts\.read'"),
        ("[prod]\nbase_urls = 'x'", r"prod\.base_urls: there is no such setting; did you mean 'prod\.base_url'"),
        ("[prod]\nzzz = 1", r"prod\.zzz: there is no such setting; settings are prod\.base_url, "),
        ("[production]\nbase_url = 'x'", "nothing is named 'production'; did you mean 'prod'"),
        ("base_url = 'http://x'", r"base_url: a setting stands in one of the tables \[default\], \[dev\]"),
        ("[prod]\nbase_url = 3", r"prod\.base_url: expected a URL, got 3"),
        ("[prod]\nbase_url = 'ftp://x'", r"prod\.base_url: expected a URL such as .*, got 'ftp://x'"),
        ("[prod]\nbase_url = 'http://x?a=1'", "has no query and no fragment"),
        ("[prod]\ntimeouts.read = 15", r"prod\.timeouts\.read: expected a duration such as '10s' or '300ms', got 15"),
        ("[prod]\ntimeouts.read = '15'", "expected a duration"),
        ("[prod]\nretry.first_delay = 'none'", r"prod\.retry\.first_delay: it has to have a value, so it cannot be 'none'"),
        ("[prod]\nretry.delays = ['1s', 2]", r"prod\.retry\.delays: expected a duration .*, got 2"),
        ("[prod]\nretry.max_retries = -1", r"prod\.retry\.max_retries: expected a whole number of zero or more, got -1"),
        ("[prod]\nretry.jitter = 'some'", r"prod\.retry\.jitter: expected one of none, full, equal, got 'some'"),
        ("[prod]\nretry.transport = ['conect']", r"prod\.retry\.transport: unknown field 'conect'; did you mean 'connect'"),
        ("[prod]\nretry.budget = 3", r"prod\.retry\.budget: expected 'none', or the settings tokens, cost and refill"),
        ("[prod]\nlog_level = 'loud'", r"prod\.log_level: expected one of debug, info, warning, off, got 'loud'"),
        ("[prod]\nlibrary = 'aiohttp'", r"prod\.library: expected one of httpx, httpx2, got 'aiohttp'"),
        ("[prod.cache]\n'users.get' = 'never'", r"prod\.cache\.users\.get: expected one of network_first"),
        ("[prod.errors.map]\n404 = 'lost'", r"prod\.errors\.map\.404: expected one of unauthorized"),
        ("[prod.errors.map]\n4040 = 'server'", r"prod\.errors\.map.*expected an HTTP status, got 4040"),
        ("[prod]\nca_file = 'none.pem'", r"prod\.ca_file: .*none\.pem cannot be read: No such file"),
        ("[prod]\nca_file = 'shop.toml'", r"shop\.toml holds no certificate in PEM form"),
        ("[prod]\nca_file = 7", r"prod\.ca_file: expected the path of a file, got 7"),
        ("[dev]\ntimeouts.reed = '3s'", r"dev\.timeouts\.reed: there is no such setting; did you mean 'dev\.timeouts\.read'"),
        ("environment = 'live'", r"environment: nothing is named 'live'; known: dev, staging, prod"),
        ("[prod\n", r"it is no TOML: .*line 1"),
    ],
)  # fmt: skip
def test_a_slip_in_the_file_is_named(tmp_path: Path, text: str, sentence: str) -> None:
    """The message has the file, the setting as it stands there, what was expected, and the nearest name."""
    path = written(tmp_path, text)
    with pytest.raises(ConfigError, match=sentence) as caught:
        load(None if text.startswith("environment") else "prod", file=path)

    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"SHOP_TIMEOUTS__REED": "3s"}, "environment: SHOP_TIMEOUTS__REED: there is no such setting; did you mean 'SHOP_TIMEOUTS__READ'"),
        ({"SHOP_RETRY__MAX_RETRIES": "two"}, "environment: SHOP_RETRY__MAX_RETRIES: expected a whole number .*, got 'two'"),
        ({"SHOP_ERRORS__MAP__404": "lost"}, "environment: SHOP_ERRORS__MAP.*: expected one of unauthorized"),
        ({"SHOP_ENVIRONMENT": "prd"}, "SHOP_ENVIRONMENT: nothing is named 'prd'; did you mean 'prod'"),
        ({"SHOP_CONFIG": "nowhere.toml"}, r"nowhere\.toml: there is no such file"),
        ({}, r"no base_url is set for prod: say it in the file under \[prod\], as the variable SHOP_BASE_URL, or in code"),
    ],
)  # fmt: skip
def test_a_slip_in_a_variable_is_named(variables: dict[str, str], sentence: str) -> None:
    """The message has the variable as it is written."""
    with pytest.raises(ConfigError, match=sentence):
        load(None if "SHOP_ENVIRONMENT" in variables else "prod", variables=variables)


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    """A folder, and bytes that are no text, end in the same one error."""
    (tmp_path / "shop.toml").write_bytes(b"\xff\xfe[prod]")

    with pytest.raises(ConfigError, match="it cannot be read"):
        load(file=tmp_path)
    with pytest.raises(ConfigError, match="it is no TOML"):
        load(file=tmp_path / "shop.toml")


def test_certificates_are_found_beside_the_file(tmp_path: Path) -> None:
    """A path in the file is relative to the file, and what counts is what it holds."""
    (tmp_path / "ca.pem").write_text(pem())
    config = load(file=written(tmp_path, "[prod]\nbase_url = 'https://api.example.com'\nca_file = 'ca.pem'"))

    assert config.ca_pem == pem()
    assert "CERTIFICATE" not in repr(config)


SETTING = st.sampled_from(
    [f"{section}.{name.removesuffix('_ms')}" for section, fields in SECTIONS.items() for name in fields]
    + [
        "base_url",
        "log_level",
        "library",
        "ca_file",
        "cache.users.get",
        "errors.map.404",
        "x",
        "timeouts",
        "errors.map",
    ]
)
VALUE = (
    st.none()
    | st.booleans()
    | st.integers(-5, 700)
    | st.floats()
    | st.sampled_from(["10s", "300ms", "none", "full", "transport", "network_first", "http://x", "debug", ""])
    | st.lists(st.integers(0, 700) | st.sampled_from(["1s", "connect", "invalid_grant"]), max_size=3)
)


@given(settings=st.dictionaries(SETTING, VALUE, max_size=4))
def test_any_settings_are_a_configuration_or_a_config_error(settings: dict[str, Any]) -> None:
    """Whatever is set, loading ends in a configuration, or in the one error, which names a setting that was given."""
    try:
        config = load(overrides={"base_url": "https://api.example.com", **settings})
    except ConfigError as error:
        named = [name for name in settings if name in str(error)]
    else:
        named = ["none needed"]
        assert isinstance(config.policy, Policy)
    assert named


@given(tables=st.recursive(st.integers(), lambda inner: st.dictionaries(st.text("ab", min_size=1), inner, max_size=3)))
def test_flattening_keeps_every_value(tables: Any) -> None:
    """Nested tables and dotted names say the same."""
    if isinstance(tables, dict):

        def leaves(value: Any) -> int:
            return sum(map(leaves, value.values())) if isinstance(value, dict) else 1

        assert len(flatten(tables)) == leaves(tables)


def test_a_client_keeps_to_its_configuration(caplog: pytest.LogCaptureFixture) -> None:
    """Retries and log are as configured: two attempts, and of all that happens only what went wrong is in the log."""

    async def run() -> None:
        server = Server().on("GET /users/1", reply(200, USER)).on("GET /users/2", problem(503))
        async with serving(server):
            config = load(
                "prod", overrides={"base_url": server.url, "retry.max_retries": 1, "retry.first_delay": "1ms"}
            )
            async with ShopClient.from_config(config) as client:
                success_of(await client.users.get(1))
                assert failure_of(await client.users.get(2)).attempts == 2

    with caplog.at_level(logging.DEBUG, logger="shop_client"):
        asyncio.run(run())

    assert [record.levelname for record in caplog.records if record.name == "shop_client"] == ["WARNING"] * 2


@pytest.mark.parametrize(
    ("level", "levels"),
    [("debug", {"DEBUG", "INFO", "WARNING"}), ("info", {"INFO", "WARNING"}), ("warning", {"WARNING"}), ("off", set[str]())],
)  # fmt: skip
def test_the_log_level_cuts_the_log(caplog: pytest.LogCaptureFixture, level: str, levels: set[str]) -> None:
    """Exchanges are DEBUG, decisions INFO, what goes wrong WARNING; a level leaves out what is below it."""

    async def run() -> None:
        server = Server().on("GET /users/1", problem(503), reply(200, USER))
        async with serving(server):
            config = load("dev", overrides={"base_url": server.url, "log_level": level, "retry.first_delay": "1ms"})
            async with ShopClient.from_config(config) as client:
                success_of(await client.users.get(1))
            nowhere = AppConfig(base_url="http://127.0.0.1:9", policy=config.policy, log_level=config.log_level)
            async with ShopClient.from_config(nowhere) as client:
                failure_of(await client.users.get(1))

    with caplog.at_level(logging.DEBUG, logger="shop_client"):
        asyncio.run(run())

    assert {record.levelname for record in caplog.records if record.name == "shop_client"} == levels
