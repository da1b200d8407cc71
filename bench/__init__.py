"""What is measured, against whom, and where it stands: one module for each piece of work."""
