"""Twins of the careful client, with one defect each."""

from __future__ import annotations

from typing import Any

import httpx

from .reader import PASS, RENEWAL, Asked, Failed, Reader

__all__ = ["TWINS"]


class EachRenews(Reader):
    """Every call renews the pass for itself."""

    async def renew(self) -> None:
        """Do not look whether somebody else is at it."""
        await self.renew_once()


class KeepsTheOldRenewal(Reader):
    """The new pass is kept, the renewal that came with it is not."""

    async def renew_once(self) -> None:
        """Put the old renewal back into the jar."""
        old = [cookie for cookie in self.http.cookies.jar if cookie.name == RENEWAL]
        await super().renew_once()
        for cookie in old:
            self.http.cookies.jar.set_cookie(cookie)


class StaysSignedIn(Reader):
    """A renewal that is refused for good changes nothing."""

    def sign_out(self) -> None:
        """Go on."""


class LogsOutWhenBusy(Reader):
    """A renewal that failed, for whatever reason, ends the session."""

    async def renew_once(self) -> None:
        """Sign out on any failure."""
        try:
            await super().renew_once()
        except Failed:
            self.sign_out()
            raise


class RenewsForEver(Reader):
    """Each 401 is answered with another renewal."""

    async def signed(self, asked: Asked) -> httpx.Response:
        """Forget that there was one before; four times, so that it ends."""
        answer = await super().signed(asked)
        while answer.status_code == 401 and asked.attempts < 8:
            asked.renewed = False
            answer = await super().signed(asked)
        return answer


class NewKeyEachTime(Reader):
    """Each attempt has a key of its own."""

    async def send(self, asked: Asked) -> httpx.Response:
        """Make another key."""
        asked.key = self.new_key() if asked.key is not None else None
        return await super().send(asked)


class TakesBusyForConflict(Reader):
    """A loan under way is a conflict like any other."""

    def in_progress(self, answer: httpx.Response, asked: Asked) -> bool:
        """Know no such answer."""
        return False


class ReadsOnePage(Reader):
    """The first page is taken for all."""

    def goes_on(self, offset: int, total: int, found: list[Any]) -> bool:
        """Stop."""
        return False


class StopsAtTheSecondPage(Reader):
    """A walk ends after two pages."""

    def goes_on(self, offset: int, total: int, found: list[Any]) -> bool:
        """Look at nothing but how many there are so far."""
        return offset < 10


class LosesEarlierPages(Reader):
    """What was read is gone when a later page fails."""

    def so_far(self, items: list[Any]) -> list[Any]:
        """Return nothing."""
        return []


class ShowsItsPassToAll(Reader):
    """The pass goes wherever a request goes."""

    async def send(self, asked: Asked) -> httpx.Response:
        """Put the pass into the jar for the place that is asked."""
        if "://" in asked.path:
            self.http.cookies.set(PASS, next(cookie.value or "" for cookie in self.http.cookies.jar))
        return await super().send(asked)


class ComesTooEarly(Reader):
    """Nobody reads Retry-After."""

    def pause(self, wait: float, told: float | None) -> float:
        """Wait as usual."""
        return wait


class BelievesTheBody(Reader):
    """What the body says of the status counts."""

    def failed(self, answer: httpx.Response) -> Failed:
        """Read the code, and take an error without one that is known for a bug."""
        return super().failed(answer) if self.code(answer) != "ok" else Failed("bug", answer.status_code)


class OneShelfForAll(Reader):
    """What was shown to one reader is shown to the next."""

    def slot(self, asked: Asked) -> str:
        """Go by the path alone."""
        return asked.path

    def forget(self) -> None:
        """Keep everything."""


class TakesAnythingForAPass(Reader):
    """A renewal that sets no pass is taken for one."""

    async def renew_once(self) -> None:
        """Send the text `None` for a pass from then on."""
        answer = await self.exchange("POST", "/v2/sessions/renewal", {}, {}, None)
        for cookie in self.http.cookies.jar:
            if cookie.name == PASS:
                cookie.value = str(answer.cookies.get(PASS))
        self._passes += 1


TWINS: dict[str, tuple[type[Reader], str, str]] = {
    "each-renews": (EachRenews, "AUTH-01", "session/two-at-once"),
    "keeps-the-old-renewal": (KeepsTheOldRenewal, "AUTH-08", "session/renewed-twice"),
    "stays-signed-in": (StaysSignedIn, "AUTH-07", "session/renewal-refused*"),
    "logs-out-when-busy": (LogsOutWhenBusy, "AUTH-07", "session/renewal-busy"),
    "renews-for-ever": (RenewsForEver, "AUTH-03", "session/refused-twice"),
    "takes-anything-for-a-pass": (TakesAnythingForAPass, "AUTH-14", "session/nonsense-for-passes"),
    "shows-its-pass-to-all": (ShowsItsPassToAll, "AUTH-15", "session/elsewhere"),
    "new-key-each-time": (NewKeyEachTime, "IDEM-01", "loans/lent-once"),
    "takes-busy-for-conflict": (TakesBusyForConflict, "IDEM-03", "loans/still-being-lent"),
    "reads-one-page": (ReadsOnePage, "PAGE-01", "pages/all-of-them"),
    "stops-at-the-second-page": (StopsAtTheSecondPage, "PAGE-01", "pages/all-of-them"),
    "loses-earlier-pages": (LosesEarlierPages, "PAGE-04", "pages/the-second-fails"),
    "comes-too-early": (ComesTooEarly, "RETRY-07", "busy/told-to-wait"),
    "believes-the-body": (BelievesTheBody, "ERROR-04", "errors/of-another-server"),
    "one-shelf-for-all": (OneShelfForAll, "CACHE-10", "kept/another-reader"),
}
"""Each twin, with the clause that must catch it, and in which scenarios."""
