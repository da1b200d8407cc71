"""One supervised session per printer: connect, observe, command, reconnect."""
