"""How thoroughly properties are tried where a run has to end soon: in CI, the same cases each time, and fewer."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("ci", settings.get_profile("ci"), max_examples=50)
