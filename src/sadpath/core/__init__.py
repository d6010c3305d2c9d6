"""Clock, keyed chance, units, the journal's event types, and the error families. Imports nothing else of sadpath."""
