"""What is made of rows: table, totals, plot, and the command line around them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from bench import plot, table
from bench.__main__ import main
from bench.kinds import kinds


def row(file: str, codec: str, stored: int, **fields: Any) -> dict[str, Any]:
    speeds = dict.fromkeys(("encode_mbps", "decode_mbps", "encode_wall_mbps", "decode_wall_mbps"), 100.0)
    base = {"kind": "bytes", "set": "s", "file": file, "codec": codec, "raw_bytes": 1000}
    return base | speeds | {"stored_bytes": stored, "peak_mib": 1.5, "exact": True, "versions": {}} | fields


ROWS = [
    row("a", "laconic:fast", 500, encode_mbps=10.0),
    row("a", "peer", 600),
    row("a", "absent", 0) | {"error": "absent is not installed"},
    row("b", "laconic:fast", 125, encode_mbps=1000.0),
    row("b", "peer", 900, exact=False),
    row("b", "absent", 0) | {"error": "absent is not installed"},
]


def test_totals_add_sizes_and_take_geometric_means() -> None:
    ours, peer, absent = table.totals(ROWS)
    assert ours["stored_bytes"] == 625
    assert ours["raw_bytes"] == 2000
    assert ours["ratio_mean"] == pytest.approx(0.25)
    assert ours["encode_mbps"] == pytest.approx(100)
    assert ours["exact"] is True
    assert peer["exact"] is False
    assert absent["error"] == "no result on 2 of 2 files: absent is not installed"


def test_table_shows_every_codec_of_every_file() -> None:
    text = table.render(ROWS)
    assert text.count("laconic:fast") == 3
    assert "s / a, 1,000 bytes" in text
    assert "s, 2 files, 2,000 bytes" in text
    assert "31.25 (25.00)" in text
    assert "absent is not installed" in text
    assert [line.split()[-1] for line in text.splitlines() if line.startswith("  peer")] == [
        "yes",
        "NO",
        "NO",
    ]


def test_rows_with_the_fewest_fields_are_shown() -> None:
    fewest = {key: ROWS[0][key] for key in ("set", "file", "codec", "raw_bytes", "stored_bytes", "exact")}
    assert "50.00" in table.render([fewest])


def test_svg_is_well_formed_and_names_codecs() -> None:
    document = ElementTree.fromstring(plot.svg(plot.panels(ROWS)))
    texts = [element.text for element in document.iter("{http://www.w3.org/2000/svg}text")]
    assert {"s: encode", "s: decode", "laconic:fast", "peer"} <= set(texts)
    assert "absent" not in texts


def test_labels_do_not_overlap() -> None:
    assert plot._spread([10.0, 11.0, 50.0, 99.0], gap=12, last=90) == [10, 22, 50, 90]
    assert plot._spread([88.0, 89.0, 90.0], gap=12, last=90) == [66, 78, 90]


def test_kinds_are_found_by_file() -> None:
    assert {"bytes", "weights", "entropy"} <= kinds().keys()


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.txt").write_bytes(b"some text " * 100)
    out, picture = tmp_path / "out.json", tmp_path / "out.svg"
    arguments = ["bytes", "--data", str(tmp_path / "in"), "--codec", "bzip2:*", "--repeat", "1"]
    assert main([*arguments, "--json", str(out), "--plot", str(picture)]) == 0
    assert "a.txt" in capsys.readouterr().out
    (written,) = json.loads(out.read_text())
    assert (written["set"], written["file"], written["raw_bytes"]) == ("in", "a.txt", 1000)
    assert picture.read_text().startswith("<svg")


@pytest.mark.parametrize(
    "arguments",
    [
        ["bytes"],
        ["bytes", "--data", "no such folder"],
        ["bytes", "--data", ".", "--plot", "x.gif"],
        ["nothing"],
    ],
)
def test_usage_errors(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code != 0
