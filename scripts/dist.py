"""`make dist`: builds wheel and sdist, looks into both, and runs the wheel in a virtual environment of its own."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DIST = ROOT / "dist"
PACKAGES = ("keyfob", "keyfobd", "identity_center_simulator")
COMMANDS = ("keyfob", "keyfobd", "keyfob-simulator")


def main() -> int:
    for old in DIST.glob("keyfob-*"):
        old.unlink()
    run(sys.executable, "-m", "build", "--outdir", str(DIST), str(ROOT))
    (wheel,) = DIST.glob("*.whl")
    (sdist,) = DIST.glob("*.tar.gz")
    problems = [*look_into_wheel(wheel), *look_into_sdist(sdist)] or try_wheel(wheel)
    for problem in problems:
        print(f"make dist: {problem}", file=sys.stderr)
    if not problems:
        print(f"{wheel.relative_to(ROOT)}\n{sdist.relative_to(ROOT)}")
    return 1 if problems else 0


def look_into_wheel(wheel: Path) -> list[str]:
    """Three packages, each with its mark of being typed, the licence, and nothing else."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    missing = [f"the wheel lacks {name}/py.typed" for name in PACKAGES if f"{name}/py.typed" not in names]
    if not any(name.endswith("licenses/LICENSE") for name in names):
        missing.append("the wheel lacks LICENSE")
    tops = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    return missing + [f"the wheel holds {top}, which is not ours to install" for top in sorted(tops - set(PACKAGES))]


def look_into_sdist(sdist: Path) -> list[str]:
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    wanted = ("Makefile", "constraints.txt", "README.md", "LICENSE", "CHANGELOG.md", "tests/unit/test_architecture.py")
    return [f"the sdist lacks {name}" for name in wanted if name not in names]


def try_wheel(wheel: Path) -> list[str]:
    """Installed where nothing of this checkout can be seen, each command starts."""
    with tempfile.TemporaryDirectory() as folder:
        run(sys.executable, "-m", "venv", folder)
        here = Path(folder, "bin")
        run(str(here / "pip"), "install", "--constraint", str(ROOT / "constraints.txt"), str(wheel))
        return [
            f"{command} --help ended with {status}"
            for command in COMMANDS
            if (status := subprocess.run([here / command, "--help"], stdout=subprocess.DEVNULL, check=False).returncode)
        ]


def run(*command: str) -> None:
    """Quietly, unless it fails; then what it said is all there is to go by."""
    ran = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if ran.returncode:
        sys.exit(f"{' '.join(command)}\n{ran.stdout}")


if __name__ == "__main__":
    sys.exit(main())
