"""The files of the repository as tests of the house rules read them."""

import ast
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parents[2]
#: Folders of foreign packages and of built files.
_NOT_WRITTEN_HERE = {".venv", "node_modules", "vendor", "dist", "target"}


@dataclass(frozen=True)
class SourceFile:
    path: PurePosixPath
    text: str

    @property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    def inside(self, *folders: str) -> bool:
        return any(self.path.is_relative_to(folder) for folder in folders)

    def imports(self) -> Iterator[tuple[int, str, str]]:
        """Yield line, module and name of each import anywhere in the file; the name is "" for `import x`."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from ((node.lineno, alias.name, "") for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                module = self._absolute(node)
                yield from ((node.lineno, module, alias.name) for alias in node.names)

    def attributes(self) -> Iterator[tuple[int, str, str]]:
        """Yield line, owner and attribute of each `owner.attribute`; of `a.b.attribute` the owner is `b`."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Attribute):
                owner = node.value.attr if isinstance(node.value, ast.Attribute) else getattr(node.value, "id", "")
                yield node.lineno, owner, node.attr

    def _absolute(self, node: ast.ImportFrom) -> str:
        package = list(self.path.parts[: -node.level]) if node.level else []
        return ".".join([*package, *([node.module] if node.module else [])])


def source_files(*folders: str, endings: tuple[str, ...] = (".py",)) -> list[SourceFile]:
    """The files in these folders that people write."""
    found: list[Path] = []
    for folder in folders:
        for directory, inside, names in os.walk(ROOT / folder):
            inside[:] = set(inside) - _NOT_WRITTEN_HERE
            found += [Path(directory, name) for name in names if name.endswith(endings)]
    return [SourceFile(PurePosixPath(path.relative_to(ROOT).as_posix()), path.read_text()) for path in sorted(found)]
