"""An order of a tree's nodes in which few numbers are alive at once, for targets with few registers."""
import functools

from .node import in_order

GROUPS = 8, 10, 12                               # sizes of groups that are tried


@functools.lru_cache(maxsize=256)
def scheduled(outputs):
    """`in_order`, with few words alive at once.

    Snake's gradients in float64 have at most 40 words alive so, and 158 if the operands that need most come first
    (R. Sethi and J. D. Ullman, 1970).
    """
    return min((_backwards(outputs, size) for size in GROUPS), key=lambda order: _most(order, outputs))


def most_alive(outputs):
    """How many words are alive at once in that order, at most."""
    return _most(scheduled(outputs), outputs)


def carried(condition, outputs):
    """How many words of what the condition computes the outputs take."""
    known = set(in_order((condition,)))
    taken = {a for node in in_order(outputs, known=known) for a in node.args}.union(outputs)
    return sum(map(_words, known & taken))


def _most(order, outputs):
    last = {a: k for k, node in enumerate(order) for a in node.args}
    last.update(dict.fromkeys(outputs, len(order)))
    alive, most = 0, 0
    for k, node in enumerate(order):
        alive += _words(node) - sum(_words(a) for a in set(node.args) if last[a] == k)
        most = max(most, alive)
    return most


def _backwards(outputs, size):
    """The order found from its end: always what needs the fewest words that are not alive already."""
    groups, needs = _groups(outputs, size)
    users = dict.fromkeys(groups, 0)
    for need in needs.values():
        for a in need:
            users[a] += 1
    alive, ready, order = set(outputs), [head for head in groups if not users[head]], []

    def cost(head):
        return sum(_words(a) for a in needs[head] if a not in alive) - _words(head) * (head in alive)

    while ready:
        head = min(ready, key=cost)
        ready.remove(head)
        alive.discard(head)
        alive.update(needs[head])
        order += groups[head]
        for a in needs[head]:
            users[a] -= 1
            if not users[a]:
                ready.append(a)
    return order[::-1]


def _groups(outputs, size):
    """Nodes, the last first, that come together, since only the first of them is used by others, and the groups that
    each needs, both by that first one.  The error of a sum is such a group: its steps singly would seem to cost."""
    order, users = in_order(outputs), {}
    for node in order:
        for a in node.args:
            users.setdefault(a, []).append(node)
    head, groups = {}, {}
    for node in reversed(order):
        heads = {head[user] for user in users.get(node, ())}
        first = heads.pop() if len(heads) == 1 and node.args and node not in outputs else node
        first = first if len(groups.get(first, ())) < size else node
        head[node] = first
        groups.setdefault(first, []).append(node)
    needs = {first: list(dict.fromkeys(head[a] for node in group for a in node.args if head[a] is not first))
             for first, group in groups.items()}
    return groups, needs


def _words(node):
    """How many registers hold a value; a condition has one of its own kind, and a constant none."""
    return 0 if node.op == "constant" or node.kind == "bool" else 2 if node.dtype == "float64" else 1
