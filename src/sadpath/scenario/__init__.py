"""The model of a scenario, the vocabulary of faults it is checked against, its loader and its JSON Schema."""
