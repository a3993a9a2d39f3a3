"""What happened, recorded in three ways: audit events, counts of activity, and metrics."""
