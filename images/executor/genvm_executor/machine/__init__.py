"""WebAssembly guests: engine, memory, what a guest may call, how it ends."""
