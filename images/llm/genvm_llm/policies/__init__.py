"""Who decides how a prompt is answered: `default`, `studio`, or an operator's own file."""
