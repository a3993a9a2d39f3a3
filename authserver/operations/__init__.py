"""Operation: serving, health, metrics, logging and clean-up."""
