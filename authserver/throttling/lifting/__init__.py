"""What administrators do with counts: empty them, and see how many delay somebody."""
