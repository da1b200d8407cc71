"""The public contract between Buildplate and a printer driver."""
