"""What staging needs of no database in particular: bisection, counts, refusals."""
