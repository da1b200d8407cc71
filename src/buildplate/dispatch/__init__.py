"""The queue: plan, claim, transfer, start, observe, retry."""
