"""The simulated world: an event loop on virtual time, an in-memory network, and runs that replay exactly."""
