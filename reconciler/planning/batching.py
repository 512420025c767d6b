"""Which symbol is in which batch: sticky, so that an edit changes as few rows as it can.

With *a* symbols added and *r* removed at an unchanged cap, at most *a + r* batches change: a removal touches the
batch it leaves, a newcomer the one it joins.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

Assignment = dict[int, tuple[str, ...]]


def assign(
    desired: Collection[str],
    current: Mapping[str, int],
    memory: Mapping[str, int],
    cap: int,
    reserved: frozenset[int] = frozenset(),
) -> Assignment:
    """Batch number -> its sorted symbols, by number; each desired symbol once, no batch above ``cap``, none empty.

    A symbol stays where it is (``current``), else it returns to where it was last (``memory``), as long as there is
    room: members go before returners, then the alphabet decides. Who finds no room is a newcomer. Newcomers fill
    batches that change anyway, then the holes of others, emptiest first, and then open the lowest number that is
    neither used nor ``reserved``. From nothing this is slicing of the sorted list. Pure and deterministic.
    """
    kept, newcomers = _keep(set(desired), current, memory, cap, reserved)
    changing = _changing(kept, current)
    _fill(kept, newcomers, changing, cap)
    _open(kept, newcomers, cap, reserved)
    return {number: tuple(sorted(kept[number])) for number in sorted(kept) if kept[number]}


def _keep(
    desired: set[str], current: Mapping[str, int], memory: Mapping[str, int], cap: int, reserved: frozenset[int]
) -> tuple[dict[int, list[str]], list[str]]:
    """Members and returners that fit their home, and everybody else, sorted."""
    homes: dict[int, list[tuple[bool, str]]] = {}
    newcomers = []
    for symbol in desired:
        home = current.get(symbol, memory.get(symbol))
        if home is None or home in reserved:
            newcomers.append(symbol)
        else:
            homes.setdefault(home, []).append((symbol not in current, symbol))
    kept = {}
    for number, claims in homes.items():
        claims.sort()
        kept[number] = [symbol for _, symbol in claims[:cap]]
        newcomers.extend(symbol for _, symbol in claims[cap:])
    return kept, sorted(newcomers)


def _changing(kept: Mapping[int, Collection[str]], current: Mapping[str, int]) -> set[int]:
    """Batches that lost a member or gained a returner: their rows change whatever is done next."""
    before: dict[int, set[str]] = {}
    for symbol, number in current.items():
        before.setdefault(number, set()).add(symbol)
    return {number for number, symbols in kept.items() if before.get(number, set()) != set(symbols)}


def _fill(kept: dict[int, list[str]], newcomers: list[str], changing: set[int], cap: int) -> None:
    order = sorted(kept, key=lambda number: (number not in changing, len(kept[number]), number))
    for number in order:
        room = cap - len(kept[number])
        kept[number].extend(newcomers[:room])
        del newcomers[:room]


def _open(kept: dict[int, list[str]], newcomers: list[str], cap: int, reserved: frozenset[int]) -> None:
    number = 0
    while newcomers:
        number += 1
        if number not in kept and number not in reserved:
            kept[number] = newcomers[:cap]
            del newcomers[:cap]
