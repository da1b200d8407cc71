"""Settings, logging and the composition root: the only room that knows all concrete parts."""
