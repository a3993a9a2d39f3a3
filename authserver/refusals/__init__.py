"""Why a request is refused, and the sealed reference that lets an administrator look it up."""
