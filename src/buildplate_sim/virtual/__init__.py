"""Virtual printers: the demo farm, spoken to in a small protocol of our own."""
