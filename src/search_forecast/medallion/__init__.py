"""From delivered files to bronze, silver and gold: the tasks, and the rules that they apply."""
