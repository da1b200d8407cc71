"""Small worlds, explored to exhaustion: printers that lie, nodes that die, people who click twice.

Everything that can happen between any two steps is tried, and every decision in between is taken by
the very `next_action` that runs in production. See `worlds` for the worlds and `rules` for the list
of rules that are taken out to see that each is needed.
"""
