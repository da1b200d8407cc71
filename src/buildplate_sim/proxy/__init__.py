"""The fault proxy: stands between Buildplate and printers, and outlives Buildplate."""
