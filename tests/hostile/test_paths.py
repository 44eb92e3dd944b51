"""No name, link or folder in an archive makes extraction write outside the output folder."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import laconic
from laconic.container.table import Entry

BAD = [
    "..",
    "../x",
    "../../x",
    "a/../../x",
    "a/..",
    "a/../b",
    "/",
    "/x",
    "/etc/passwd",
    "//x",
    "///",
    "a//b",
    "a/",
    "a/b/",
    "./../x",
    "x\0y",
    "\0",
    "a/\0/b",
    "a/" + "n" * 256,
    "n" * 256,
    "é" * 128,
    "/".join([".."] * 30) + "/etc/passwd",
    "..//x",
    "a/./../../x",
    "/../x",
    "/./x",
    "a/.././../x",
    "../a/../../x",
    ".",
    "./",
    "a/../..",
    "../",
    "../.",
    "/tmp/x",
    "//server/share",
    "/dev/null",
    "/proc/self/mem",
]
ODD = [  # restored below the output folder under exactly this name on POSIX
    "C:\\x",
    "C:/x",
    "c:x",
    "\\\\server\\share\\x",
    "..\\x",
    "..\\..\\x",
    "a\\..\\..\\x",
    "CON",
    "NUL",
    "aux.txt",
    "a:b",
    "x ",
    "x.",
    "...",
    "....",
    ".. ",
    " ..",
    "~",
    "~root/x",
    "$HOME",
    "-rf",
    "--force",
    "*",
    "a\nb",
    "\x1b[2J",
    "\u202egnp.exe",
    "%2e%2e/x",
    "..%2fx",
    "\uff0e\uff0e/x",
    "\udc80\udcff",
    ".hidden",
    "n" * 255,
    "é" * 127,
]


def cli(*args: Any, **options: Any) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([sys.executable, "-m", "laconic.cli", *map(str, args)], capture_output=True, timeout=60, **options)


def crafted(entries: list[tuple[str, str, dict[str, Any], bytes]]) -> bytes:
    """An archive of (name, type, metadata, content); nothing checks the names."""
    file = io.BytesIO()
    with laconic.open(file, "w") as archive:
        for name, type_, meta, content in entries:
            if type_ == "file":
                archive._writer.add_small(Entry(name, "file", meta=meta), content, laconic.registry.get("bytes"), b"", "default")  # type: ignore[attr-defined]
            else:
                archive._writer.add_entry(Entry(name, type_, meta=meta))
    return file.getvalue()


def extract(tmp_path: Path, blob: bytes, *args: Any) -> tuple[int, list[str], str]:
    """(exit code, all that is in tmp_path afterwards but the archive, messages)"""
    import laconic.cli.decode as decode
    from laconic.cli.errors import code_of, describe

    (tmp_path / "a.lac").write_bytes(blob)
    (tmp_path / "canary").write_bytes(b"untouched")
    (tmp_path / "out").mkdir(exist_ok=True)
    message = ""
    try:
        code = decode.run_decode(
            str(tmp_path / "a.lac"),
            (),
            str(tmp_path / "out") + "/",
            base=(),
            jobs=1,
            keep=True,
            force="--force" in args,
            max_output=None,
            quiet=True,
            verbose=False,
            as_json=False,
        )
    except Exception as error:
        code, message = code_of(error) or -1, describe(error)
    assert (tmp_path / "canary").read_bytes() == b"untouched"
    listing = sorted(
        str(Path(folder, name).relative_to(tmp_path)) for folder, folders, files in os.walk(tmp_path) for name in (*folders, *files)
    )
    return code, [name for name in listing if name not in ("a.lac", "canary", "out")], message


@pytest.mark.parametrize("type_", ["file", "dir", "symlink"])
@pytest.mark.parametrize("name", BAD, ids=ascii)
def test_names_that_leave(name: str, type_: str, tmp_path: Path) -> None:
    meta = {"target": "x"} if type_ == "symlink" else {}
    code, found, message = extract(tmp_path, crafted([(name, type_, meta, b"evil")]))
    assert code == 3, message
    assert found in ([], ["out/a"])
    assert "\n" not in message


@pytest.mark.parametrize("name", ODD, ids=ascii)
def test_names_that_only_look_odd(name: str, tmp_path: Path) -> None:
    code, found, message = extract(tmp_path, crafted([(name, "file", {}, b"fine")]))
    assert code == 0, message
    assert (tmp_path / "out" / name).read_bytes() == b"fine"
    assert all(f.startswith("out") for f in found)


@pytest.mark.parametrize(
    "target", ["..", "../x", "/", "/etc", "a/../../x", "/etc/passwd", "", "a\0b", "x/../../..", "./../..", 5, None, b"..", b"/etc", ["x"]]
)
def test_links_that_point_outside(target: Any, tmp_path: Path) -> None:
    code, found, message = extract(tmp_path, crafted([("link", "symlink", {"target": target} if target is not None else {}, b"")]))
    assert (code, found) == (3, []), message


TRICKS: list[tuple[str, list[tuple[str, str, dict[str, Any], bytes]]]] = [
    ("through a link", [("d", "symlink", {"target": "real"}, b""), ("d/x", "file", {}, b"evil")]),
    ("through a link to outside", [("d", "symlink", {"target": ".."}, b""), ("d/x", "file", {}, b"evil")]),
    (
        "link chain",
        [
            ("a", "dir", {}, b""),
            ("a/b", "symlink", {"target": ".."}, b""),
            ("c", "symlink", {"target": "a/b/.."}, b""),
            ("c/canary", "file", {}, b"evil"),
        ],
    ),
    (
        "links that climb by each other",
        [("a", "symlink", {"target": "b/.."}, b""), ("b", "symlink", {"target": "a/.."}, b""), ("a/canary", "file", {}, b"evil")],
    ),
    ("a folder over a link", [("d", "symlink", {"target": "real"}, b""), ("d", "dir", {"mode": 0o777}, b"")]),
    ("a link over a folder", [("d", "dir", {}, b""), ("d/x", "file", {}, b"x"), ("d", "symlink", {"target": "."}, b"")]),
    ("a file over a folder", [("d", "dir", {}, b""), ("d/x", "file", {}, b"x"), ("d", "file", {}, b"evil")]),
    ("a folder over a file", [("d", "file", {}, b"x"), ("d", "dir", {}, b"")]),
    ("below a file", [("d", "file", {}, b"x"), ("d/x", "file", {}, b"evil")]),
    ("a link over a file", [("f", "file", {}, b"x"), ("f", "symlink", {"target": "g"}, b"")]),
    ("a file twice", [("f", "file", {}, b"one"), ("./f", "file", {}, b"two")]),
    ("set-uid", [("f", "file", {"mode": 0o6777}, b"x")]),
    (
        "a huge mode",
        [("f", "file", {"mode": 1 << 40, "mtime_ns": 1 << 62}, b"x"), ("g", "file", {"mode": -1, "mtime_ns": -(1 << 62)}, b"x")],
    ),
]


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize(("label", "entries"), TRICKS, ids=[label for label, _ in TRICKS])
def test_tricks(label: str, entries: list[tuple[str, str, dict[str, Any], bytes]], force: bool, tmp_path: Path) -> None:
    code, found, message = extract(tmp_path, crafted(entries), *(["--force"] if force else []))
    assert code in (0, 1, 3), message
    assert all(name.startswith("out/") for name in found)
    for name in found:
        path = tmp_path / name
        assert not path.is_symlink() or tmp_path / "out" in path.resolve().parents or path.resolve() == tmp_path / "out"
        assert not path.lstat().st_mode & 0o6000


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("entry", [("d/x", "file"), ("d", "dir"), ("d/e", "dir"), ("d/e", "symlink"), ("d/e/f", "file")])
def test_links_that_were_there_before(entry: tuple[str, str], force: bool, tmp_path: Path) -> None:
    """A link in the output folder (planted, or of an earlier archive) is not followed."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "d").symlink_to(tmp_path / "elsewhere")
    code, _, message = extract(tmp_path, crafted([(*entry, {"target": "x", "mode": 0o700}, b"evil")]), *(["--force"] if force else []))
    assert code == 3, message
    assert os.listdir(tmp_path / "elsewhere") == []


@pytest.mark.parametrize("force", [False, True])
def test_a_file_link_that_was_there_before(force: bool, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "f").symlink_to(tmp_path / "canary")
    code, _, _ = extract(tmp_path, crafted([("f", "file", {}, b"new")]), *(["--force"] if force else []))
    assert code == (0 if force else 1)
    assert (tmp_path / "out" / "f").is_symlink() is not force


def test_a_temporary_name_that_was_planted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What lies where a temporary file would go is neither followed nor overwritten."""
    (tmp_path / "out").mkdir()
    from laconic import durable

    tokens = iter(["00", "00", "01"])
    monkeypatch.setattr(durable, "_token", lambda: next(tokens))
    (tmp_path / "out" / ".laconic-00.tmp").symlink_to(tmp_path / "canary")
    code, _, _ = extract(tmp_path, crafted([("f", "file", {}, b"new")]))
    assert code == 0
    assert (tmp_path / "out" / "f").read_bytes() == b"new"


def test_salvage_takes_the_same_care(tmp_path: Path) -> None:
    for name in BAD[:30]:
        blob = crafted([("good", "file", {}, b"fine"), (name, "file", {}, b"evil"), ("l", "symlink", {"target": "/etc"}, b"")])
        (tmp_path / "a.lac").write_bytes(blob[:-40])
        out = tmp_path / f"out{BAD.index(name)}"
        import laconic.cli.salvage as salvage

        code = salvage.salvage_command.main([str(tmp_path / "a.lac"), "-o", str(out)], standalone_mode=False)
        assert code == 3
        assert (out / "good").read_bytes() == b"fine"
        assert {"good", "a"} >= set(os.listdir(out))
    assert not (tmp_path / "x").exists()
