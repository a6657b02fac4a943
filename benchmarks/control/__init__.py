"""Control against what is published: the figures that a manager of dynamic networks is judged by, one module each."""
