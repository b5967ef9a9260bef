"""Finds what no order of transactions explains: cycles in the direct serialization graph of a history.

A history is a list of committed transactions, each with the versions that it read and wrote. An edge says that one
transaction comes before another in every order that explains the history:

    ww  it wrote the version before the one that the other wrote
    wr  it wrote the version that the other read
    rw  it read the version before the one that the other wrote
    rt  it had ended when the other began

Version 0 of an item is that it never existed. A deletion is a version like any other.
"""

import dataclasses
import itertools

NOTHING = None  # the value of version 0 and of a deletion


@dataclasses.dataclass
class Transaction:
    name: object
    began: int  # in an order of all beginnings and ends
    ended: int
    isolation: str = "serializable"
    reads: list = dataclasses.field(default_factory=list)  # (item, version, value)
    writes: dict = dataclasses.field(default_factory=dict)  # item -> (version, value)

    def read(self, item, version, value):
        self.reads.append((item, version, value))


def problem_of(history):
    """What is wrong with a history, in words, or None.

    Serializable transactions must fit into one order with all others, as far as these ask for it. A transaction of
    snapshot isolation that wrote may have read what is changed before it commits: its own rw edges count only in the
    rule for snapshots, which allows no cycle without two rw edges in a row.
    """
    writers = {}
    for each in history:
        for item, (version, _) in each.writes.items():
            other = writers.setdefault((item, version), each)
            if other is not each:
                return f"{other.name} and {each.name} both wrote version {version} of {item}"
    for item, version in writers:
        if version > 1 and (item, version - 1) not in writers:
            return f"{item} has a version {version} and none before it"
    for each in history:
        for item, version, value in each.reads:
            problem = unfounded(each, item, version, value, writers)
            if problem:
                return problem
    edges = {(a, b): how for a, b, how in edges_of(history, writers)}
    names = [each.name for each in history]
    loose = {each.name for each in history if each.isolation == "snapshot" and each.writes}
    strict = {(a, b): how for (a, b), how in edges.items() if not (how == "rw" and a in loose)}
    return cycle(names, strict, "no order explains") or cycle(names, before_snapshots(edges), "no snapshots explain")


def unfounded(reader, item, version, value, writers):
    """What was read must have been written, as the last word of a transaction that committed."""
    if version == 0:
        return None if value is NOTHING else f"{reader.name} read {value} of {item}, which nobody committed"
    writer = writers.get((item, version))
    if writer is None:
        return f"{reader.name} read version {version} of {item}, {value}, which nobody committed"
    written = writer.writes[item][1]
    if written != value:
        return f"{reader.name} read {value} as version {version} of {item}, for which {writer.name} wrote {written}"
    return None


def edges_of(history, writers):
    """(name, name, how), the ways that say most last, so that a dictionary keeps them."""
    for reader in history:
        for item, version, _ in reader.reads:
            later = writers.get((item, version + 1))
            if later is not None and later is not reader:
                yield reader.name, later.name, "rw"
    for reader in history:
        for item, version, _ in reader.reads:
            writer = writers.get((item, version))
            if writer is not None and writer is not reader:
                yield writer.name, reader.name, "wr"
    for (item, version), writer in writers.items():
        later = writers.get((item, version + 1))
        if later is not None:
            yield writer.name, later.name, "ww"
    for a, b in itertools.permutations(history, 2):
        if a.ended < b.began:
            yield a.name, b.name, "rt"


def before_snapshots(edges):
    """Which snapshot is later than which: over one edge that is no rw, or over such a one and an rw."""
    firm = {pair: how for pair, how in edges.items() if how != "rw"}
    after = {}
    for (a, b), how in edges.items():
        if how == "rw":
            after.setdefault(a, []).append(b)
    composed = {(a, c): f"{how}+rw" for (a, b), how in firm.items() for c in after.get(b, ())}
    return {**composed, **firm}


def cycle(names, edges, what):
    """The first cycle in words, or None."""
    following = {name: [] for name in names}
    for a, b in edges:
        following[a].append(b)
    done = set()
    for start in names:
        path, open_ = [start], [iter(following[start])]
        while open_ and start not in done:
            step = next((name for name in open_[-1] if name not in done), None)
            if step is None:
                open_.pop()
                done.add(path.pop())
            elif step in path:
                ring = [*path[path.index(step) :], step]
                ways = [edges[pair] for pair in itertools.pairwise(ring)]
                shown = "".join(f" -{way}-> {name}" for way, name in zip(ways, ring[1:], strict=True))
                return f"{what}: {ring[0]}{shown}"
            else:
                path.append(step)
                open_.append(iter(following[step]))
    return None
