"""Meet every fault of the catalogue with tools that know nothing of sadpath, and write down what each makes of it.

    scripts/seen_by                 writes docs/reference/seen-by.md, and says which faults' own words differ
    scripts/seen_by reset stall     prints what these faults look like, and writes nothing
    scripts/seen_by --update        also changes the words (``seen_by``) of faults that differ

The tools: curl, httpx, headless Chromium, Node's fetch, and, for certificates, ``openssl s_client``. One that is not at
hand is named as missing, and the page says that it was not asked. Exits with 1 where a fault's words differ from what
was seen, and with 2 where a tool does not even see an answer without a fault, or a fault that was met has not fired.
"""

from __future__ import annotations

import argparse
import inspect
import re
import sys
import textwrap
import threading
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx
from docs_facts import ROOT, paragraph, table
from seen_by_chunks import InChunks
from seen_by_forms import BASELINE, BIG, FORMS, PATIENCE, REQUESTS, Form, Variant
from seen_by_tools import Chromium, Curl, Httpx, Node, Openssl, Target, Tool, chromium, scratch

from sadpath.cli import _catalogue
from sadpath.control import Control, SessionInfo
from sadpath.scenario.vocabulary import FAULTS
from sadpath.server.runner import LiveServer
from sadpath.server.thread import LiveServerThread
from sadpath.workspace import Workspace

PAGE = ROOT / "docs" / "reference" / "seen-by.md"
COLUMNS = {"curl": "curl", "httpx": "httpx", "chromium": "browser"}
"""The tools that a fault's own words are about, and what they are called there."""

SHOWN = {
    "curl": "curl",
    "httpx": "httpx",
    "chromium": "Chromium",
    "node": "Node's fetch",
    "openssl": "openssl s_client",
}
WORKERS = 3
NOWHERE = "http://nothing.invalid"
"""A name that nobody has (RFC 6761 §6.4): what ``dns_fail`` looks like on a real machine."""


class NotSeen(Exception):
    """What was to be measured could not be: a tool sees no answer without a fault, or a fault did not fire."""


@dataclass
class Bench:
    """The server, another one whose answers come in chunks, and the tools that are at hand or missing."""

    url: str
    chunked: str
    authority: str
    tools: list[Tool] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)

    def meet(self, tool: Tool, form: Form, options: Any) -> str:
        """Return what a tool makes of a fault in a session of its own, which ends with it."""
        if form.door == "name":
            return ", then ".join(tool.meet(self._target(form, NOWHERE, {}), options))
        if form.door == "http2" and tool.name == "httpx":
            options = {**options, "http2": True}
        in_session = form.door in ("session", "chunks")
        own = {"own_port": not in_session, "tls": form.door in ("tls", "http2")}
        where = self.chunked if form.door == "chunks" else self.url
        with Control(where) as control, control.session(**own) as session:
            target = self._target(form, session.base_url, _tokens(session) if in_session else {})
            if form.fault is not None:
                on = REQUESTS[form.request].operation if in_session or form.door == "http2" else "connection"
                rules = [{"on": on, "fault": form.fault}]
                control.set_scenario(session.id, {"title": "Seen by", "faults": rules})
            found = tool.meet(target, options)
            self._fired(control, session, tool, form)
            return _told(found, control.journal(session.id), again=form.again)

    def _target(self, form: Form, base_url: str, filled: Mapping[str, str]) -> Target:
        request = REQUESTS[form.request]
        headers = {"Accept": "application/json"}
        if request.signed and filled:
            headers["Authorization"] = f"Bearer {filled['access']}"
        body = request.body
        if body is not None:
            headers["Content-Type"] = "application/json"
            for name, value in filled.items():
                body = body.replace(f"{{{name}}}", value)
        padding, times = BIG if form.big else 0, 2 if form.again else 1
        url = base_url + request.path
        return Target(url, request.method, headers, body, padding, times, form.slow, self.authority)

    @staticmethod
    def _fired(control: Control, session: SessionInfo, tool: Tool, form: Form) -> None:
        """Wait until the journal says that the fault took effect; connects that nobody takes are in no journal."""
        if form.fault is None or getattr(FAULTS.get(_name(form.fault))[0], "bars", None):
            return
        for _ in range(100):
            for event in control.journal(session.id)["events"]:
                fired = event["fault"]["fired"] if event["event"] == "exchange" else [{"name": event["fault"]}]
                if any(item["name"] == _name(form.fault) for item in fired):
                    return
            threading.Event().wait(0.05)
        raise NotSeen(f"{form.fault} has not fired for {tool.name}")


def _name(fault: Any) -> str:
    return fault if isinstance(fault, str) else next(iter(fault))


def _tokens(session: SessionInfo) -> dict[str, str]:
    """Return what requests are filled in with, of a login of the session's user."""
    with httpx.Client(trust_env=False) as client:
        answer = client.post(f"{session.base_url}/auth/login", json=dict(session.login)).raise_for_status().json()
    return {**session.login, "access": answer["access_token"], "refresh": answer["refresh_token"]}


def _told(found: list[str], journal: Mapping[str, Any], *, again: bool) -> str:
    """Return outcomes of the requests of one client as one, with what the journal knows better."""
    text = found[0] if len(set(found)) == 1 else ", then ".join(found)
    asked = [event for event in journal["events"] if event["event"] == "exchange" and event["role"] != "login"]
    if again and len(asked) == 1 and text.startswith("200"):
        return f"{text}, the second time out of the cache"
    if again and len({event["connection"] for event in asked}) > 1:
        return f"{text}, the second time on a new connection"
    return text


# What is seen


Seen = dict[tuple[int, str], str]
"""What one tool makes of the forms of one fault, by the form's number and the variant's label."""


def measure(bench: Bench, names: Sequence[str]) -> dict[str, dict[str, str]]:
    """Return for each fault and tool what is seen, in a few words."""
    jobs = []
    for name in names:
        for number, form in enumerate(FORMS[name]):
            for tool in bench.tools:
                if tool.name == "openssl" and form.fault not in _of_tls():
                    continue
                if tool.name == "node" and form.door == "http2":
                    continue
                plain = [Variant("", tool.name, {} if tool.name != "curl" else ())]
                for variant in [*plain, *(item for item in form.variants if item.tool == tool.name)]:
                    jobs.append((name, tool, number, form, variant))  # noqa: PERF401 - three loops are read more easily
    seen: dict[tuple[str, str], Seen] = {}
    with ThreadPoolExecutor(WORKERS) as pool:
        pending = []
        for name, tool, number, form, variant in jobs:
            run = partial(_several, bench, tool, form, variant)
            if tool.name != "chromium":
                pending.append((name, tool, number, variant, pool.submit(run)))
        for name, tool, number, form, variant in jobs:  # Playwright lives in the thread that has started it
            if tool.name == "chromium":
                seen.setdefault((name, tool.name), {})[number, variant.label] = _several(bench, tool, form, variant)
        for name, tool, number, variant, outcome in pending:
            seen.setdefault((name, tool.name), {})[number, variant.label] = outcome.result()
    return {
        name: {tool.name: _cell(tool, FORMS[name], seen.get((name, tool.name), {})) for tool in bench.tools}
        for name in names
    }


def _cell(tool: Tool, forms: Sequence[Form], seen: Seen) -> str:
    return "speaks HTTP/1.1 alone" if tool.name == "node" and forms[0].door == "http2" else _words(forms, seen)


def _of_tls() -> list[str]:
    return [kind.name for kind in FAULTS if getattr(kind, "secure", False)]


def _several(bench: Bench, tool: Tool, form: Form, variant: Variant) -> str:
    return " or ".join(sorted({_patiently(bench, tool, form, variant) for _ in range(form.runs)}))


def _patiently(bench: Bench, tool: Tool, form: Form, variant: Variant) -> str:
    try:
        return bench.meet(tool, form, variant.options)
    except NotSeen:  # on a busy machine a hasty client may leave before the fault has its turn
        return bench.meet(tool, form, variant.options)


def _words(forms: Sequence[Form], seen: Seen) -> str:
    """Return what is seen of all forms: first of the plain one, then of those that differ from it."""
    first = seen.get((0, ""), "")
    others: dict[str, list[str]] = {}
    for number, form in enumerate(forms):
        for (at, variant), outcome in seen.items():
            if at != number or (number, variant) == (0, ""):
                continue
            like = seen.get((0, variant), seen[number, ""]) if number else first
            if outcome != like:
                others.setdefault(outcome, []).append(" ".join(filter(None, (form.label, variant))))
    return "; ".join([first, *(f"{outcome} {' and '.join(labels)}" for outcome, labels in others.items())])


def baseline(bench: Bench) -> None:
    """Check that every tool sees an answer where there is no fault.

    Raises:
        NotSeen: if one does not.
    """
    for tool in bench.tools:
        for form in BASELINE:
            if (tool.name == "openssl" and form.door != "tls") or (tool.name == "node" and form.door == "http2"):
                continue
            found = bench.meet(tool, form, () if tool.name == "curl" else {})
            if found not in ("200", "201", "exit 0", "0 (ok)"):
                raise NotSeen(f"{tool.name} sees {found} in {form.request} ({form.door}) without any fault")


# What is written


def page(bench: Bench, seen: Mapping[str, Mapping[str, str]]) -> str:
    """Return the page."""
    lines = ["# What faults look like from outside", "", "<!-- Made by scripts/seen_by; changes by hand are lost. -->"]
    lines += ["", *paragraph(INTRO)]
    versions = {tool.name: str(tool.version) for tool in bench.tools} | {
        name: f"not asked: {why}" for name, why in bench.missing.items()
    }
    lines += table(["tool", "version"], [(SHOWN[name], versions[name]) for name in SHOWN])
    tools = [name for name in SHOWN if name != "openssl"]
    rows = [
        (f"[`{name}`](faults.md#{name})", *(cells.get(tool, "not asked") for tool in tools))
        for name, cells in seen.items()
    ]
    lines += ["## Faults", "", *paragraph(READING)]
    lines += table(["fault", *(SHOWN[tool] for tool in tools)], rows)
    lines += ["## Certificates", "", *paragraph(CERTIFICATES)]
    rows = [(f"`{name}`", seen[name].get("openssl", "not asked")) for name in seen if name in _of_tls()]
    lines += table(["fault", SHOWN["openssl"]], rows)
    lines += ["## As they were met", "", *paragraph(MET)]
    return "\n".join([*lines, *table(["fault", "as written", "request"], _met(seen))][:-1]) + "\n"


INTRO = """Every fault of the catalogue, met by programs that know nothing of sadpath: each in a session of the
reference API that meets nothing else, by a client that is started for it, and only counted where the journal says that
the fault has fired. `scripts/seen_by` makes this page; what it says of curl, httpx and the browser is what
`sadpath show` says of a fault."""

READING = f"""curl: the exit code, and in brackets a status that is no success. httpx: the exception, or the status and
what `raise_for_status` and `json` do. Chromium: the net error of a `fetch` from a page, or the status. Node's fetch:
the code of the error's cause, or the status. *Pending*: nothing within {PATIENCE:g} seconds. Tools are used as they
come, with their own time-outs; what is seen of another form of the fault, or with an option, follows where it differs.
Where a tool does not end in the same way each time, the ways are joined by *or*."""

CERTIFICATES = """The verify return code, told the session's certificate authority and the address that is meant; or
the alert."""

MET = f"""`dns_fail` exists in the simulated world alone; seen is a name below `.invalid`, which nobody has. A body
that is longer than the buffers has {BIG // 2**20} MiB. A session with a port of its own is asked without a token."""


def _met(seen: Iterable[str]) -> Iterable[tuple[str, str, str]]:
    for name in seen:
        for form in FORMS[name]:
            request = REQUESTS[form.request]
            label = f"{name} {form.label}".strip()
            door = {
                "tls": ", over TLS",
                "own": "",
                "session": "",
                "name": " of a name that nobody has",
                "chunks": ", answered in chunks",
            }.get(form.door, ", over HTTP/2")
            twice = ", twice" if form.again else ""
            yield label, f"`{_written(form.fault)}`", f"`{request.method} {request.path}`{door}{twice}"


def _written(fault: Any) -> str:
    """Return a fault as a scenario has it, in one line."""
    if not isinstance(fault, dict):
        return str(fault).lower() if isinstance(fault, bool) else str(fault)
    return ", ".join(f"{key}: {_inner(value)}" for key, value in fault.items())


def _inner(value: Any) -> str:
    return f"{{{_written(value)}}}" if isinstance(value, dict) else _written(value)


def differences(seen: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str]]:
    """Return the faults whose own words differ from what was seen, with the words that are due."""
    found: dict[str, dict[str, str]] = {}
    for name, cells in seen.items():
        now = FAULTS.get(name)[0].seen_by
        due = {**now, **{COLUMNS[tool]: cell for tool, cell in cells.items() if tool in COLUMNS}}
        if due != now:
            found[name] = due
            for column, text in due.items():
                if text != now[column]:
                    print(f"{name}, {column}: it says {now[column]!r}; seen was {text!r}")
    return found


def update(due: Mapping[str, Mapping[str, str]]) -> None:
    """Change the words in the faults' modules."""
    for name, words in due.items():
        path = Path(inspect.getfile(FAULTS.get(name)[0]))
        entries = "".join(_entry(column, text) for column, text in words.items())
        text, count = re.subn(
            r"(    seen_by: ClassVar\[dict\[str, str\]\] = \{\n).*?(    \}\n)",
            lambda match, entries=entries: match[1] + entries + match[2],
            path.read_text(encoding="utf-8"),
            count=1,
            flags=re.DOTALL,
        )
        if not count:
            raise NotSeen(f"{path} has no seen_by to change")
        path.write_text(text, encoding="utf-8")


def _entry(column: str, text: str) -> str:
    line = f'        "{column}": "{text}",\n'
    if len(line) <= 121:
        return line
    pieces = textwrap.wrap(text, 106, drop_whitespace=False, break_long_words=False)
    return f'        "{column}": (\n' + "".join(f'            "{piece}"\n' for piece in pieces) + "        ),\n"


def main(words: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description="Meet every fault with independent tools.")
    parser.add_argument("faults", nargs="*", metavar="FAULT", help="these alone are met, and printed; default: all")
    parser.add_argument("--update", action="store_true", help="change the words of faults that differ")
    options = parser.parse_args(words)
    known = [entry.name for entry in _catalogue.faults()]
    for name in sorted({*options.faults, *FORMS, *known} - (set(FORMS) & set(known))):
        parser.error(f"{name} is no fault, or scripts/seen_by_forms.py does not say in which form to meet it")
    names = options.faults or known
    workspace = Workspace(ROOT)
    server = LiveServer(workspace, http2=True)
    other = LiveServer(workspace, backend=InChunks(workspace.backend()))
    with (
        LiveServerThread(server) as thread,
        LiveServerThread(other) as chunked,
        scratch() as folder,
        Control(thread.base_url) as control,
    ):
        authority = control.authority()
        Path(folder, "ca.pem").write_text(authority, encoding="utf-8")
        bench = Bench(thread.base_url, chunked.base_url, authority)
        browser = _gather(bench, Path(folder))
        try:
            return _run(bench, names, options)
        except NotSeen as error:
            print(f"scripts/seen_by: {error}", file=sys.stderr)
            return 2
        finally:
            if browser is not None:
                browser.close()


def _gather(bench: Bench, folder: Path) -> Chromium | None:
    """Find out which tools are at hand, and return the browser, which is to be closed."""
    for tool in (Curl(folder), Httpx(), Node(folder), Openssl(folder)):
        if tool.version is None:
            bench.missing[tool.name] = f"there is no {tool.name}"
        else:
            bench.tools.append(tool)
    browser, why = chromium(folder, f"{bench.url}/__admin/version")
    if browser is None:
        bench.missing["chromium"] = why
    else:
        bench.tools.append(browser)
    for name, reason in bench.missing.items():
        print(f"{SHOWN[name]} is not asked: {reason}")
    return browser


def _run(bench: Bench, names: Sequence[str], options: argparse.Namespace) -> int:
    baseline(bench)
    seen = measure(bench, names)
    if options.faults:
        for name, cells in seen.items():
            print(name, *(f"  {tool:9} {text}" for tool, text in cells.items() if text), sep="\n")
    else:
        PAGE.write_text(page(bench, seen), encoding="utf-8")
    due = differences(seen)
    if options.update:
        update(due)
    return int(bool(due) and not options.update)


if __name__ == "__main__":
    sys.exit(main())
