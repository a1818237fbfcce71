"""How many connections runs may hold: a budget of their own, and what a server has left."""
