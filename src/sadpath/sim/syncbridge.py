"""Sync clients on the simulated network: blocking sockets whose waits let the loop run.

During a run ``socket.create_connection`` and urllib3's own variant return a `BridgeSocket` to the run's threads, so
`requests`, urllib3, ``http.client``, ``urllib.request`` and the sync halves of httpx work unmodified; TLS goes through
the same certificates and contexts. Code that makes sockets with ``socket.socket`` itself is not bridged.
"""

from __future__ import annotations

import errno
import socket
import ssl
import sys
from collections.abc import Callable
from typing import Any, TypeVar

from sadpath.sim.cothread import wait_blocking
from sadpath.sim.loop import SimLoop
from sadpath.sim.patching import Patches
from sadpath.sim.sockets import os_error
from sadpath.sim.tcp import SimSocket

__all__ = ["Bridge", "BridgeSocket", "TlsBridgeSocket"]

T = TypeVar("T")
_RECORD = 16_384
_real_create_connection = socket.create_connection
_real_getaddrinfo = socket.getaddrinfo
_real_wrap_socket = ssl.SSLContext.wrap_socket
_real_urllib3_create_connection: Any = None
_UNSET = object()


class BridgeSocket:
    """A blocking socket over a simulated one; waits take virtual time only."""

    makefile = socket.socket.makefile

    def __init__(self, loop: SimLoop, sock: SimSocket, timeout: float | None) -> None:
        self.loop = loop
        self.simulated = sock
        self._timeout = timeout
        self._io_refs = 0
        self._closed = False

    @property
    def family(self) -> socket.AddressFamily:
        """The address family."""
        return self.simulated.family

    @property
    def type(self) -> socket.SocketKind:
        """Always a stream."""
        return socket.SOCK_STREAM

    @property
    def proto(self) -> int:
        """Always TCP."""
        return socket.IPPROTO_TCP

    @property
    def timeout(self) -> float | None:
        """The timeout in seconds; None waits for ever, 0 never waits."""
        return self._timeout

    def settimeout(self, value: float | None) -> None:
        """Set how long a call may wait."""
        self._timeout = value

    def gettimeout(self) -> float | None:
        """Return how long a call may wait."""
        return self._timeout

    def setblocking(self, flag: bool) -> None:
        """Wait for ever, or never."""
        self._timeout = None if flag else 0.0

    def fileno(self) -> int:
        """Return a descriptor for `select`, as `SocketView.fileno` does."""
        return self.simulated.probe()

    def getsockname(self) -> tuple[Any, ...]:
        """Return the local address."""
        return self.simulated.getsockname()

    def getpeername(self) -> tuple[Any, ...]:
        """Return the other side's address."""
        return self.simulated.getpeername()

    def setsockopt(self, level: int, option: int, value: int | bytes | None = None, length: int = 0) -> None:
        """Set an option."""
        self.simulated.setsockopt(level, option, value, length)

    def getsockopt(self, level: int, option: int, length: int = 0) -> int | bytes:
        """Return an option."""
        return self.simulated.getsockopt(level, option, length)

    def recv(self, size: int, flags: int = 0) -> bytes:
        """Return up to ``size`` bytes, b"" at the end.

        Raises:
            TimeoutError: after the timeout.
            OSError: as `SimSocket.recv`.
        """
        return self._retry(lambda: self.simulated.recv(size, flags), self.loop.add_reader, self.loop.remove_reader)

    def recv_into(self, buffer: Any, size: int = 0, flags: int = 0) -> int:
        """Read into ``buffer``, as `recv`."""
        with memoryview(buffer) as raw, raw.cast("B") as view:
            data = self.recv(min(size, len(view)) if size else len(view), flags)
            view[: len(data)] = data
        return len(data)

    def send(self, data: Any, flags: int = 0) -> int:
        """Send some of ``data`` and return how much; raises as `recv`."""
        return self._retry(lambda: self.simulated.send(data, flags), self.loop.add_writer, self.loop.remove_writer)

    def sendall(self, data: Any, flags: int = 0) -> None:
        """Send all of ``data``; raises as `recv`."""
        with memoryview(data) as raw, raw.cast("B") as view:
            sent = 0
            while sent < len(view):
                sent += self.send(view[sent:], flags)

    def shutdown(self, how: int) -> None:
        """Shut a direction down."""
        self.simulated.shutdown(how)

    def close(self) -> None:
        """Close, once every file made of the socket is closed too."""
        self._closed = True
        if self._io_refs <= 0:
            self.simulated.close()

    def detach(self) -> int:
        """Refuse, as there is no descriptor to hand over.

        Raises:
            OSError: EOPNOTSUPP, always.
        """
        raise os_error(errno.EOPNOTSUPP)

    def _decref_socketios(self) -> None:
        self._io_refs -= 1
        if self._closed:
            self.close()

    def __enter__(self) -> BridgeSocket:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _retry(self, attempt: Callable[[], T], watch: Callable[..., object], unwatch: Callable[[Any], object]) -> T:
        while True:
            try:
                return attempt()
            except BlockingIOError:
                if self._timeout == 0:
                    raise
            self._wait(watch, unwatch)

    def _wait(self, watch: Callable[..., object], unwatch: Callable[[Any], object]) -> None:
        loop, descriptor = self.loop, self.simulated.fileno()
        ready = loop.create_future()
        watch(descriptor, _set, ready, True)
        timer = None if self._timeout is None else loop.call_later(self._timeout, _set, ready, False)
        try:
            if not wait_blocking(loop, ready):
                raise TimeoutError("timed out")
        finally:
            unwatch(descriptor)
            if timer is not None:
                timer.cancel()


class TlsBridgeSocket(BridgeSocket):
    """TLS over a `BridgeSocket`, with OpenSSL working in memory."""

    def __init__(self, inner: BridgeSocket, context: ssl.SSLContext, server_hostname: str | None) -> None:
        super().__init__(inner.loop, inner.simulated, inner.gettimeout())
        self._inner = inner
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=server_hostname)
        self.context = context

    def do_handshake(self) -> None:
        """Shake hands.

        Raises:
            ssl.SSLError: where the handshake fails.
        """
        self._pump(self._tls.do_handshake)

    def settimeout(self, value: float | None) -> None:
        """Set how long a call may wait."""
        super().settimeout(value)
        self._inner.settimeout(value)

    def recv(self, size: int, flags: int = 0) -> bytes:
        """Return up to ``size`` decrypted bytes; raises as `BridgeSocket.recv`, or `ssl.SSLError`."""
        del flags
        try:
            return bytes(self._pump(lambda: self._tls.read(size)))
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
            return b""

    read = recv

    def send(self, data: Any, flags: int = 0) -> int:
        """Encrypt and send all of ``data``."""
        del flags
        return self._pump(lambda: self._tls.write(bytes(data)))

    write = send

    def pending(self) -> int:
        """Return how many decrypted bytes wait to be read."""
        return self._tls.pending()

    def fileno(self) -> int:
        """Return a descriptor for `select`; decrypted bytes that wait do not count, as on a real one."""
        return self._inner.fileno()

    def getpeercert(self, binary_form: bool = False) -> Any:
        """Return the other side's certificate."""
        return self._tls.getpeercert(binary_form)

    def selected_alpn_protocol(self) -> str | None:
        """Return the protocol that ALPN chose."""
        return self._tls.selected_alpn_protocol()

    def version(self) -> str | None:
        """Return the TLS version."""
        return self._tls.version()

    def cipher(self) -> tuple[str, str, int] | None:
        """Return the cipher."""
        return self._tls.cipher()

    def _pump(self, attempt: Callable[[], T]) -> T:
        while True:
            try:
                result = attempt()
            except ssl.SSLWantReadError:
                self._flush()
                self._fill()
            except ssl.SSLError:
                self._flush()
                raise
            else:
                self._flush()
                return result

    def _flush(self) -> None:
        data = self._outgoing.read()
        if data:
            self._inner.sendall(data)

    def _fill(self) -> None:
        data = self._inner.recv(_RECORD)
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()


class Bridge:
    """The bridge of one run, for the threads that ``here`` says belong to it."""

    active: Bridge | None = None

    def __init__(self, loop: SimLoop, here: Callable[[], bool]) -> None:
        self.loop = loop
        self.here = here

    def install(self, patches: Patches) -> None:
        """Let the run's threads connect on the simulated network, sync; `restore` must follow."""
        Bridge.active = self
        patches.set(socket, "create_connection", create_connection)
        patches.set(socket, "getaddrinfo", getaddrinfo)
        patches.set(ssl.SSLContext, "wrap_socket", _wrap_socket)
        urllib3 = sys.modules.get("urllib3.util.connection")
        if urllib3 is not None:
            global _real_urllib3_create_connection  # noqa: PLW0603 - known only once urllib3 is loaded
            if vars(urllib3)["create_connection"] is not urllib3_create_connection:
                _real_urllib3_create_connection = vars(urllib3)["create_connection"]
            patches.set(urllib3, "create_connection", urllib3_create_connection)

    def restore(self) -> None:
        """Let go of the run."""
        Bridge.active = None


def _run() -> Bridge | None:
    """Return the bridge of the run that the calling thread belongs to."""
    active = Bridge.active
    return active if active is not None and active.here() else None


# As in virtual_time, the replacements are the same objects in every run, and real outside of runs.


def create_connection(address: Any, timeout: Any = _UNSET, *args: Any, **options: Any) -> Any:
    """Stand for ``socket.create_connection``."""
    run = _run()
    if run is None:
        given = () if timeout is _UNSET else (timeout,)
        return _real_create_connection(address, *given, *args, **options)
    return _connect(run.loop, address, timeout if isinstance(timeout, int | float) else None)


def urllib3_create_connection(
    address: Any, timeout: Any = None, source_address: Any = None, socket_options: Any = None
) -> Any:
    """Stand for ``urllib3.util.connection.create_connection``."""
    run = _run()
    if run is None:
        return _real_urllib3_create_connection(address, timeout, source_address, socket_options)
    sock = _connect(run.loop, address, timeout if isinstance(timeout, int | float) else None)
    for option in socket_options or ():
        sock.setsockopt(*option)
    return sock


def getaddrinfo(host: Any, port: Any, family: int = 0, *args: Any, **options: Any) -> Any:
    """Stand for ``socket.getaddrinfo``."""
    run = _run()
    if run is None:
        return _real_getaddrinfo(host, port, family, *args, **options)
    return run.loop.network.resolve(host, port, family)


def _connect(loop: SimLoop, address: tuple[str, int], timeout: float | None) -> BridgeSocket:
    host, port = address[0].strip("[]"), address[1]
    failure: OSError | None = None
    for family, _, _, _, target in loop.network.resolve(host, port):
        sock = SimSocket(loop.network, family)
        done = loop.create_future()
        handshake = loop.network.connect(sock, target, done)
        timer = None if timeout is None else loop.call_later(timeout, _fail, done, TimeoutError("timed out"))
        try:
            wait_blocking(loop, done)
        except OSError as exc:
            handshake.cancel()
            failure = exc
            continue
        except BaseException:
            handshake.cancel()
            raise
        finally:
            if timer is not None:
                timer.cancel()
        return BridgeSocket(loop, sock, timeout)
    if failure is None:
        raise OSError("getaddrinfo returned an empty list")
    if isinstance(failure, ConnectionRefusedError):
        raise ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
    raise failure


def _wrap_socket(context: ssl.SSLContext, sock: Any, *args: Any, **options: Any) -> Any:
    if not isinstance(sock, BridgeSocket):
        return _real_wrap_socket(context, sock, *args, **options)
    names = ("server_side", "do_handshake_on_connect", "suppress_ragged_eofs", "server_hostname", "session")
    given = {**dict(zip(names, args, strict=False)), **options}
    tls = TlsBridgeSocket(sock, context, given.get("server_hostname"))
    if given.get("do_handshake_on_connect", True):
        tls.do_handshake()
    return tls


def _set(future: Any, value: object) -> None:
    if not future.done():
        future.set_result(value)


def _fail(future: Any, error: BaseException) -> None:
    if not future.done():
        future.set_exception(error)
