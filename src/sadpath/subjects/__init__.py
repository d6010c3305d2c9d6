"""Clients under test that ship with sadpath: the reference's adapter, the article's design, and the known-bad ones."""
