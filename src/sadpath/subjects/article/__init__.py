"""The article's client stack, as a reader would build it from the text alone.

The article describes a Flutter API layer on Dio: three timeouts, interceptors for logging, token refresh and retry, a
repository over a remote and a local data source, and a result type. This is that design in Python, defects included:
``dio`` stands in for Dio, ``interceptors``, ``results``, ``dtos`` and ``stack`` are the article's own part, ``adapter``
drives it. Where the text leaves something open, what a well-meaning reader would do is done. It is judged by a contract
that extends the reference's, and the report on it shows what each defect costs. Do not take code from here.
"""

from __future__ import annotations

from sadpath.subjects.article.adapter import create

__all__ = ["create"]
