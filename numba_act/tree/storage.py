"""How numbers are stored, and what they are computed in."""


def working(storage):
    """The type that is computed in."""
    return "float64" if storage == "float64" else "float32"


def item_size(storage):
    return {"float64": 8, "float32": 4}.get(storage, 2)
