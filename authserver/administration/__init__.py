"""Administration: use cases, one file a noun, and the command line over them. A use case writes its audit event."""
