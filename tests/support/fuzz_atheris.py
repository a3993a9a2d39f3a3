"""Lets atheris look for input that breaks a parser: `python -m tests.support.fuzz_atheris NAME RUNS SEED FOLDER`.

It watches which lines an input reaches and goes on from inputs that reach new ones. It is no part of the locks, because
it has wheels for few systems: `.venv/bin/pip install atheris`.
"""

import sys
from pathlib import Path


def main(name: str, runs: str, seed: str, folder: str) -> None:
    import atheris  # noqa: PLC0415 - optional

    with atheris.instrument_imports(include=["authserver", "authserver_resource"]):
        from tests.support.fuzz_parsers import PARSERS  # noqa: PLC0415 - has to be imported here

    (parser,) = [parser for parser in PARSERS if parser.name == name]
    for number, sample in enumerate(parser.samples):
        (Path(folder) / str(number)).write_bytes(sample)

    def read(data: bytes) -> None:
        parser.read(data)

    # At most a minute, and no input may take 20 seconds.
    bounds = [f"-runs={runs}", "-max_total_time=60", "-timeout=20", "-max_len=2000"]
    atheris.Setup([sys.argv[0], *bounds, f"-seed={seed}", f"-artifact_prefix={folder}/", folder], read)
    atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
