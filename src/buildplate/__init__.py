"""Buildplate: one open control plane for every 3D printer on the floor."""

__version__ = "0.1.0"
