"""What printers speak, taken apart and put together without touching a socket or a clock."""
