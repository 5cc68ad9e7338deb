"""What a person runs on this project: `nox -l` lists it, plain `nox` must pass."""

import os
import shutil
import subprocess
import sys

import nox

nox.needs_version = ">=2025.5.1"
nox.options.default_venv_backend = "venv"
nox.options.download_python = "never"
nox.options.reuse_existing_virtualenvs = True
nox.options.sessions = ["lint", "floors", "types", "tests", "storm"]

PROJECT = nox.project.load_toml("pyproject.toml")
EXTRA = PROJECT["project"]["optional-dependencies"]["cli"]
DEPENDENCIES = [*PROJECT["project"]["dependencies"], *EXTRA]


def _group(*names: str) -> tuple[str, ...]:
    return nox.project.dependency_groups(PROJECT, *names)


def _starts(python: str) -> bool:
    """Run it: a version manager's shim is there for versions that are not."""
    if shutil.which(python) is None:
        return False
    command = [python, "-c", ""]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0  # noqa: S603 - the name is ours


def _pythons() -> list[str]:
    """Every supported Python there is where one asked for them, else this one."""
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    if not {"CI", "PYENV_VERSION"} & os.environ.keys():
        return [own]
    others = (v for v in nox.project.python_versions(PROJECT) if v != own)
    return [own, *(v for v in others if _starts(f"python{v}"))]


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and formatting with ruff."""
    session.install("-q", *_group("lint"))
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")


@nox.session
def floors(session: nox.Session) -> None:
    """Check that modules import only from the floors below their own."""
    session.install("-q", *_group("lint"))
    session.run("lint-imports", "--no-cache")


@nox.session
def types(session: nox.Session) -> None:
    """Check the types of package and tests with mypy and pyright, both strict."""
    groups = _group("types", "test", "bench")
    session.install("-q", "nox", *DEPENDENCIES, *groups)
    session.run("mypy")
    session.run("pyright")


@nox.session(python=_pythons())
def tests(session: nox.Session) -> None:
    """Run the tests on the built package; `-- ARGS` go to pytest, uncovered."""
    session.install("-q", ".[cli]", *_group("test"))
    # What is covered is the same on every Python, and tracing doubles the time.
    traced = ["--cov"] if session.python == _pythons()[0] else []
    session.run("pytest", *(session.posargs or ["-q", "-n", "auto", *traced]))


@nox.session
def storm(session: nox.Session) -> None:
    """Run 5,000 random schedules in virtual time; `-- --schedules 100000` for more."""
    session.install("-q", ".")
    # tests/ comes last on the path, so that the built package is what is tested.
    started = (
        "import runpy, sys; sys.path.append('.'); "
        "runpy.run_module('tests.storm', run_name='__main__')"
    )
    session.run("python", "-P", "-c", started, *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Measure the SDK beside its peers and write docs/benchmarks.md; on demand."""
    session.install("-q", *DEPENDENCIES, *_group("bench"))
    session.run("python", "-m", "tests.benchmarks", *session.posargs)
