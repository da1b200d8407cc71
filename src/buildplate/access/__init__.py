"""API keys and roles: who may call the program, and to do what."""
