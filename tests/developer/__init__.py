"""The contract developer's commands: one session of instances for everything, no container engine."""
