"""For each known-bad client whose clauses are built, the shortest scenarios in which they catch it.

Each clause that a client names catches it in one of its scenarios, in which no clause fails the reference client.
"""

from __future__ import annotations

from typing import Any

__all__ = ["EXHIBITS", "GET", "met"]

Story = dict[str, Any]

GET: Story = {"users.get": {"id": 1}}
BUY: Story = {"orders.create": {"data": {"items": [{"sku": "TEA-250", "quantity": 1}]}}}
POST: Story = {"http": {"method": "POST", "path": "/orders", "json": BUY["orders.create"]["data"]}}
FIVE: Story = {"parallel": [{"users.get": {"id": number}} for number in range(1, 6)]}
RENAME: Story = {"users.update": {"id": 1, "data": {"user_name": "Countess"}}}


def story(*calls: Story, **rest: Any) -> Story:
    """Return a scenario of these calls."""
    return {"title": "An exhibit", "calls": list(calls), **rest}


def met(fault: Any, *calls: Story, on: Any = "users.get", **rest: Any) -> Story:
    """Return a scenario in which every exchange of a kind meets a fault."""
    return story(*(calls or (GET,)), faults=[{"on": on, "fault": fault}], **rest)


def then(*steps: Any, calls: tuple[Story, ...] = (GET,), on: Any = "users.get", **rest: Any) -> Story:
    """Return a scenario in which the exchanges of a kind meet one step after another."""
    return story(*calls, faults=[{"on": on, "plan": list(steps)}], **rest)


REFUSED_AT_ONCE = story(
    FIVE,
    given={"access_token": "revoked"},
    faults=[{"on": "auth.refresh", "fault": {"delay": "50ms"}}],
)
LOST_ORDER = then({"reset": "response"}, calls=(BUY,), on="orders.create")

REFUSED_LATE = story(
    {"parallel": [GET, {"users.get": {"id": 2}}]},
    faults=[
        {"on": {"path": "/users/1"}, "plan": ["expire_token", "pass"]},
        {
            "on": {"path": "/users/2"},
            "plan": [[{"delay": {"time": "200ms", "at": "response"}}, "unauthorized"], "pass"],
        },
    ],
)

EXHIBITS: dict[str, list[Story]] = {
    "any-2xx-is-success": [
        met("html"),
        story(
            GET,
            GET,
            given={"cache": "fresh"},
            faults=[{"on": "users.get", "plan": [{"html": 200}, {"status": 503}], "then": "last"}],
        ),
    ],
    "bare-replay": [story(BUY, given={"access_token": "revoked"})],
    "blocks-first-attempts": [met({"status": 503}, GET | {"times": 7})],
    "cache-on-any-error": [met({"status": 403}, given={"cache": "fresh"})],
    "caches-a-partial-body": [met({"truncate": 80})],
    "calls-silence-a-failed-connect": [met("stall")],
    "comes-early-past-a-cap": [then({"status": {"code": 503, "retry_after": "6s"}}, "pass")],
    "counts-on-the-client": [
        story(
            {"parallel": [GET, {"users.get": {"id": 2}}]},
            faults=[
                {"on": {"path": f"/users/{number}"}, "plan": [{"status": 503}, {"status": 503}]} for number in (1, 2)
            ],
        ),
    ],
    "drops-the-body-on-retry": [then({"status": 503}, "pass", calls=(RENAME,), on="users.update")],
    "early-refresh-of-its-own": [
        story(
            GET,
            {"advance": "3569.8s"},  # an hour's token is renewed 30 s before its end: in 0.2 s
            {"parallel": [GET, {"users.get": {"id": 2}, "start_after": "300ms"}]},
            faults=[
                {
                    "on": {"path": "/users/1"},
                    "plan": ["pass", ["unauthorized", {"delay": {"time": "350ms", "at": "response"}}]],
                },
                {"on": "auth.refresh", "fault": {"delay": "350ms"}},
            ],
        ),
    ],
    "everything-is-the-network": [met({"status": 403})],
    "fails-on-a-dead-connection": [then("pass", "close", calls=(GET, {"users.get": {"id": 2}}))],
    "falls-back-on-transport-alone": [met({"status": 503}, given={"cache": "fresh"})],
    "hammers-on-zero": [met({"status": {"code": 503, "retry_after": "0s"}})],
    "hangs-on-silence": [met("stall")],
    "http-cache-hands-on-the-304": [story(GET, GET)],
    "http-cache-keyed-by-url": [
        then("expire_token", calls=({"settings.get": {}}, GET, {"settings.get": {}})),
    ],
    "http-cache-never-asks-again": [story(GET, {"advance": "2m"}, GET)],
    "http-cache-reads-max-age-alone": [
        then("no_store", {"status": 503}, {"status": 503}, {"status": 503}, calls=(GET, GET))
    ],
    "ignores-retry-after": [then({"status": {"code": 503, "retry_after": "1s"}}, "pass")],
    "keeps-what-is-gone": [
        met(
            {"status": 404},
            *(GET, {"faults": [{"on": "users.get", "fault": {"status": 503}}]}, GET),
            {"advance": "1s"},  # what is asked after the case does not begin in the instant in which it ends
            given={"cache": "fresh"},
        ),
    ],
    "late-401-refreshes-again": [REFUSED_LATE],
    "leaks-on-cancel": [met("stall", GET | {"cancel_after": "50ms"})],
    "leaks-on-server-error": [met({"status": 500})],
    "lock-without-compare": [REFUSED_AT_ONCE, REFUSED_LATE],
    "logs-out-on-any-refresh-error": [met({"status": 503}, on="auth.refresh", given={"access_token": "revoked"})],
    "loses-patience-early": [met("stall")],
    "message-of-a-list": [met({"status": {"code": 422, "body": {"json": ["name: too long"]}}})],
    "new-key-each-attempt": [LOST_ORDER],
    "no-single-flight": [REFUSED_AT_ONCE],
    "one-key-for-all": [story(BUY, BUY)],
    "reads-no-dates": [then({"status": {"code": 503, "retry_after": {"date": "2s"}}}, "pass")],
    "reads-the-401-first": [then({"unauthorized": {"body": "<html>sign in</html>"}}, "pass")],
    "refresh-flag": [REFUSED_AT_ONCE],
    "refreshes-its-refresh": [
        met("unauthorized", on="auth.refresh", given={"access_token": "revoked"}),
    ],
    "refreshes-on-403": [met({"status": 403}, GET, {"users.get": {"id": 2}})],
    "replays-without-end": [met("unauthorized")],
    "retries-a-failed-retry": [met({"status": 503})],
    "retries-any-method": [
        then({"status": {"code": 503, "committed": True}}, "pass", calls=(POST,), on={"path": "/orders"})
    ],
    "retries-below-the-body": [then({"truncate": 20}, "pass")],
    "retries-every-error": [met({"status": 404})],
    "retries-inside-and-outside": [met({"status": 503})],
    "retries-without-a-key": [LOST_ORDER],
    "sends-for-the-cancelled": [story(GET | {"cancel_after": "0s"}), met("stall", GET | {"cancel_after": "50ms"})],
    "status-lost-with-the-body": [met({"status": {"code": 404, "body": "<html>gone</html>"}})],
    "times-the-whole-body": [met({"dribble": {"chunks": 8, "over": "2s"}})],
    "trusts-the-body-s-status": [met({"status": {"code": 404, "body": {"json": {"status": 422}}}})],
    "waits-out-of-step": [met({"status": 503})],
    "takes-late-answers": [
        story(
            *({"users.get": {"id": number}} for number in (1, 2, 3)),
            faults=[{"on": {"path": "/users/1"}, "plan": [{"delay": "600ms"}, "pass"]}],
        ),
    ],
}
