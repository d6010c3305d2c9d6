"""Look for inputs that break what reads them.

    scripts/fuzz                            every target for a minute
    scripts/fuzz --seconds 600 scenario     one of them for ten
    scripts/fuzz --again scenario FILE      an input that was found, once more

The targets are those of ``tests/fuzz``: each takes bytes and complains of anything but a clear refusal or a faithful
reading. What is worth going on from is kept in ``.sadpath/fuzz/TARGET``, so that a later run begins where this one
ended. An input that was found is written beside it, and the run exits with 1.
"""

from __future__ import annotations

import argparse
import importlib
import os
import re
import subprocess
import sys
import time
import traceback
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

PATIENCE = 20
"""Seconds that one input may take: then it is found as one that hangs."""

MEMORY = 4096
"""MiB that a target's process may grow to."""

LONGEST = 8192
"""Bytes of an input."""

INSTRUMENTED = ["sadpath", "ruamel.yaml", "uvicorn", "email"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Fuzz, print what came of it, and return the exit code."""
    options = _options().parse_args(arguments)
    if options.inside:
        return _fuzz(options.inside, options.rest)
    from tests.fuzz.targets import TARGETS  # noqa: PLC0415 - a fuzzing process has to instrument it first

    if options.again:
        name, path = options.again
        return _again(TARGETS[name], Path(path))
    names = options.targets or list(TARGETS)
    for name in names:
        if name not in TARGETS:
            print(f"scripts/fuzz: there is no target {name!r}; there are {', '.join(TARGETS)}", file=sys.stderr)
            return 2
    found = [path for name in names if (path := _search(TARGETS[name], options)) is not None]
    print(f"\n{len(found)} found" if found else "\nnothing was found")
    for path in found:
        print(f"  scripts/fuzz --again {path.parent.parent.name} {path.relative_to(ROOT)}")
    return 1 if found else 0


def _options() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("targets", nargs="*", metavar="TARGET", help="default: all of them")
    options.add_argument("--seconds", type=int, default=60, help="how long for each target (default: 60)")
    options.add_argument("--seed", type=int, default=0, help="what inputs are made up from; 0: another one each time")
    options.add_argument("--again", nargs=2, metavar=("TARGET", "FILE"), help="run one input, and say what is wrong")
    options.add_argument("--inside", help=argparse.SUPPRESS)  # the target of a process that fuzzes
    options.add_argument("--rest", nargs=argparse.REMAINDER, default=[], help=argparse.SUPPRESS)
    return options


def _search(target: Any, options: argparse.Namespace) -> Path | None:
    """Fuzz one target in a process of its own; return the file of what was found."""
    home = ROOT / ".sadpath" / "fuzz" / target.name
    corpus, broken = home / "corpus", home / "found"
    for folder in (corpus, broken):
        folder.mkdir(parents=True, exist_ok=True)
    for seed in target.seeds():
        (corpus / f"seed-{blake2b(seed, digest_size=8).hexdigest()}").write_bytes(seed)
    words = home / "words"
    words.write_text("".join(f'"{_escaped(word)}"\n' for word in target.words()))
    before = set(broken.iterdir())
    flags = [
        f"-max_total_time={options.seconds}", f"-timeout={PATIENCE}", f"-rss_limit_mb={MEMORY}", f"-max_len={LONGEST}",
        f"-dict={words}", f"-artifact_prefix={broken}/", f"-seed={options.seed}", "-print_final_stats=1",
    ]  # fmt: skip
    command = [sys.executable, __file__, "--inside", target.name, "--rest", *flags, str(corpus)]
    begun = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False, cwd=ROOT)
    runs = re.search(r"number_of_executed_units: (\d+)", done.stderr)
    count = int(runs[1]) if runs is not None else 0
    seconds = time.perf_counter() - begun
    news = sorted(set(broken.iterdir()) - before)
    reached = re.findall(r"cov: (\d+)", done.stderr)
    print(
        f"{target.name:10} {count:9,} inputs in {seconds:4.0f} s, {len(list(corpus.iterdir())):5} worth keeping, "
        f"{reached[-1] if reached else '?':>6} edges, {'FOUND' if done.returncode else 'nothing'}",
        flush=True,
    )
    if not done.returncode:
        return None
    print(done.stdout[-3000:] + done.stderr[-3000:] if not news else _told(done.stdout + done.stderr), flush=True)
    return news[-1] if news else broken / "lost"


def _escaped(word: bytes) -> str:
    return "".join(chr(byte) if 32 < byte < 127 and byte not in b'"\\' else f"\\x{byte:02x}" for byte in word)


def _told(output: str) -> str:
    """Return the traceback in a fuzzer's output."""
    begin = output.rfind("Uncaught Python exception")
    if begin < 0:
        begin = max(output.rfind("ERROR: libFuzzer"), 0)
    told = re.split(r"\n==|\nERROR: libFuzzer|\nINFO: ", output[begin:])[0]
    return told[:3000].strip("\n =")


def _fuzz(name: str, flags: list[str]) -> int:
    """Fuzz in this process, which ends with it."""
    atheris: Any = importlib.import_module("atheris")  # only a fuzzing process needs it
    with atheris.instrument_imports(include=INSTRUMENTED):
        from tests.fuzz.targets import TARGETS  # noqa: PLC0415 - as above
    atheris.Setup([sys.argv[0], *flags], TARGETS[name].run)
    atheris.Fuzz()
    return 0


def _again(target: Any, path: Path) -> int:
    """Run one input, and tell what comes of it."""
    data = path.read_bytes()
    print(f"{len(data)} bytes: {data[:2000]!r}")
    try:
        target.run(data)
    except Exception:  # noqa: BLE001 - whatever it is, it is what was found
        traceback.print_exc()
        return 1
    print("nothing is wrong with it")
    return 0


if __name__ == "__main__":
    os.environ.setdefault("PYTHONHASHSEED", "0")
    sys.exit(main())
