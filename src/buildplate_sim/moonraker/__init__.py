"""Simulated Moonrakers, many in one process, each before a simulated Klippy of its own."""
