"""Scripts that fit the figures of the shipped boards to public measurements, and print how well they do."""
