"""Storage: the engine, its transactions and its clock, the schema's revision, and identifiers."""
