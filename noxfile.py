"""What a person runs on this project: `nox -l` lists it, plain `nox` must pass."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nox

nox.needs_version = ">=2025.5.1"
nox.options.default_venv_backend = "venv"
nox.options.download_python = "never"
nox.options.reuse_existing_virtualenvs = True
nox.options.sessions = [
    "lint",
    "floors",
    "types",
    "docs",
    "tests",
    "storm",
    "package",
]

PROJECT = nox.project.load_toml("pyproject.toml")
EXTRAS = PROJECT["project"]["optional-dependencies"]
DEPENDENCIES = [
    *PROJECT["project"]["dependencies"],
    *EXTRAS["cli"],
    *EXTRAS["frames"],
    *EXTRAS["excel"],
    *EXTRAS["workers"],
    *EXTRAS["mcp"],
]
# What shows within a minute that a dependency is too old.
CORE = (
    "tests/unit",
    "tests/job",
    "tests/wire/test_bomb.py",
    "tests/wire/test_connections.py",
    "tests/wire/test_custody.py",
    "tests/wire/test_never_sent.py",
    "tests/wire/test_story.py",
)
# What is checked for spelling, and for the words that CONTRIBUTING.md lists.
TEXTS = sorted(path.name for path in Path(__file__).parent.glob("*.md"))
SPELLED = ("openfunnel_async", "tests", "docs", "noxfile.py", "pyproject.toml", *TEXTS)
WORDED = ("openfunnel_async", "tests", "docs", "noxfile.py", *TEXTS)


def _group(*names: str) -> tuple[str, ...]:
    return nox.project.dependency_groups(PROJECT, *names)


def _starts(python: str, statement: str = "") -> bool:
    """Run it: a version manager's shim is there for versions that are not."""
    if shutil.which(python) is None:
        return False
    command = [python, "-c", statement]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0  # noqa: S603 -- the name is ours


def _pythons() -> list[str]:
    """Every supported Python there is where one asked for them, else this one."""
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    if not {"CI", "PYENV_VERSION"} & os.environ.keys():
        return [own]
    others = (v for v in nox.project.python_versions(PROJECT) if v != own)
    return [own, *(v for v in others if _starts(f"python{v}"))]


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and formatting with ruff, spelling, and the words of the pages."""
    session.install("-q", *_group("lint"))
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("codespell", *SPELLED)
    session.run("python", "-m", "tests.words", *WORDED)


@nox.session
def quick(session: nox.Session) -> None:
    """Run style, layers and the unit and job tests: what shows most errors soonest."""
    session.install(
        "-q", ".[cli,excel,frames,mcp,speed,workers]", *_group("lint", "test")
    )
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("lint-imports", "--no-cache")
    session.run("pytest", "-q", "-n", "auto", "tests/unit", "tests/job")


@nox.session
def floors(session: nox.Session) -> None:
    """Check that modules import only from the floors below their own."""
    session.install("-q", *_group("lint"))
    session.run("lint-imports", "--no-cache")


@nox.session
def types(session: nox.Session) -> None:
    """Check all types, also those of the pages' examples, with mypy and pyright."""
    groups = _group("types", "test", "bench", "docs")
    session.install("-q", "nox", *DEPENDENCIES, *groups)
    session.run("mypy")
    session.run("pyright")
    # What is exported has a stated type, as its users' checkers see it installed.
    session.install("-q", "--no-deps", ".")
    with session.chdir(session.create_tmp()):
        session.run("pyright", "--verifytypes", "openfunnel_async", "--ignoreexternal")
    # pyright looks into no folder that is hidden.
    examples = Path("build", "examples")
    session.run("python", "-m", "tests.docs.pages", str(examples))
    session.run("mypy", str(examples))
    session.run("pyright", *map(str, sorted(examples.glob("*.py"))))


# What decodes answers, or writes JSON.
DECODING = ("tests/unit", "tests/export", "tests/book/conformance")
# Processes that the coverage counts: what people start.
STARTED = ("tests/cli", "tests/book/processes", "tests/mcp", "tests/workers")
# Processes that it need not count, which are faster without.
UNCOUNTED = (
    "tests/docs",
    "tests/book/kill",
    "tests/book/kill_postgres",
    "tests/benchmarks",
)


# What differs most between versions of Python, and between databases.
BETWEEN = ("tests/unit", "tests/job", "tests/fleet", "tests/book/conformance")


@nox.session(python=_pythons())
def tests(session: nox.Session) -> None:
    """Run the tests on the built package; `-- ARGS` go to pytest, uncovered.

    What is covered is the same on every Python, and tracing doubles the time. Pages,
    commands and killed programs are processes, tested on the first Python alone, more
    than one a core, as they wait most of the time. A Python between the first one and
    the newest runs the tests of the core.
    """
    session.install("-q", ".[cli,excel,frames,mcp,speed,workers]", *_group("test"))
    pytest = ("pytest", "-q", "-n")
    ignored = [f"--ignore={folder}" for folder in (*STARTED, *UNCOUNTED)]
    if session.posargs:
        session.run("pytest", *session.posargs)
    elif session.python == _pythons()[0]:
        part = ("--cov", "--cov-report=", "--cov-fail-under=0")
        session.run(*pytest, "auto", *part, *ignored)
        session.run(*pytest, "4", "--cov", "--cov-append", *STARTED)
        session.run(*pytest, "4", *UNCOUNTED)
        # The same answers and files without the extra `speed`.
        env = {"OPENFUNNEL_JSON": "stdlib"}
        session.run(*pytest, "auto", *DECODING, env=env)
    elif session.python == max(_pythons(), key=_to_numbers):
        session.run(*pytest, "auto", *ignored)
    else:
        session.run(*pytest, "auto", *BETWEEN)


def _to_numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]


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
def kill(session: nox.Session) -> None:
    """Kill a program that runs a Book, 500 times; `-- --kills 50` for fewer."""
    session.install("-q", ".")
    session.run("python", "-m", "tests.book.kill", *session.posargs)


@nox.session
def kill_postgres(session: nox.Session) -> None:
    """Buy by two workers on PostgreSQL among 200 faults; `-- --faults 50` for fewer."""
    session.install("-q", ".[workers]", *_group("test"))
    session.run("python", "-m", "tests.book.kill_postgres", *session.posargs)


@nox.session
def netns(session: nox.Session) -> None:
    """Let pooled connections die silently, in network namespaces; needs root."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        session.error("netns makes network namespaces: run it as root, on Linux")
    absent = [name for name in ("ip", "ss", "iptables") if shutil.which(name) is None]
    if absent:
        session.error(
            f"netns needs {', '.join(absent)}: apt-get install iproute2 iptables"
        )
    session.install("-q", ".", *_group("test"))
    # Each test mostly waits; the tests have namespaces of their own.
    session.run("pytest", "-q", "-n", "4", "tests/netns", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """Build the pages into build/docs; `-- --external` asks other sites' links, too."""
    session.install("-q", *DEPENDENCIES, *_group("docs"))
    session.run("python", "-m", "docs.pictures", "--check")
    # The text is for llms.txt, which stands beside the pages.
    builders = ["html", "text", *(["linkcheck"] if session.posargs else [])]
    options = ["-q", "-W", "--keep-going", "-d", "build/doctrees"]
    shutil.rmtree("build/docs", ignore_errors=True)
    shutil.rmtree("build/doctrees", ignore_errors=True)
    for builder in builders:
        out = "build/links" if builder == "linkcheck" else "build/docs"
        session.run("python", "-m", "sphinx", "-b", builder, *options, "docs", out)


@nox.session
def package(session: nox.Session) -> None:
    """Build and judge wheel and sdist; test them on the oldest dependencies."""
    session.install("-q", *_group("package"))
    folder = Path(session.create_tmp()).resolve()
    built, direct, empty, source = (
        folder / name for name in ("built", "direct", "empty", "source")
    )
    for old in (built, direct, empty, source):
        shutil.rmtree(old, ignore_errors=True)
    build = ("python", "-m", "build", "--outdir")
    session.run(*build, str(built), silent=True)
    session.run(*build, str(direct), "--wheel", silent=True)
    [sdist], [wheel] = built.glob("*.tar.gz"), built.glob("*.whl")
    session.run("twine", "check", "--strict", str(sdist), str(wheel))
    session.run("python", "-m", "tests.packaging", str(built), str(direct))
    shutil.unpack_archive(sdist, source, filter="data")
    session.run("python", "-m", "venv", str(empty))
    # The SDK of MCP needs a later anyio than the core, whose tests do not need it.
    floors = [bound for bound in DEPENDENCIES if bound not in EXTRAS["mcp"]]
    oldest = [bound.replace(">=", "==") for bound in floors]
    tools = ("hypothesis", "pytest", "pytest-xdist")
    pip = (str(empty / "bin" / "python"), "-m", "pip", "install", "-q")
    session.run(*pip, str(wheel), *oldest, *tools, external=True)
    # The sdist brings the tests; what they test must be the wheel.
    [unpacked] = source.iterdir()
    shutil.rmtree(unpacked / "openfunnel_async")
    pytest = (str(empty / "bin" / "pytest"), "-q", "-n", "auto")
    with session.chdir(unpacked):
        session.run(*pytest, *(session.posargs or CORE), external=True)


@nox.session
def audit(session: nox.Session) -> None:
    """Ask PyPI's advisories about the dependencies; on demand, for it needs PyPI."""
    session.install("-q", *_group("audit"))
    asked = Path(session.create_tmp(), "requirements.txt")
    asked.write_text("".join(f"{bound}\n" for bound in DEPENDENCIES), encoding="utf-8")
    session.run("pip-audit", "--strict", "-r", str(asked), *session.posargs)


# The Pythons that the benchmarks compare.
COMPARED = ("3.11", "3.13")


@nox.session
def bench(session: nox.Session) -> None:
    """Measure the SDK beside its peers and write docs/benchmarks.md; on demand.

    One table compares versions of Python. An interpreter is found on the path or among
    those of pyenv; one that is not found is not measured, which the page says.
    """
    session.install("-q", *DEPENDENCIES, *_group("bench"))
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    others = {v: _find_python(v) for v in COMPARED if v != own}
    named = [
        f"--python={_prepare(session, version, python)}"
        for version, python in others.items()
        if python is not None
    ]
    session.run("python", "-m", "tests.benchmarks", *named, *session.posargs)


def _find_python(version: str) -> str | None:
    """Find an interpreter that can make an environment."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    managed = sorted(pyenv.glob(f"versions/{version}.*/bin/python"))
    for python in (f"python{version}", *map(str, managed)):
        if _starts(python, "import ensurepip, venv"):
            return python
    return None


def _prepare(session: nox.Session, version: str, python: str) -> Path:
    """Make an environment with the core and orjson, and return its interpreter."""
    folder = Path(session.create_tmp(), f"python{version}").resolve()
    session.run(python, "-m", "venv", str(folder), external=True)
    own = folder / "bin" / "python"
    needed = (*PROJECT["project"]["dependencies"], *EXTRAS["speed"])
    session.run(str(own), "-m", "pip", "install", "-q", *needed, external=True)
    return own
