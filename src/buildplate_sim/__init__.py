"""Simulated printers, the `virtual` driver and the demo fleet; separate processes."""
