"""Decisions as pure functions over plain values; time and ids are arguments."""
