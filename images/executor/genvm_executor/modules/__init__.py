"""The llm and web modules, as a run is connected to them."""
