"""Compare generators from Python, cell by cell.

python examples/compare_generators.py comparison progan-celeba-128 mobilestylegan-ffhq-1024
"""

# %% What is compared: one level, few samples
import sys
from pathlib import Path

from panda.comparison import Plan, compare
from panda.comparison.report import write
from panda.comparison.tables import carrier, depths

PLAN = Plan(levels=(4,), samples=50, parts=4, axes=1, images=2, scored=4, selected=4, faces=False)


def main(out: Path, names: list[str]) -> None:
    # %% The same analysis of each; the same call goes on where it was stopped
    found = compare(names, out, PLAN)

    # %% Which parts are the same
    for matching in found.matchings:
        for row in matching.rows:
            others = {n: m for n, m in row.matches.items() if n != matching.reference}
            said = ", ".join(
                f"{n}: {m.index} ({m.verdict}, {m.similarity:.2f})" for n, m in others.items()
            )
            print(f"{matching.kind} {row.name}: {said}")

    # %% At which depth background lives
    for one in found.generators:
        best = carrier(one)
        if best is not None:
            contrast = best.contrast[0]
            print(f"{one.name}: background is clearest at {best.layer}, contrast {contrast:.2f}")
    print(depths(found).to_markdown())

    # %% All of it on one page
    print(write(found, out))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
