"""Measurements of Tenuto. They are no tests: nothing here fails on a slow machine."""
