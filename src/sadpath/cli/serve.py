"""``sadpath serve``: the local mock backend, misbehaving as a scenario says."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sadpath.cli._base import RootOption, verb

ScenarioOption = Annotated[
    str | None,
    typer.Option("--scenario", metavar="NAME", show_default=False, help="What goes wrong. Default: nothing."),
]
SourceArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="SOURCE",
        show_default=False,
        help="`module:app`, `module:create_app()` or a server's URL. Default: the workspace's backend.",
    ),
]
PortOption = Annotated[
    int, typer.Option("--port", min=0, max=65_535, metavar="PORT", help="Where to listen; 0 takes any free port.")
]
HostOption = Annotated[
    str, typer.Option("--host", metavar="HOST", help="Beyond loopback the control API needs --admin-token.")
]
SeedOption = Annotated[
    int, typer.Option("--seed", min=0, metavar="N", help="The seed of data and chance where a scenario has none.")
]
WatchOption = Annotated[bool, typer.Option("--watch", help="Take in changed scenarios and a changed backend.")]
TokenOption = Annotated[
    str | None,
    typer.Option(
        "--admin-token",
        metavar="TOKEN",
        envvar="SADPATH_ADMIN_TOKEN",
        show_default=False,
        help="What the control API asks for as `Authorization: Bearer TOKEN`.",
    ),
]
TlsOption = Annotated[bool, typer.Option("--tls", help="Speak TLS, by a certificate authority of its own.")]
Http2Option = Annotated[
    bool, typer.Option("--http2", help="Speak HTTP/2, too: by ALPN with --tls, else to clients that begin with it.")
]
AuthorityOption = Annotated[
    Path | None,
    typer.Option("--ca-file", metavar="FILE", show_default=False, help="Where to write that authority (PEM)."),
]


def serve(
    source: SourceArgument = None,
    *,
    scenario: ScenarioOption = None,
    port: PortOption = 8080,
    host: HostOption = "127.0.0.1",
    seed: SeedOption = 0,
    watch: WatchOption = False,
    admin_token: TokenOption = None,
    tls: TlsOption = False,
    http2: Http2Option = False,
    ca_file: AuthorityOption = None,
    root: RootOption = None,
) -> None:
    """Serve a backend that misbehaves as a scenario says: the workspace's, any ASGI app, or a server behind a URL."""
    import asyncio  # noqa: PLC0415 - what is dear is imported where it is needed

    from sadpath.core.errors import UsageError  # noqa: PLC0415 - as above
    from sadpath.server.runner import LiveServer  # noqa: PLC0415 - brings FastAPI
    from sadpath.server.serving import serve as serve_until_stopped  # noqa: PLC0415 - brings FastAPI
    from sadpath.server.serving import write_authority  # noqa: PLC0415 - as above
    from sadpath.server.sources import find_source  # noqa: PLC0415 - as above
    from sadpath.workspace import find_workspace  # noqa: PLC0415 - brings Pydantic

    if admin_token is not None and not admin_token.strip():
        raise UsageError("--admin-token must not be empty")
    if ca_file is not None and not tls:
        raise UsageError("--ca-file needs --tls: without it there is no certificate authority")
    workspace = find_workspace(root)
    served = find_source(source, workspace) if source is not None else None
    server = LiveServer(
        workspace, source=served, host=host, port=port, seed=seed, admin_token=admin_token, tls=tls, http2=http2
    )
    if ca_file is not None:
        write_authority(server, ca_file)
    asyncio.run(serve_until_stopped(workspace, server, scenario=scenario, watch=watch))


verb(serve)
