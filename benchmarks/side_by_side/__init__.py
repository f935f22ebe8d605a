"""Time of an EM iteration, ours and other tools', each in a process of its own and in turn."""
