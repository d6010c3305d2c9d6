"""What the control API is sent, as models, and how it says what is wrong with it."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import Field, ValidationError, model_validator

from sadpath.core.errors import FileProblem, FileProblems
from sadpath.core.units import Duration
from sadpath.scenario.filemodel import FileModel, complain, explain, field_path
from sadpath.scenario.loader import read_scenario
from sadpath.scenario.model import Scenario

__all__ = ["BODY", "LONGEST_ADVANCE", "AdvanceClock", "CreateSession", "PutScenario", "inline_scenario", "read"]

BODY = "the request"
"""What stands in place of a file's name where the mistake is in a request's body."""

LONGEST_ADVANCE = 10 * 365 * 86_400.0
"""Seconds; dates far beyond would not fit into HTTP's own."""

Model = TypeVar("Model", bound=FileModel)


class CreateSession(FileModel):
    """``POST /__admin/sessions``."""

    name: str | None = None
    scenario: str | None = None
    seed: int | None = None
    own_port: bool = False
    tls: bool = False
    ttl: Duration | None = None

    @model_validator(mode="after")
    def _tls_needs_a_port(self) -> CreateSession:
        if self.tls and not self.own_port:
            raise complain("only an own port can speak TLS: add `own_port: true`", "tls")
        return self


class PutScenario(FileModel):
    """``PUT /__admin/sessions/{id}/scenario``: a scenario's name, or a whole one."""

    name: str | None = None
    inline: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _one_of(self) -> PutScenario:
        if (self.name is None) == (self.inline is None):
            raise complain("give either `name` or `inline`, one of them")
        return self


class AdvanceClock(FileModel):
    """``POST /__admin/sessions/{id}/clock``: how far to move the session's clock forward."""

    advance: Duration = Field(le=LONGEST_ADVANCE)


def read(model: type[Model], data: Any) -> Model:
    """Return a request's body as a model.

    Raises:
        FileProblems: with everything that the model has against it; the file's name is ``BODY``.
    """
    if not isinstance(data, dict):
        raise FileProblems([FileProblem(BODY, "the body must be a JSON object")])
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise FileProblems(
            FileProblem(BODY, trouble.message, None, field_path(trouble.place), trouble.nearest)
            for trouble in explain(error, data, model)
        ) from error


def inline_scenario(data: Any) -> Scenario:
    """Return the scenario that a request's body holds under ``inline``.

    Raises:
        FileProblems: with everything that is wrong with it; fields are given as the scenario has them.
    """
    return read_scenario(data, BODY)
