"""Retries a retry that has failed, as most clients do by default: two retries, whoever promised what.

RFC 9110 §9.2.2 advises one. got and ky come back twice unless they are told otherwise, the AWS SDKs make three
attempts in all, axios-retry four. In an outage the server gets three times the requests that people make, when it can
least bear them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from sadpath.client import Policy
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject


class Client(ReferenceSubject):
    """Retries as often as it likes; with ``retries`` at 1 there is nothing wrong with it."""

    name = "retries-a-failed-retry"
    retries: ClassVar[int] = 2

    def policy(self, promised: Policy) -> Policy:
        """Return the policy with the number of retries that came with the library."""
        return replace(promised, retry=replace(promised.retry, max_retries=self.retries))


register(
    Client,
    defect="retries a retry that has failed",
    bug="the defaults of got, ky, axios-retry and the AWS SDKs",
    clauses=("RETRY-04",),
)
