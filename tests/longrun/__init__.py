"""A day of a manager's life in half an hour: traffic, faults again and again, an upgrade (`make longrun`)."""
