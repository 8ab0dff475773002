"""What a contract asks for, by the rules of its line, from its entry to what the node gets."""
