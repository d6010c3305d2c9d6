"""Clients that live in this process and clients that do not, put to the test in one run, each in its own world."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sadpath.verify.clients import ClientRequest
from sadpath.verify.results import Results
from sadpath.verify.run import Job, live_world, verify

__all__ = ["outside", "verify_apart"]


def outside(requests: Sequence[ClientRequest]) -> list[ClientRequest]:
    """Return the clients that live outside this process, whose time cannot be simulated.

    Raises:
        UsageError, FileProblems: for a contract that is not there, or has mistakes.
    """
    return [request for request in requests if not request.in_process]


def verify_apart(job: Job, requests: Sequence[ClientRequest], profile: str | None) -> Results:
    """Run a job for simulated worlds; clients outside this process are put to the test on real sockets instead.

    Args:
        job: what to do; it may draw cases, which clients outside are spared.
        requests: the clients.
        profile: the profile that was asked for, None for the one that suits each world.

    Raises:
        UsageError, FileProblems, AuthorError, DriverError: as ``verify``.
    """
    others = outside(requests)
    if not others:
        return verify(job, requests)
    inside = [request for request in requests if request not in others]
    world = live_world(job.workspace, job.seed)
    live = replace(job, world=world, examples=0, profile=profile, results=Results() if inside else job.results)
    if inside:
        verify(job, inside)
    if not job.results.interrupted:
        verify(live, [replace(request, profile=profile) for request in others])
    if inside:
        _add(job.results, live.results)
    return job.results


def _add(results: Results, more: Results) -> None:
    results.clients += more.clients
    results.cases += more.cases
    results.errors += more.errors
    results.interrupted = results.interrupted or more.interrupted
    results.planned += more.planned
    results.noise_ms = more.noise_ms
    results.duration_s = round(results.duration_s + more.duration_s, 3)
