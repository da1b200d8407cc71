"""What printers did and how warm they were: kept for a while, and summed up."""
