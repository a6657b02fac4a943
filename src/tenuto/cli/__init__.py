"""`tenuto`."""


def main() -> None: ...
