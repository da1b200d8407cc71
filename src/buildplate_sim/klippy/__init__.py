"""A stand-in for Klippy, Klipper's host program: its API server with a simulated machine behind."""
