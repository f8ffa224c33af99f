"""Where the boxes of a graph go and the lines between them, so that boxes do not overlap and no line crosses a box.

Boxes stand in rows from top to bottom, each below all that lead to it. A line to the next row bends in the gap between
the rows. A longer line has a lane, a column of its own in every row that it passes, and runs straight down in it; lines
from one box share their lanes. Boxes and lanes that follow each other directly form tracks, which are straight.

Sources: Sugiyama, Tagawa and Toda, "Methods for visual understanding of hierarchical system structures", 1981 (rows,
lanes and their order); Brandes and Köpf, "Fast and simple horizontal coordinate assignment", 2001 (tracks).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from statistics import fmean

BETWEEN_ROWS = 20
BETWEEN_BOXES = 28
BETWEEN_LANES = 12
LANE_TO_BOX = 14
BETWEEN_PORTS = 12
CORNER = 14
"""From the corner of a box to the first point where a line may begin or end."""

SWEEPS = 8
"""How often the order in the rows is improved."""
ROUNDS = 40
"""How often the tracks move towards what they are linked with."""


@dataclass(frozen=True)
class Layout:
    """Positions in pixels from the top left.

    Attributes:
        width, height: of everything.
        boxes: left and top of each box.
        lines: the points of the line for each edge. It is straight from the first point to the second, bends to the
            third, is straight to the fourth, and so on.
    """

    width: int
    height: int
    boxes: list[tuple[int, int]]
    lines: list[list[tuple[float, float]]]


def lay_out(width: int, heights: Sequence[int], edges: Sequence[tuple[int, int]]) -> Layout:
    """Find positions for boxes of one width, an even number, and these heights; edges lead from lower to higher numbers."""
    web = _Web(len(heights), edges)
    _order(web)
    x = _columns(web, width)
    shift = min(x[v] - (width // 2 if web.is_box(v) else 0) for v in range(len(x)))
    x = [middle - shift for middle in x]
    columns = _ports(web, x, width)

    row_heights = [max(heights[v] for v in row if web.is_box(v)) for row in web.rows]
    tops = [0]
    for row_height, distance in zip(row_heights, _longest_bends(web, columns), strict=False):
        tops.append(tops[-1] + row_height + BETWEEN_ROWS + min(round(distance / 12), BETWEEN_ROWS))
    bottoms = [top + row_height for top, row_height in zip(tops, row_heights, strict=True)]
    middles = [(top + bottom) // 2 for top, bottom in zip(tops, bottoms, strict=True)]
    boxes = [(x[v] - width // 2, middles[web.rank[v]] - height // 2) for v, height in enumerate(heights)]

    lines = []
    for path, column in zip(web.paths, columns, strict=True):
        ends: list[tuple[float, float]] = [(tops[web.rank[v]], bottoms[web.rank[v]]) for v in path]
        ends[0] = (boxes[path[0]][1] + heights[path[0]], ends[0][1])
        ends[-1] = (ends[-1][0], boxes[path[-1]][1])
        lines.append([(at, y) for at, both in zip(column, ends, strict=True) for y in both])
    right = max(x[v] + (width // 2 if web.is_box(v) else 0) for v in range(len(x)))
    return Layout(right, bottoms[-1], boxes, lines)


class _Web:
    """Boxes and lanes, numbered one after the other, in rows.

    Attributes:
        rank: the row of each.
        paths: for every edge the box it leaves, the lanes it takes, and the box it enters.
        gaps: for each row, the pairs that follow each other on a path from it to the next row.
        above, below: for each, what it is paired with.
        aside: pairs (v, w) where v stands where it stands, and w comes to it: a box and a lane from it, or a box and a lane
            into it that goes past other boxes on the way, as that around a residual block.
        rows: for each row, what is in it from left to right.
    """

    def __init__(self, num_boxes: int, edges: Sequence[tuple[int, int]]) -> None:
        self.num_boxes = num_boxes
        self.rank = _ranks(num_boxes, edges)
        self.paths: list[list[int]] = []
        lanes: dict[tuple[int, int], int] = {}
        for u, v in edges:
            between = range(self.rank[u] + 1, self.rank[v])
            for r in between:
                if (u, r) not in lanes:
                    lanes[u, r] = len(self.rank)
                    self.rank.append(r)
            self.paths.append([u, *(lanes[u, r] for r in between), v])
        self.rows: list[list[int]] = [[] for _ in range(max(self.rank) + 1)]
        for v, r in enumerate(self.rank):
            self.rows[r].append(v)
        self.gaps: list[list[tuple[int, int]]] = [[] for _ in self.rows[1:]]
        self.above: list[list[int]] = [[] for _ in self.rank]
        self.below: list[list[int]] = [[] for _ in self.rank]
        for a, b in sorted({pair for path in self.paths for pair in pairwise(path)}):
            self.gaps[self.rank[a]].append((a, b))
            self.below[a].append(b)
            self.above[b].append(a)
        before: list[set[int]] = [set() for _ in range(num_boxes)]
        for u, v in sorted(edges, key=lambda edge: edge[1]):
            before[v] |= {u} | before[u]
        self.aside = {(a, b) for gap in self.gaps for a, b in gap if self.is_box(a) and not self.is_box(b)}
        for path in self.paths:
            if any(path[0] in before[w] for w in self.above[path[-1]] if self.is_box(w)):
                self.aside.add((path[-1], path[-2]))

    def is_box(self, v: int) -> bool:
        return v < self.num_boxes

    def counts(self, v: int, others: Sequence[int]) -> list[int]:
        return [w for w in others if (v, w) not in self.aside]


def _ranks(num_boxes: int, edges: Sequence[tuple[int, int]]) -> list[int]:
    """Put every box one row below the lowest that leads to it; what serves only a later box moves down to it."""
    rank = [0] * num_boxes
    leads_to: list[list[int]] = [[] for _ in rank]
    fed_by: list[list[int]] = [[] for _ in rank]
    for u, v in sorted(edges):
        rank[v] = max(rank[v], rank[u] + 1)
        leads_to[u].append(v)
        fed_by[v].append(u)
    serves_one = [False] * num_boxes
    for v in range(num_boxes):
        serves_one[v] = all(serves_one[u] and len(leads_to[u]) == 1 for u in fed_by[v])
    for v in reversed(range(num_boxes)):
        if serves_one[v] and leads_to[v]:
            rank[v] = min(rank[w] for w in leads_to[v]) - 1
    return rank


def _order(web: _Web) -> None:
    """Order the rows so that few lines cross, and lanes are to the right of boxes where nothing else matters."""
    best, fewest = web.rows, None
    for sweep in range(SWEEPS):
        down = sweep % 2 == 0
        position = _positions(web)
        rows = [list(row) for row in web.rows]
        for row in rows if down else reversed(rows):
            wishes = {}
            for v in row:
                near = web.above[v] if down else web.below[v]
                wish = sum(position[w] for w in near) / len(near) if near else position[v]
                wishes[v] = (wish, not web.is_box(v))
            row.sort(key=wishes.__getitem__)
            position.update((v, i) for i, v in enumerate(row))
        web.rows = rows
        crossings = _crossings(web)
        if fewest is None or crossings < fewest:
            best, fewest = rows, crossings
    web.rows = best


def _positions(web: _Web) -> dict[int, int]:
    return {v: i for row in web.rows for i, v in enumerate(row)}


def _crossings(web: _Web) -> int:
    position = _positions(web)
    pairs = (two for gap in web.gaps for two in combinations(gap, 2))
    return sum((position[a] - position[c]) * (position[b] - position[d]) < 0 for (a, b), (c, d) in pairs)


def _tracks(web: _Web) -> list[int]:
    """Return for each box and lane the number of its track; no two tracks cross."""
    position = _positions(web)
    track = list(range(len(web.rank)))
    for gap in web.gaps:
        taken: list[tuple[int, int]] = []
        for a, b in sorted(gap, key=lambda pair: web.is_box(pair[0]) or web.is_box(pair[1])):
            crosses = any((position[a] - position[c]) * (position[b] - position[d]) <= 0 for c, d in taken)
            if not crosses and _follow(web, a, b):
                taken.append((a, b))
                track[b] = track[a]
    return track


def _follow(web: _Web, a: int, b: int) -> bool:
    """Whether b comes directly after a, and nothing else does that counts as much."""
    if web.is_box(a) and web.is_box(b):
        return web.counts(a, web.below[a]) == [b] and web.counts(b, web.above[b]) == [a]
    return (not web.is_box(a) or web.below[a] == [b]) and (not web.is_box(b) or web.above[b] == [a])


def _columns(web: _Web, width: int) -> list[int]:
    """Return the middle of each box and lane: near what it is paired with, and far enough from its neighbours."""
    track = _tracks(web)
    left_of: dict[int, dict[int, int]] = {t: {} for t in track}
    right_of: dict[int, dict[int, int]] = {t: {} for t in track}
    for row in web.rows:
        for a, b in pairwise(row):
            num_boxes = web.is_box(a) + web.is_box(b)
            distance = (BETWEEN_LANES, width // 2 + LANE_TO_BOX, width + BETWEEN_BOXES)[num_boxes]
            distance = max(distance, left_of[track[b]].get(track[a], 0))
            left_of[track[b]][track[a]] = right_of[track[a]][track[b]] = distance
    near: dict[int, list[tuple[int, float]]] = {t: [] for t in track}
    for gap in web.gaps:
        for v, w in [*gap, *((b, a) for a, b in gap)]:
            if track[v] != track[w]:
                near[track[v]].append((track[w], 0.01 if (v, w) in web.aside else 1.0))

    x = dict.fromkeys(track, 0)
    for _ in x:  # tracks that do not cross have an order from left to right, so this ends
        before = dict(x)
        for t, lefts in left_of.items():
            x[t] = max([x[t], *(x[s] + distance for s, distance in lefts.items())])
        if x == before:
            break
    for i in range(ROUNDS):
        for t in sorted(x, key=lambda t: x[t], reverse=i % 2 == 0):
            if near[t]:
                wish = round(sum(x[s] * weight for s, weight in near[t]) / sum(weight for _, weight in near[t]))
                wish = min([wish, *(x[s] - distance for s, distance in right_of[t].items())])
                x[t] = max([wish, *(x[s] + distance for s, distance in left_of[t].items())])
    return [x[t] for t in track]


def _ports(web: _Web, x: Sequence[int], width: int) -> list[list[float]]:
    """Return for each path where it leaves its first box, the columns of its lanes, and where it enters its last box."""
    columns = [[float(x[v]) for v in path] for path in web.paths]
    for box, neighbour in ((0, 1), (-1, -2)):
        for v in range(web.num_boxes):
            ports: dict[tuple[int, int, int], list[int]] = {}
            for i, path in enumerate(web.paths):
                if path[box] == v:
                    w = path[neighbour]
                    # Paths into one lane share a port; a box that feeds another one twice has two lines to it.
                    ports.setdefault((x[w], w, i if web.is_box(w) else 0), []).append(i)
            lowest, highest = x[v] - width // 2 + CORNER, x[v] + width // 2 - CORNER
            wishes = [_wish(x[v], at, web.is_box(w), lowest, highest) for at, w, _ in sorted(ports)]
            for key, port in zip(sorted(ports), _spread(wishes, lowest, highest), strict=True):
                for i in ports[key]:
                    columns[i][box] = port
    return columns


def _wish(middle: int, other: int, other_is_box: bool, lowest: int, highest: int) -> float:
    """Lines to other boxes begin near the middle, lines to lanes as close to the lane as possible."""
    if other_is_box:
        return middle + min(max(0.15 * (other - middle), -2 * CORNER), 2 * CORNER)
    return min(max(other, lowest), highest)


def _spread(wishes: Sequence[float], lowest: float, highest: float) -> list[float]:
    """Return ascending positions near these wishes and some distance apart (least squares: neighbours are pooled)."""
    distance = min(BETWEEN_PORTS, (highest - lowest) / max(len(wishes) - 1, 1))
    pools: list[list[float]] = []
    for i, wish in enumerate(wishes):
        pools.append([wish - i * distance])
        while len(pools) > 1 and fmean(pools[-2]) >= fmean(pools[-1]):
            pools[-2:] = [pools[-2] + pools[-1]]
    bases = [fmean(pool) for pool in pools for _ in pool]
    last = highest - distance * (len(wishes) - 1)
    return [round(min(max(base, lowest), last) + i * distance, 1) for i, base in enumerate(bases)]


def _longest_bends(web: _Web, columns: Sequence[Sequence[float]]) -> list[float]:
    """Return how far to the side the lines go in each gap."""
    longest = [0.0] * len(web.gaps)
    for path, column in zip(web.paths, columns, strict=True):
        for v, (begin, end) in zip(path, pairwise(column), strict=False):
            longest[web.rank[v]] = max(longest[web.rank[v]], abs(begin - end))
    return longest
