"""The code for each family of printers, and the public contract it fulfils."""
