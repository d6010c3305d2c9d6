"""How a client under test is driven: in process now; by exec, stdio and http in the same messages."""
