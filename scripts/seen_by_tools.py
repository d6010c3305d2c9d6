"""The tools that ``scripts/seen_by`` meets faults with: what each makes of one, in a few words."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import json
import os
import re
import shutil
import ssl
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import httpx
from seen_by_forms import PATIENCE

__all__ = ["Curl", "Httpx", "Node", "Openssl", "Target", "Tool", "chromium", "scratch"]

PAUSE = 0.5
"""Seconds between two requests of one client."""

MEET = Path(__file__).with_name("seen_by.js").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Target:
    """What is asked for, and by what is judged whether it was slow."""

    url: str
    method: str
    headers: dict[str, str]
    body: str | None
    padding: int
    times: int
    slow: float
    authority: str

    @property
    def whole_body(self) -> str | None:
        """The body; blanks behind JSON are JSON."""
        return None if self.body is None else self.body + " " * self.padding


class Tool(Protocol):
    """A tool: its name, the version that is at hand (None where it is missing), and how it meets a fault."""

    name: str
    version: str | None

    def meet(self, target: Target, options: Any) -> list[str]:
        """Return what it makes of each request."""
        ...


def _version(*words: str) -> str | None:
    if shutil.which(words[0]) is None:
        return None
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return done.stdout.partition("\n")[0].strip() if done.returncode == 0 else None


def _short(text: str | None) -> str | None:
    found = re.search(r"\d+(?:\.\d+)+", text or "")
    return found[0] if found else text


def _slowly(target: Target, took: float) -> str:
    return ", slowly" if target.slow and took >= target.slow else ""


class Curl:
    """curl: its exit code, and the status where that is no success."""

    name = "curl"

    def __init__(self, folder: Path) -> None:
        self.version = _short(_version("curl", "--version"))
        self._folder = folder

    def meet(self, target: Target, options: Any) -> list[str]:
        """Return the exit code of each transfer of one command."""
        form = "%{exitcode} %{http_code} %{size_download} %{time_total}\n"
        words = ["curl", "--silent", "--noproxy", "*", "--cacert", str(self._folder / "ca.pem"), "--write-out", form]
        words += [word for name, value in target.headers.items() for word in ("--header", f"{name}: {value}")]
        if target.whole_body is not None:
            words += ["--request", target.method, "--data-binary", "@-"]
        if target.times > 1:
            words += ["--rate", f"{round(60 / PAUSE)}/m"]
        words += [*options, *(word for _ in range(target.times) for word in ("--output", os.devnull, target.url))]
        try:
            done = subprocess.run(
                words, input=target.whole_body or "", capture_output=True, text=True, timeout=PATIENCE, check=False
            )
        except subprocess.TimeoutExpired:
            return ["pending"]
        return [self._outcome(target, line.split()) for line in done.stdout.splitlines()]

    @staticmethod
    def _outcome(target: Target, words: list[str]) -> str:
        code, status, size, took = int(words[0]), int(words[1]), int(words[2]), float(words[3])
        if code:
            return f"exit {code}"
        about = f" ({status})" if status >= 300 else ""
        return f"exit 0{about}{'' if size else ' without a body'}{_slowly(target, took)}"


class Httpx:
    """httpx: the exception, or the status and what raise_for_status and json make of the response."""

    name = "httpx"

    def __init__(self) -> None:
        self.version: str | None = importlib.metadata.version("httpx")

    def meet(self, target: Target, options: Any) -> list[str]:
        """Return what each request of one client comes to."""
        trusted = ssl.create_default_context(cadata=target.authority)
        found: list[str] = []
        with httpx.Client(**{"verify": trusted, "trust_env": False, **options}) as client:
            for turn in range(target.times):
                if turn:
                    threading.Event().wait(PAUSE)
                start = time.monotonic()
                try:
                    response = client.request(
                        target.method, target.url, headers=target.headers, content=target.whole_body
                    )
                except httpx.HTTPError as error:
                    found.append(type(error).__name__)
                    continue
                found.append(self._outcome(response) + _slowly(target, time.monotonic() - start))
        return found

    @staticmethod
    def _outcome(response: httpx.Response) -> str:
        try:
            response.raise_for_status()
            response.json()
        except httpx.HTTPStatusError:
            return f"{response.status_code}, HTTPStatusError from raise_for_status"
        except (ValueError, RecursionError) as error:
            return f"{response.status_code}, {type(error).__name__} from json"
        return str(response.status_code)


def _spec(target: Target, options: Any) -> dict[str, Any]:
    """Return what ``meet`` of seen_by.js is told."""
    return {
        "url": target.url,
        "method": target.method,
        "headers": target.headers,
        "body": target.body,
        "padding": target.padding,
        "times": target.times,
        "pause": PAUSE * 1000,
        "patience": PATIENCE * 1000,
        "signal": dict(options).get("signal", 0),
    }


def _fetched(target: Target, found: dict[str, Any], code: str | None) -> str:
    if found.get("pending"):
        return "pending"
    if "error" in found:
        return found["error"] if found["error"] == "TimeoutError" or not code else code
    trouble = "" if found["ok"] else ", ok = false"
    if found["ok"] and found["json"]:
        trouble = f", {found['json']} from json"
    elif found["replaced"]:
        trouble += ", with replacement characters"
    return f"{found['status']}{trouble}{_slowly(target, found['took'] / 1000)}"


class Node:
    """Node's fetch: the code of the error's cause, or the status and what json makes of the response."""

    name = "node"

    def __init__(self, folder: Path) -> None:
        self.version = _short(_version("node", "--version"))
        self._folder = folder

    def meet(self, target: Target, options: Any) -> list[str]:
        """Return what each fetch of one process comes to."""
        run = "meet(JSON.parse(process.argv[1])).then((all) => { console.log(JSON.stringify(all)); process.exit(); })"
        spec = json.dumps(_spec(target, options))
        environment = {**os.environ, "NODE_EXTRA_CA_CERTS": str(self._folder / "ca.pem")}
        done = subprocess.run(
            ["node", "--eval", f"{MEET}\n{run}", spec], capture_output=True, text=True, env=environment, check=True
        )
        return [_fetched(target, found, found.get("cause")) for found in json.loads(done.stdout)]


class Openssl:
    """``openssl s_client``: what it finds wrong with the certificate, or the alert that it is given."""

    name = "openssl"

    def __init__(self, folder: Path) -> None:
        self.version = _short(_version("openssl", "version"))
        self._folder = folder

    def meet(self, target: Target, options: Any) -> list[str]:
        """Return the verify return code, and its words."""
        url = httpx.URL(target.url)
        words = ["openssl", "s_client", "-connect", f"{url.host}:{url.port}", "-verify_ip", url.host]
        words += ["-CAfile", str(self._folder / "ca.pem")]
        done = subprocess.run(words, input="", capture_output=True, text=True, timeout=PATIENCE, check=False)
        alert = re.search(r"alert ([a-z ]+):.*SSL alert number (\d+)", done.stdout + done.stderr)
        if alert:
            return [f"alert {alert[2]} ({alert[1]})"]
        codes = re.findall(r"Verify return code: (\d+ \(.*\))", done.stdout)
        return [codes[0] if codes else f"exit {done.returncode}"]


class Chromium:
    """Headless Chromium: the net error of a fetch that fails, or the status and what json makes of the response."""

    name = "chromium"

    def __init__(self, program: str, folder: Path, page: str) -> None:
        home = folder / "home"
        store = home / ".pki" / "nssdb"
        store.mkdir(parents=True)
        certutil = ("certutil", "-d", f"sql:{store}")
        subprocess.run([*certutil, "-N", "--empty-password"], check=True)
        trust = ("-t", "C,,", "-n", "sadpath", "-i", str(folder / "ca.pem"))
        subprocess.run([*certutil, "-A", *trust], check=True)
        environment = {**os.environ, "HOME": str(home)}
        self._driver = importlib.import_module("playwright.sync_api").sync_playwright().start()
        self._browser = self._driver.chromium.launch(executable_path=program, env=environment)
        self._page = page
        self.version: str | None = self._browser.version

    def meet(self, target: Target, options: Any) -> list[str]:
        """Return what each fetch of one page comes to; every call has a context, and so connections, of its own."""
        context = self._browser.new_context()
        try:
            page = context.new_page()
            page.goto(self._page)
            errors: list[str] = []
            page.on("requestfailed", lambda request: errors.append(request.failure))
            found = []
            for turn, one in enumerate(page.evaluate(MEET + "\nmeet", _spec(target, options))):
                code = errors[min(turn, len(errors) - 1)] if errors else None
                found.append(_fetched(target, one, code))
            return found
        finally:
            context.close()

    def close(self) -> None:
        """End the browser."""
        self._browser.close()
        self._driver.stop()


def chromium(folder: Path, page: str) -> tuple[Chromium | None, str]:
    """Return the browser where all that it takes is at hand, else None and what is missing."""
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        return None, "there is no chromium"
    if shutil.which("certutil") is None:
        return None, "there is no certutil, without which it cannot be told whom to trust"
    if importlib.util.find_spec("playwright") is None:
        return None, "there is no Playwright for Python"
    return Chromium(program, folder, page), ""


def scratch() -> tempfile.TemporaryDirectory[str]:
    """Return a folder for certificates and profiles, for a ``with`` block."""
    return tempfile.TemporaryDirectory(prefix="seen-by-", ignore_cleanup_errors=True)
