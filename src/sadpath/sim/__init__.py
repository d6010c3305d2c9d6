"""The simulated world: an event loop on virtual time, an in-memory network, and runs that replay exactly.

    from sadpath.sim.serving import sim_config
    from sadpath.sim.world import SimWorld, run_sim

    config = sim_config(app)                                   # any ASGI application, once per process

    async def case(world: SimWorld) -> int:
        await world.start(config)                              # unmodified uvicorn at http://api.test
        world.network.blackhole(until=2.0)
        async with httpx.AsyncClient(base_url="http://api.test") as client:
            return (await client.get("/users/1")).status_code

    report = run_sim(case, seed=7)                             # .value .trace .digest .virtual_seconds .warnings

What there is, from the bottom up:

    sockets, tcp, pipe, connection      sockets as the kernel has them: windows, FIN, RST, latency
    listener, handshake, names, rules   queues, SYNs, name lookups, and the faults before a connection exists
    network, trace                      all of it together, and what happened, with its digest
    timeline, loop, transport, tasks    asyncio's own selector loop and transports on that clock and those sockets
    pending, limits, errors             what a run that cannot go on says
    workers, cothread, syncbridge       sync code: in workers, beside the loop, and on blocking sockets
    virtual_time, keyed_chance,
    ordered, versions, patching         what is made virtual, keyed or ordered while a run lasts
    determinism, serving, world         a run from beginning to end

Other simulators for asyncio exist (simloom, simloop, seedloop). This one is aimed at HTTP: unmodified clients and
servers, sync ones too, real TCP endings, and traces that replay with anyio's scopes and groups in play.
"""
