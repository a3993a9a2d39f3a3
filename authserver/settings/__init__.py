"""What an operator can set: typed values, where they are read from, and which of them contradict each other."""
