"""Planning: analyses the query, cuts the key space, makes the plan."""
