"""Simulated OctoPrints: the API a driver uses, an honest printer, faults on demand."""
