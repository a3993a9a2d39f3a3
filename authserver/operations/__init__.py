"""Operation: health, metrics, logging, headers, trusted proxies and housekeeping."""
