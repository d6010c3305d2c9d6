"""Published libraries as they come, each with as little around it as its own documentation shows.

One stack a file; its contract in ``contracts/clients/`` states what the library documents, with the source. What they
share, how an operation of the reference API becomes a request and an answer an outcome, is in ``plain``. The libraries
are in the optional extra ``stacks``.
"""

from __future__ import annotations
