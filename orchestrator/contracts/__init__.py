"""What the manager itself knows about contracts: executor versions and how one is chosen."""
