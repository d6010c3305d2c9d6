"""Contracts, traces, clauses, campaigns: everything that turns a run into a verdict."""
