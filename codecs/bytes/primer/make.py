"""Writes `primer.zdict`: what small inputs of level `fast` and `default` start from. Run once; the file is part of the format.

    python codecs/bytes/primer/make.py

All samples are made here from word lists of our own, so nobody's text ships with the package: JSON, logs, source code, configuration,
markup, tables and plain English, of the shapes that such things have everywhere. zstd's trainer chooses what is worth keeping.
"""

from __future__ import annotations

import json
import random
from pathlib import Path

import zstandard

SIZE = 48 << 10

WORDS = """the of and to in a is that for it as was with be by on not he his but at are this have from or had an they which one you were all
her she there would their we him been has when who will no more if out so said what up its about than into them can only other time new some
could these two may first then do any like my now over such our man me even most made after also did many before must through years where much
your way well down should because each just those people how too little state good very make world still see own men work long here get both
between life being under never day same another know while last might us great old year off come since against go came right used take three
system data value number list file line name type user time error message request response server client key index table row column string
length size count result return function class method object model test build version update create delete read write open close start stop
connection failed succeeded timeout retry queue worker thread process memory cache disk network address port host path directory""".split()
NAMES = (
    "alice bob carol david emma frank grace henry irene jack karen louis maria nina oscar paul quinn rosa simon tina victor wendy".split()
)
CITIES = (
    "London Paris Berlin Madrid Rome Vienna Prague Oslo Dublin Lisbon Athens Tokyo Delhi Cairo Lima Boston Chicago Denver Seattle".split()
)
KEYS = """id name type value status code message error data items results count total page limit offset next previous url href title description
created_at updated_at timestamp date time user user_id username email first_name last_name address city country phone price currency amount
quantity tags labels metadata attributes properties version enabled active visible public private width height latitude longitude location
coordinates start end duration size length content text body author language format source target parent children role permissions token
session_id request_id trace_id level logger host service""".split()
LEVELS = ["INFO", "INFO", "INFO", "DEBUG", "WARN", "WARNING", "ERROR"]
MODULES = "server worker http db.pool cache auth scheduler storage.disk net.socket api.handler queue.consumer session config main".split()


def sentence(rng: random.Random) -> str:
    words = [rng.choice(WORDS) for _ in range(rng.randint(6, 18))]
    return " ".join(words).capitalize() + rng.choice([".", ".", ".", "?", ", " + " ".join(rng.sample(WORDS, 4)) + "."])


def stamp(rng: random.Random, between: str = "T") -> str:
    return (
        f"20{rng.randint(15, 26)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}{between}"
        f"{rng.randint(0, 23):02}:{rng.randint(0, 59):02}:{rng.randint(0, 59):02}"
    )


def value(rng: random.Random, key: str, depth: int) -> object:
    if key in ("created_at", "updated_at", "timestamp", "date", "time", "start", "end"):
        return stamp(rng) + rng.choice(["Z", ".000Z", "+00:00"])
    if key in ("enabled", "active", "visible", "public", "private"):
        return rng.random() < 0.6
    if key in ("url", "href"):
        return f"https://www.example.com/api/v{rng.randint(1, 3)}/{rng.choice(WORDS)}/{rng.randint(1, 9999)}"
    if key == "email":
        return f"{rng.choice(NAMES)}.{rng.choice(NAMES)}@example.com"
    if key in ("first_name", "username", "author", "user"):
        return rng.choice(NAMES).capitalize()
    if key in ("city", "location"):
        return rng.choice(CITIES)
    if key in ("description", "text", "body", "content", "message", "title"):
        return sentence(rng)
    if key in ("tags", "labels", "permissions"):
        return rng.sample(WORDS, rng.randint(0, 3))
    if key in ("latitude", "longitude", "price", "amount", "duration"):
        return round(rng.uniform(-180, 180), rng.choice([2, 3, 6]))
    if depth < 2 and key in ("data", "metadata", "attributes", "properties", "parent", "address", "source", "target"):
        return document(rng, depth + 1)
    if depth < 2 and key in ("items", "results", "children", "coordinates"):
        return [document(rng, depth + 1) for _ in range(rng.randint(0, 3))]
    if key in ("session_id", "request_id", "trace_id", "token"):
        return f"{rng.getrandbits(64):016x}"
    if key in ("name", "type", "status", "role", "language", "format", "currency", "service", "level"):
        return rng.choice(
            ["active", "ok", "success", "failed", "pending", "admin", "user", "en", "json", "USD", "EUR", "string", "number", "object"]
        )
    return rng.choice([None, 0, 1, rng.randint(0, 99), rng.randint(100, 99999), rng.choice(WORDS)])


def document(rng: random.Random, depth: int = 0) -> dict[str, object]:
    return {key: value(rng, key, depth) for key in rng.sample(KEYS, rng.randint(3, 9))}


def json_sample(rng: random.Random) -> str:
    made: object = document(rng) if rng.random() < 0.5 else [document(rng) for _ in range(4)]
    style = rng.random()
    if style < 0.35:
        return json.dumps(made)
    if style < 0.7:
        return json.dumps(made, separators=(",", ":"))
    return json.dumps(made, indent=rng.choice([2, 4])) + "\n"


def log_sample(rng: random.Random) -> str:
    style, lines = rng.randint(0, 4), []
    for _ in range(rng.randint(6, 20)):
        module, level = rng.choice(MODULES), rng.choice(LEVELS)
        address = f"{rng.choice(['10.0', '192.168', '172.16', '127.0'])}.{rng.randint(0, 9)}.{rng.randint(1, 254)}"
        event = rng.choice(
            [
                f"Connection from {address}:{rng.randint(1024, 65535)} closed",
                f"Failed to open file /var/log/{rng.choice(WORDS)}.log: No such file or directory",
                f"request completed in {rng.randint(1, 900)} ms status={rng.choice([200, 201, 204, 301, 400, 404, 500])}",
                f"Starting worker {rng.randint(1, 64)} of {rng.randint(1, 64)}",
                f"session opened for user {rng.choice(NAMES)} by (uid=0)",
                f"Received block of size {rng.randint(100, 99999999)} from /{address}:50010",
                f"java.lang.{rng.choice(['RuntimeException', 'IllegalStateException', 'NullPointerException'])}: {sentence(rng)}",
                f"Exception in thread main, retrying in {rng.randint(1, 60)} seconds (attempt {rng.randint(1, 5)})",
                f"authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost={address} user={rng.choice(NAMES)}",
                sentence(rng),
            ]
        )
        if style == 0:
            lines.append(f"{stamp(rng, ' ')},{rng.randint(0, 999):03} {level} [{module}] {event}")
        elif style == 1:
            lines.append(
                f"{rng.choice(['Jan', 'Feb', 'Mar', 'Jun', 'Jul', 'Oct', 'Dec'])} {rng.randint(1, 28):2} {stamp(rng)[11:]} host{rng.randint(1, 9)} {module}[{rng.randint(100, 32000)}]: {event}"
            )
        elif style == 2:
            lines.append(
                f'{address} - - [{rng.randint(1, 28):02}/Jan/2024:{stamp(rng)[11:]} +0000] "{rng.choice(["GET", "POST"])} /{rng.choice(WORDS)}/{rng.choice(WORDS)}.html HTTP/1.1" '
                f'{rng.choice([200, 304, 404])} {rng.randint(100, 50000)} "-" "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Safari/537.36"'
            )
        elif style == 3:
            lines.append(json.dumps({"time": stamp(rng) + "Z", "level": level.lower(), "logger": module, "msg": event}))
        else:
            lines.append(f"[{stamp(rng, ' ')}] [{level.lower()}] [{module}] {event}")
    return "\n".join(lines) + "\n"


def code_sample(rng: random.Random) -> str:
    a, b, c, d = rng.sample(WORDS[-90:], 4)
    return rng.choice(
        [
            f'''"""{sentence(rng)}"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np


class {a.capitalize()}{b.capitalize()}:
    """{sentence(rng)}

    Args:
        {a}: {sentence(rng)}
        {b}: {sentence(rng)}

    Returns:
        {sentence(rng)}

    Raises:
        ValueError: if {sentence(rng).lower()}
    """

    def __init__(self, {a}: int, {b}: str | None = None) -> None:
        self.{a} = {a}
        self._{b} = {b}
        self.{c}: list[str] = []

    def get_{c}(self, {d}: str = "") -> dict[str, Any]:
        if not isinstance({d}, str):
            raise TypeError("{d} must be a string")
        for i, {c} in enumerate(self.{c}):
            if {c} is None or len({c}) == 0:
                continue
            try:
                return {{"{a}": self.{a}, "{d}": {c}}}
            except (KeyError, ValueError) as e:
                print(f"error: {{e}}", file=sys.stderr)
        return {{}}


if __name__ == "__main__":
    main()
''',
            f"""#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdint.h>

/* {sentence(rng)} */
static int {a}_{b}(struct {a} *{c}, const char *{d}, size_t size)
{{
    int i;
    unsigned char *p = malloc(size * sizeof(*p));
    if (p == NULL) {{
        fprintf(stderr, "{a}: out of memory\\n");
        return -1;
    }}
    for (i = 0; i < (int)size; i++) {{
        if ({d}[i] == '\\0')
            break;
        p[i] = {d}[i];
    }}
    switch ({c}->type) {{
    case 0:
        break;
    default:
        return 0;
    }}
    free(p);
    return 1;
}}
""",
            f"""#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

namespace {a} {{

// {sentence(rng)}
template <class T>
class {b.capitalize()} {{
public:
    explicit {b.capitalize()}(std::size_t {c}) : {c}_({c}) {{}}
    const std::vector<std::string>& {d}() const {{ return {d}_; }}

    bool operator==(const {b.capitalize()}& other) const = default;

private:
    std::size_t {c}_ = 0;
    std::vector<std::string> {d}_;
}};

inline std::uint32_t {d}(const std::uint8_t* data, std::size_t size) {{
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i < size; ++i) sum += static_cast<std::uint32_t>(data[i]);
    return sum;
}}

}}  // namespace {a}
""",
            f"""'use strict';

import {{ {a}, {b} }} from './{c}';
const {d} = require('{d}');

// {sentence(rng)}
export default function {a}{b.capitalize()}({c}, options = {{}}) {{
  const result = [];
  let index = 0;
  if (typeof {c} === 'undefined' || {c} === null) {{
    throw new Error('{c} is required');
  }}
  for (const item of {c}) {{
    if (item.{d} !== undefined && item.{d}.length > 0) {{
      result.push({{ id: index++, {d}: item.{d} }});
    }}
  }}
  return new Promise((resolve, reject) => {{
    setTimeout(() => resolve(result), 1000);
  }});
}}

module.exports = {{ {a}, {b} }};
""",
            f"""package {a}

import (
\t"context"
\t"errors"
\t"fmt"
)

// {b.capitalize()} {sentence(rng).lower()}
type {b.capitalize()} struct {{
\tName string `json:"name"`
\t{c.capitalize()} []byte `json:"{c},omitempty"`
}}

func (s *{b.capitalize()}) {d.capitalize()}(ctx context.Context, {c} string) (int, error) {{
\tif err := ctx.Err(); err != nil {{
\t\treturn 0, fmt.Errorf("{d}: %w", err)
\t}}
\tfor i, v := range s.{c.capitalize()} {{
\t\tif v == 0 {{
\t\t\treturn i, nil
\t\t}}
\t}}
\treturn 0, errors.New("{a}: not found")
}}
""",
            f"""<!DOCTYPE html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>{sentence(rng)}</title>
  <link rel="stylesheet" href="/css/{a}.css">
</head>
<body>
  <div class="{a}-{b}" id="{c}">
    <h1>{sentence(rng)}</h1>
    <p>{sentence(rng)} <a href="https://www.example.org/{d}">{sentence(rng)}</a></p>
    <ul>
      <li><span class="{d}">{sentence(rng)}</span></li>
    </ul>
  </div>
  <script type="text/javascript" src="/js/{b}.js"></script>
</body>
</html>
""",
            f"""<?xml version="1.0" encoding="UTF-8"?>
<{a} xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
  <{b} id="{rng.randint(1, 999)}" type="{c}">
    <name>{rng.choice(NAMES)}</name>
    <value>{rng.randint(0, 9999)}</value>
    <description>{sentence(rng)}</description>
  </{b}>
</{a}>
""",
            f"""CREATE TABLE {a}_{b} (id INTEGER PRIMARY KEY, name VARCHAR(255) NOT NULL, created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP);
INSERT INTO {a}_{b} (id, name) VALUES ({rng.randint(1, 99)}, '{c}');
SELECT t.id, t.name, COUNT(*) FROM {a}_{b} AS t LEFT JOIN {c} ON {c}.id = t.{c}_id WHERE t.name = '{d}' GROUP BY t.id ORDER BY t.id DESC LIMIT 10;
UPDATE {a}_{b} SET name = '{d}' WHERE id = {rng.randint(1, 99)};
""",
            f"""name: {a}
version: "{rng.randint(0, 3)}.{rng.randint(0, 20)}.{rng.randint(0, 9)}"
services:
  {b}:
    image: {c}:latest
    ports:
      - "{rng.randint(1000, 9999)}:80"
    environment:
      - LOG_LEVEL=info
    restart: always
[{a}]
{b} = true
{c} = "{d}"
path = /usr/local/share/{a}/{b}
""",
        ]
    )


def table_sample(rng: random.Random) -> str:
    between = rng.choice([",", ",", "\t", ";"])
    head = between.join(rng.sample(KEYS, 6))
    rows = [
        between.join(
            [
                str(rng.randint(1, 99999)),
                rng.choice(NAMES),
                stamp(rng, " "),
                f"{rng.uniform(0, 999):.2f}",
                rng.choice(CITIES),
                rng.choice(["true", "false"]),
            ]
        )
        for _ in range(12)
    ]
    return "\n".join([head, *rows]) + "\n"


def text_sample(rng: random.Random) -> str:
    return "\n\n".join(" ".join(sentence(rng) for _ in range(4)) for _ in range(3)) + "\n"


def main() -> None:
    rng = random.Random(1)
    makers = [json_sample] * 5 + [log_sample] * 4 + [code_sample] * 6 + [table_sample] * 1 + [text_sample] * 2
    samples = [rng.choice(makers)(rng).encode() for _ in range(4000)]
    trained = zstandard.train_dictionary(SIZE, samples, level=19, dict_id=0x6C616331)
    Path(__file__).with_name("primer.zdict").write_bytes(trained.as_bytes())


if __name__ == "__main__":
    main()
