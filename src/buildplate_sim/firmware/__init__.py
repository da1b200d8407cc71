"""Simulated printer firmware on a serial line: what a host hears from a bare Marlin and others."""
