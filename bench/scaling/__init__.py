"""What many nodes, managers and machines would come to: a simulation, fed with times that were measured."""
