"""`python -m tests.packaging BUILT DIRECT`: judge what was built of this tree.

BUILT holds the sdist and the wheel that was built of it, DIRECT the wheel that was
built of the tree.
"""

import sys
from pathlib import Path

from tests.packaging.judge import (
    faults_between,
    faults_of_sdist,
    faults_of_wheel,
    read_sdist,
    read_wheel,
)

ROOT = Path(__file__).parents[2]


def main(built: Path, direct: Path) -> int:
    """Print every fault; 0 if there is none."""
    [sdist_path] = built.glob("*.tar.gz")
    [wheel_path] = built.glob("*.whl")
    [direct_path] = direct.glob("*.whl")
    wheel = read_wheel(wheel_path)
    sdist = read_sdist(sdist_path)
    faults = [
        *(f"wheel: {fault}" for fault in faults_of_wheel(wheel, ROOT)),
        *(f"sdist: {fault}" for fault in faults_of_sdist(sdist, ROOT)),
        *(
            f"the sdist's wheel is not the tree's: {fault}"
            for fault in faults_between(wheel, read_wheel(direct_path))
        ),
    ]
    if wheel_path.name != direct_path.name:
        faults.append(f"{wheel_path.name} and {direct_path.name} are two versions")
    sys.stdout.writelines(f"{fault}\n" for fault in faults)
    sys.stdout.write(f"{len(wheel)} files in the wheel, {len(sdist)} in the sdist\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
