"""An answer in words."""

from tenuto.control.allotting._values import Allotments, Place
from tenuto.units import show_frequency


def explain(answer: Allotments) -> str:
    """Who gets what, what is given up for it, and which budget is in the way; a sentence each."""
    sentences = [f"{name} {_place(place)}" for name, place in answer.places.items()]
    if answer.binding is not None:
        worth = f": one more unit of it is worth about {answer.price:.2g} points" if answer.price else ""
        sentences.append(f"the budget {answer.binding!r} keeps a better answer out{worth}")
    elif not answer.n_given_up:
        sentences.append("no budget is in the way, and every constraint holds")
    return "; ".join(sentences) + "."


def _place(place: Place) -> str:
    has = place.allotment
    if has is None:
        return "waits, for there is no place for it"
    cores = f"{has.n_cores} core{'s' if has.n_cores > 1 else ''} of "
    clock = "" if has.frequency_hz is None else f" at {show_frequency(has.frequency_hz)}"
    given_up = f", giving up {' and '.join(place.given_up)}" if place.given_up else ""
    return f"has {cores}{has.cluster}{clock}{given_up}"
