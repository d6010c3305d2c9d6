"""The order of test files, and the garbage collector's work.

Those that take longest begin first, so that no worker is left with one at the end. What was collected (by pytest) stays
for the whole run, and the garbage collector need not look at it again.
"""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Protocol

LONGEST = (
    "docs/test_generated_pages.py", "simworld/test_simulator.py", "parity/test_parity_worlds.py",
    "replay/test_replay_command.py", "cli_verify/test_verify_command.py", "cli_driver/test_verify_outside.py",
    "lending/test_lending_judged.py", "strategies/test_search.py", "cli_verify/test_verify_in_sim.py",
    "simworld/test_sim_campaign.py", "simworld/test_same_again.py", "clauses/test_bundled_scenarios.py",
    "strategies/test_strategies_draw.py", "docs/test_readme.py", "sim/test_determinism.py", "test_retry.py",
    "test_life.py", "test_refresh.py", "simworld/test_untagged_reference.py", "oracle/test_oracle.py",
    "test_cache_fallback.py", "server/test_isolation.py", "subjects/test_known_bad_judged.py",
    "subjects/test_stacks.py", "subjects/test_stacks_outside.py", "backend/test_backend_fuzz.py",
    "server/test_control_views.py",
    "docs/test_reports_docs.py", "docs/test_own_api_docs.py", "cli_verify/test_verify_baselines.py", "campaign/test_shards.py",
    "docs/test_seen_by_page.py", "client/test_client_library.py", "fuzz/test_fuzz_targets.py", "replay/test_resolved.py",
    "cli_serve/test_serve_command.py",
)  # fmt: skip
"""Files below ``tests`` in the order in which they begin; all others come after them, as pytest finds them."""

_HERE = Path(__file__).parent


class _Test(Protocol):
    path: Path


def pytest_collection_modifyitems(items: list[_Test]) -> None:
    """Move the tests of the files above to the front (with pytest-xdist: ``--no-loadscope-reorder``)."""
    ranks = {_HERE / name: rank for rank, name in enumerate(LONGEST)}
    items.sort(key=lambda item: ranks.get(item.path, len(ranks)))


def pytest_collection_finish() -> None:
    """Spare the tests that collect garbage the many thousands of tests that are there to stay."""
    gc.collect()
    gc.freeze()
