"""Drives printers behind an OctoPrint."""
