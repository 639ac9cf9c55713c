"""Parser plugins as honest people and models write them; none may give a finding."""

import textwrap

_CSV = '''
"""Daily sales exports."""
import csv
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation

from casparian_flow.sdk import BasePlugin, PluginMetadata

MANIFEST = PluginMetadata(pattern="sales_*.csv", topic="sales", priority=10, subscriptions=["pos"])

REQUIRED = ("date", "store", "amount")


class Handler(BasePlugin):
    """One file, one day."""

    def execute(self, path: str) -> None:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, delimiter=";")
            missing = [name for name in REQUIRED if name not in (reader.fieldnames or [])]
            if missing:
                raise ValueError(f"missing columns: {', '.join(missing)}")
            self.publish("sales", self._rows(reader))

    def _rows(self, reader) -> Iterator[dict]:
        for row in reader:
            try:
                amount = Decimal(row["amount"].replace(".", "").replace(",", "."))
            except InvalidOperation as error:
                self.quarantine(row, f"bad amount: {error}", line=reader.line_num)
                continue
            yield {"date": row["date"], "store": row["store"].strip(), "amount": amount}
'''
_DATACLASS = """
import re
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone

from casparian_flow.sdk import BasePlugin, PluginMetadata

MANIFEST = PluginMetadata(pattern="*.log", topic="requests")

LINE = re.compile(
    r"^(?P<ip>\\S+) \\S+ \\S+ \\[(?P<time>[^\\]]+)\\] \\"(?P<method>\\S+) (?P<url>\\S+)"
    r" [^\\"]*\\" (?P<status>\\d{3}) (?P<size>\\d+|-)",
    re.ASCII | re.IGNORECASE,
)


@dataclass(frozen=True)
class Request:
    ip: str
    time: datetime
    type: str
    url: str
    status: int
    size: int | None = None
    tags: list[str] = field(default_factory=list)


def parse(line: str) -> Request | None:
    match = LINE.match(line)
    if match is None:
        return None
    when = datetime.strptime(match["time"], "%d/%b/%Y:%H:%M:%S %z").astimezone(timezone.utc)
    size = None if match["size"] == "-" else int(match["size"])
    return Request(match["ip"], when, match["method"], match["url"], int(match["status"]), size)


class Handler(BasePlugin):
    def execute(self, path):
        self.publish("requests", self.rows(path))

    def rows(self, path):
        with open(path, encoding="utf-8", errors="replace") as lines:
            for number, line in enumerate(lines, start=1):
                request = parse(line.rstrip("\\n"))
                if request is None:
                    self.quarantine(line, "not in common log format", number)
                else:
                    yield asdict(request)
"""
_ENUM = """
from enum import Enum
import struct
from typing import NamedTuple, Optional
from casparian_flow.sdk import BasePlugin, PluginMetadata

MANIFEST: PluginMetadata = PluginMetadata(pattern="*.bin", topics=["readings", "events"])
HEADER = struct.Struct("<4sHI")
RECORD = struct.Struct("<IfB")


class Kind(Enum):
    READING = 1
    EVENT = 2


class Record(NamedTuple):
    time: int
    value: float
    kind: Kind


class Handler(BasePlugin):
    MAGIC = b"SENS"

    def execute(self, path):
        with open(path, "rb") as file:
            magic, version, count = HEADER.unpack(file.read(HEADER.size))
            if magic != self.MAGIC:
                raise ValueError(f"bad magic {magic!r}")
            records = [self._read(file.read(RECORD.size)) for _ in range(count)]
        readings = [r._asdict() for r in records if r.kind is Kind.READING]
        for row in readings:
            row["kind"] = row["kind"].name
        self.publish("readings", readings)
        self.publish("events", [{"time": r.time} for r in records if r.kind is Kind.EVENT])

    @staticmethod
    def _read(raw: bytes) -> Record:
        time, value, kind = RECORD.unpack(raw)
        return Record(time, value, Kind(kind))
"""
_XML = """
import xml.etree.ElementTree as ET
from casparian_flow.sdk import BasePlugin, PluginMetadata

MANIFEST = PluginMetadata(pattern="camt/*.xml", topic="payments")
NS = {"c": "urn:iso:std:iso:20022:tech:xsd:camt.053.001.02", "x": "http://www.w3.org/1999/xhtml"}
ATOM = "http://www.w3.org/2005/Atom"


class Handler(BasePlugin):
    def execute(self, path):
        self.publish("payments", self._entries(path))

    def _entries(self, path):
        for event, element in ET.iterparse(path, events=("end",)):
            if element.tag.rsplit("}", 1)[-1] == "Ntry":
                amount = element.find("c:Amt", NS)
                title = element.findtext(f"{{{ATOM}}}title", default="")
                yield {
                    "amount": amount.text if amount is not None else None,
                    "currency": amount.get("Ccy") if amount is not None else None,
                    "title": title,
                    "link": element.find("{http://www.w3.org/2005/Atom}link"),
                }
                element.clear()
"""
_FIXED = """
from datetime import date
from casparian_flow.sdk import BasePlugin, PluginMetadata

MANIFEST = PluginMetadata(pattern="MT940/*.sta", topic="statements")
LAYOUT = {"account": (0, 10), "date": (10, 18), "amount": (18, 30)}


def cut(line):
    return {name: line[start:end].strip() for name, (start, end) in LAYOUT.items()}


class Handler(BasePlugin):
    def execute(self, path):
        rows = []
        with open(path, "rt", encoding="latin-1") as file:
            for number, line in enumerate(file, 1):
                row = cut(line)
                try:
                    text = row["date"]
                    row["date"] = date(int(text[:4]), int(text[4:6]), int(text[6:]))
                    row["amount"] = int(row["amount"]) / 100
                except (ValueError, IndexError) as exc:
                    self.quarantine(line, str(exc), number)
                else:
                    rows.append(row)
        if rows:
            self.publish("statements", rows)
"""
_MATCH = '''
import json
import logging
from casparian_flow.sdk import BasePlugin, PluginMetadata

logger = logging.getLogger(__name__)
MANIFEST = PluginMetadata(pattern="*.jsonl", topic="events")


class BadEvent(ValueError):
    """An event without a kind."""


def flatten(value, prefix=""):
    match value:
        case dict():
            for key, inner in value.items():
                yield from flatten(inner, f"{prefix}{key}.")
        case [*items]:
            for index, inner in enumerate(items):
                yield from flatten(inner, f"{prefix}{index}.")
        case {"kind": kind, **rest}:
            yield kind, rest
        case int() | float() | str() | bool() | None:
            yield prefix.rstrip("."), value
        case _:
            raise BadEvent(prefix)


class Handler(BasePlugin):
    def execute(self, path):
        self._seen = set()
        self.publish("events", self._events(path))

    def _events(self, path):
        with open(path, encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                if not (line := line.strip()):
                    continue
                try:
                    event = json.loads(line)
                except json.JSONDecodeError as error:
                    self.quarantine(line, f"{type(error).__name__}: {error.msg}", number)
                    continue
                if event.get("id") in self._seen:
                    logger.info("event seen before: %s", event["id"])
                    continue
                self._seen.add(event.get("id"))
                yield dict(flatten(event))
'''
_INIT = """
import csv
from functools import lru_cache
from casparian_flow.sdk import BasePlugin, PluginMetadata

MANIFEST = PluginMetadata(pattern="*.tsv", topic="genes")


class Table:
    def __init__(self, names):
        super().__init__()
        self._names = list(names)
        self.rows = []

    def __len__(self):
        return len(self.rows)

    def __iter__(self):
        return iter(self.rows)

    @property
    def width(self):
        return len(self._names)

    @classmethod
    def from_lines(cls, lines):
        reader = csv.reader(lines, delimiter="\\t", quoting=csv.QUOTE_NONE)
        table = cls(next(reader))
        for values in reader:
            table.add(values)
        return table

    def add(self, values):
        self.rows.append(dict(zip(self._names, values, strict=True)))

    def to_rows(self):
        return list(self)


@lru_cache(maxsize=1024)
def symbol(text):
    return text.upper().strip()


class Handler(BasePlugin):
    def execute(self, path):
        with open(path, newline="") as file:
            table = Table.from_lines(line for line in file if not line.startswith("#"))
        if len(table) and table.width:
            self.publish("genes", table.to_rows())
"""


def plugin(imports: str, body: str, before: str = "") -> bytes:
    """Write a plugin of one execute()."""
    code = textwrap.indent(textwrap.dedent(body).strip("\n"), " " * 8)
    head = textwrap.dedent(imports).strip("\n")
    return (
        f"{head}\nfrom casparian_flow.sdk import BasePlugin, PluginMetadata\n\n"
        f'MANIFEST = PluginMetadata(pattern="*.dat", topic="rows")\n{textwrap.dedent(before)}\n\n'
        f"class Handler(BasePlugin):\n    def execute(self, path):\n{code}\n"
    ).encode()


PD = "import pandas as pd"
PL = "import polars as pl"

HONEST: list[tuple[str, bytes]] = [
    ("csv with Decimal and quarantine", _CSV.encode()),
    ("access log with a dataclass", _DATACLASS.encode()),
    ("binary records with enum and named tuple", _ENUM.encode()),
    ("XML with namespaces and iterparse", _XML.encode()),
    ("fixed width", _FIXED.encode()),
    ("JSON lines with match", _MATCH.encode()),
    ("own table class", _INIT.encode()),
    ("pandas in one line", plugin(PD, "self.publish('rows', pd.read_csv(path))")),
    ("pandas with dtypes and chunks", plugin(PD, """
        for chunk in pd.read_csv(path, dtype={"zip": "string"}, chunksize=50_000, sep=";",
                                 decimal=",", thousands=".", encoding="cp1252",
                                 na_values=["", "n/a"], on_bad_lines="warn"):
            chunk.columns = [c.strip().lower().replace(" ", "_") for c in chunk.columns]
            self.publish("rows", chunk)
    """)),
    ("pandas to_datetime with errors", plugin(PD, """
        df = pd.read_csv(path, parse_dates=False)
        df["when"] = pd.to_datetime(df["when"], errors="coerce", dayfirst=True, utc=True)
        bad = df[df["when"].isna()]
        for record in bad.to_dict("records"):
            self.quarantine(record, "no date")
        df = df.dropna(subset=["when"]).reset_index(drop=True)
        df["amount"] = pd.to_numeric(df["amount"].str.replace(",", ".", regex=False))
        self.publish("rows", df)
    """)),
    ("pandas group and aggregate", plugin(PD + "\nimport numpy as np", """
        df = pd.read_csv(path)
        total = df.groupby("store").agg(total=("amount", "sum"), n=("amount", "count"),
                                        top=("amount", lambda s: s.nlargest(3).mean()))
        more = df.groupby(["a", "b"]).agg({"x": ["min", "max"], "y": "mean"}).reset_index()
        df["share"] = df.groupby("store")["amount"].transform("sum")
        df["root"] = df["amount"].apply(np.sqrt)
        df["label"] = df["amount"].apply(str)
        self.publish("rows", total.reset_index())
        print(len(more))
    """)),
    ("pandas apply with own function", plugin(PD, """
        df = pd.read_csv(path)
        df["name"] = df["name"].map(clean).fillna("")
        df["kind"] = df.apply(lambda row: row["a"] + row["b"], axis=1)
        df["code"] = df["code"].apply(clean)
        df = df.pipe(tidy).rename(columns={"a": "first"})
        self.publish("rows", df)
    """, """
        def clean(text):
            return str(text).strip().title()

        def tidy(df):
            return df.drop_duplicates().sort_values("name")
    """)),
    ("pandas melt and pivot", plugin(PD, """
        df = pd.read_excel(path, sheet_name=None, header=[0, 1], skiprows=2)
        for name, sheet in df.items():
            long = sheet.melt(id_vars=["id"], var_name="month", value_name="value")
            wide = pd.pivot_table(long, index="id", columns="month", aggfunc="sum")
            self.publish("rows", wide.reset_index().assign(sheet=name))
    """)),
    ("pandas fixed width", plugin(PD, """
        df = pd.read_fwf(path, colspecs=[(0, 5), (5, 12)], names=["a", "b"], dtype=str)
        df["b"] = df["b"].str.extract(r"(\\d+)", expand=False).astype("Int64")
        parts = df["a"].str.extractall(r"(\\w)").unstack()
        self.publish("rows", df.loc[df["b"] > 0, ["a", "b"]])
        print(parts.shape)
    """)),
    ("pandas itertuples", plugin(PD, """
        frame = pd.read_csv(path)
        rows = [{"a": t.a, "b": t._2} for t in frame.itertuples(index=False)]
        rows += [t._asdict() for t in frame.itertuples(index=False, name="Row")]
        self.publish("rows", rows)
    """)),
    ("pandas merge and time zones", plugin(PD, """
        df = pd.read_json(path, lines=True)
        df["t"] = df["t"].dt.tz_localize("Europe/Berlin").dt.tz_convert("UTC")
        df["day"] = df["t"].dt.strftime("%Y-%m-%d")
        df = pd.concat([df, df.shift(1)], axis=1).merge(df, on="day", how="left")
        df = df.where(pd.notna(df), None)
        self.publish("rows", df.to_dict(orient="records"))
    """)),
    ("pandas normalised JSON", plugin(PD + "\nimport json", """
        with open(path, "rb") as file:
            payload = json.load(file)
        df = pd.json_normalize(payload["items"], sep="_").explode("tags")
        df["raw"] = [json.dumps(item, sort_keys=True) for item in payload["items"]]
        self.publish("rows", df)
    """)),
    ("pandas rolling and resample", plugin(PD, """
        df = pd.read_csv(path, index_col="t", parse_dates=["t"])
        hourly = df.resample("1h").agg({"v": "mean", "n": "sum"})
        hourly["smooth"] = hourly["v"].rolling(3, min_periods=1).mean()
        self.publish("rows", hourly.reset_index())
    """)),
    ("pandas from a row list", plugin(PD + "\nimport re", """
        text = open(path, encoding="utf-8").read()
        rows = [m.groupdict() for m in re.finditer(r"(?P<k>\\w+)=(?P<v>\\S+)", text)]
        self.publish("rows", pd.DataFrame(rows, columns=["k", "v"]).astype({"k": "string"}))
    """)),
    ("polars", plugin(PL, """
        df = pl.read_csv(path, separator=";", try_parse_dates=True, schema_overrides=SCHEMA)
        df = (
            df.with_columns(
                pl.col("amount").str.replace(",", ".").cast(pl.Float64, strict=False),
                pl.col("name").str.strip_chars().str.to_lowercase(),
                pl.when(pl.col("a") > 1).then(pl.lit("big")).otherwise(pl.lit("small")).alias("s"),
            )
            .filter(pl.col("amount").is_not_null() & (pl.col("name") != ""))
            .sort("name")
        )
        self.publish("rows", df)
    """, 'SCHEMA = {"zip": pl.String, "when": pl.Datetime("us")}')),
    ("polars lazily, grouped", plugin(PL, """
        lazy = pl.scan_csv(path, infer_schema_length=10_000)
        out = lazy.group_by("store").agg(
            pl.col("amount").sum().alias("total"),
            pl.len().alias("n"),
            (pl.col("amount") * 2).max().alias("m"),
            [pl.col(c).mean() for c in ("a", "b")],
        ).collect()
        self.publish("rows", out)
    """)),
    ("polars JSON lines", plugin(PL, """
        df = pl.read_ndjson(path).unnest("payload").explode("items")
        df = df.with_columns(pl.col("t").str.to_datetime("%Y-%m-%dT%H:%M:%S", strict=False))
        self.publish("rows", df.rename({"t": "time"}))
    """)),
    ("pyarrow csv streamed", plugin("import pyarrow as pa\nimport pyarrow.csv as pacsv", """
        options = pacsv.ConvertOptions(column_types={"id": pa.int64(), "amount": pa.string()})
        with pacsv.open_csv(path, convert_options=options) as reader:
            for batch in reader:
                self.publish("rows", batch)
    """)),
    ("pyarrow by attribute", plugin("import pyarrow as pa\nimport pyarrow.csv", """
        table = pa.csv.read_csv(path, parse_options=pa.csv.ParseOptions(delimiter="|"))
        self.publish("rows", table.rename_columns([n.lower() for n in table.column_names]))
    """)),
    ("pyarrow compute and schema", plugin(
        "import pyarrow as pa\nimport pyarrow.compute as pc\nfrom pyarrow import json as pj", """
        table = pj.read_json(path)
        table = table.filter(pc.greater(table["n"], 0))
        table = table.append_column("u", pc.utf8_upper(table["name"])).cast(SCHEMA)
        self.publish("rows", table)
    """, 'SCHEMA = pa.schema([pa.field("n", pa.int64()), ("name", pa.string()), '
         '("u", pa.string())])')),
    ("pyarrow parquet", plugin("import pyarrow.parquet as pq", """
        file = pq.ParquetFile(path)
        for batch in file.iter_batches(batch_size=65_536):
            self.publish("rows", batch)
    """)),
    ("pyarrow from lists", plugin("import pyarrow as pa", """
        names, values = [], []
        with open(path) as file:
            for line in file:
                name, _, value = line.partition("=")
                names.append(name.strip())
                values.append(float(value))
        self.publish("rows", pa.table({"name": names, "value": pa.array(values, pa.float64())}))
    """)),
    ("gzip lines", plugin("import gzip\nimport json", """
        with gzip.open(path, "rt", encoding="utf-8") as file:
            self.publish("rows", (json.loads(line) for line in file if line.strip()))
    """)),
    ("zip members", plugin("import csv\nimport io\nimport zipfile", """
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                if info.is_dir() or not info.filename.endswith(".csv"):
                    continue
                with archive.open(info) as member:
                    text = io.TextIOWrapper(member, encoding="utf-8", newline="")
                    rows = [{**row, "member": info.filename} for row in csv.DictReader(text)]
                self.publish("rows", rows)
    """)),
    ("tar members", plugin("import tarfile", """
        with tarfile.open(path, "r:gz") as archive:
            for member in archive:
                file = archive.extractfile(member)
                if file is not None:
                    self.publish("rows", [{"name": member.name, "size": len(file.read())}])
    """)),
    ("bz2 and lzma", plugin("import bz2\nimport lzma", """
        opener = None
        if path.endswith(".bz2"):
            with bz2.open(path, "rt") as file:
                lines = file.readlines()
        else:
            with lzma.open(path, mode="rt", encoding="utf-8") as file:
                lines = file.readlines()
        self.publish("rows", [{"line": line, "opener": opener} for line in lines])
    """)),
    ("mail", plugin("import email\nfrom email import policy\nfrom email.utils import "
                    "parsedate_to_datetime", """
        with open(path, "rb") as file:
            message = email.message_from_binary_file(file, policy=policy.default)
        body = message.get_body(preferencelist=("plain",))
        row = {"subject": message["subject"], "date": parsedate_to_datetime(message["date"])}
        row["text"] = body.get_content() if body else ""
        self.publish("rows", [row])
    """)),
    ("INI", plugin("import configparser", """
        parser = configparser.ConfigParser(interpolation=None)
        with open(path) as file:
            parser.read_file(file)
        rows = [{"section": s, "key": k, "value": v}
                for s in parser.sections() for k, v in parser.items(s)]
        self.publish("rows", rows)
    """)),
    ("HTML table", plugin("from html.parser import HTMLParser", """
        parser = Cells()
        with open(path, encoding="utf-8") as file:
            parser.feed(file.read())
        self.publish("rows", [{"cell": text} for text in parser.cells])
    """, """
        class Cells(HTMLParser):
            def __init__(self):
                super().__init__()
                self.cells = []
                self._in_cell = False

            def handle_starttag(self, tag, attrs):
                self._in_cell = tag == "td"

            def handle_data(self, data):
                if self._in_cell:
                    self.cells.append(data.strip())
    """)),
    ("URLs as data", plugin("import re\nfrom urllib.parse import parse_qs, urlsplit", """
        rows = []
        for line in open(path):
            if line.startswith("http://") or line.startswith("https://"):
                parts = urlsplit(line.strip())
                query = {k: v[0] for k, v in parse_qs(parts.query).items()}
                rows.append({"host": parts.hostname, "url": line.replace("http://", ""), **query})
            elif re.search(r"https?://\\S+", line):
                rows.append({"host": None})
        self.publish("rows", rows)
    """)),
    ("the file's name", plugin("from pathlib import PurePath\nimport re", """
        name = PurePath(path).name
        match = re.fullmatch(r"(\\d{4})-(\\d{2})_(\\w+)\\.dat", name)
        year, month, site = match.groups() if match else (None, None, PurePath(path).stem)
        with open(path) as file:
            self.publish("rows", [{"year": year, "month": month, "site": site, "text": line}
                                  for line in file])
    """)),
    ("hash and uuid", plugin("import hashlib\nimport uuid\nimport base64", """
        raw = open(path, "rb").read()
        digest = hashlib.sha256(raw).hexdigest()
        key = str(uuid.UUID(digest[:32]))
        self.publish("rows", [{"key": key, "raw": base64.b64encode(raw).decode("ascii")}])
    """)),
    ("itertools and collections", plugin(
        "import itertools\nfrom collections import Counter, defaultdict\nfrom operator import "
        "itemgetter", """
        counts = Counter()
        groups = defaultdict(list)
        with open(path) as file:
            rows = [line.split() for line in file]
        for key, members in itertools.groupby(sorted(rows, key=itemgetter(0)), key=itemgetter(0)):
            groups[key].extend(members)
            counts[key] += len(groups[key])
        best = max(counts, key=lambda k: counts[k])
        self.publish("rows", [{"key": k, "n": n, "best": best} for k, n in counts.most_common()])
    """)),
    ("statistics and math", plugin("import math\nimport statistics as st", """
        values = [float(v) for v in open(path).read().split() if not math.isnan(float(v))]
        self.publish("rows", [{"mean": st.mean(values), "sd": st.pstdev(values),
                               "n": len(values), "log": math.log10(sum(values))}])
    """)),
    ("encoding found out", plugin("import codecs\nfrom io import StringIO\nimport csv", """
        raw = open(path, "rb").read()
        encoding = "utf-16" if raw.startswith(codecs.BOM_UTF16_LE) else "utf-8"
        try:
            text = raw.decode(encoding)
        except UnicodeDecodeError:
            text = raw.decode("cp1252")
        dialect = csv.Sniffer().sniff(text[:4096], delimiters=";,|\\t")
        self.publish("rows", list(csv.DictReader(StringIO(text), dialect=dialect)))
    """)),
    ("time zones", plugin("import datetime as dt\nfrom zoneinfo import ZoneInfo", """
        rows = []
        with open(path) as file:
            for line in file:
                stamp = dt.datetime.fromisoformat(line.strip()).replace(tzinfo=BERLIN)
                rows.append({"t": stamp.astimezone(dt.timezone.utc), "w": stamp.isocalendar().week})
        self.publish("rows", rows)
    """, 'BERLIN = ZoneInfo("Europe/Berlin")\nDAY = dt.timedelta(days=1)')),
    ("constants of all sorts", plugin("import re\nimport operator\nfrom types import "
                                      "MappingProxyType", """
        self.publish("rows", [{c: OPS["+"](1, 2) for c in COLUMNS}])
    """, """
        COLUMNS = "id name value".split()
        OPS = {"+": operator.add, "-": lambda a, b: a - b}
        LIMIT = 60 * 60 * 24
        TABLE = MappingProxyType({"a": 1, "b": -2})
        ALL = [*COLUMNS, "extra"]
        A, B = 1, 2
        PATTERN = re.compile(rf"^{A}\\d+$", re.MULTILINE)
        CLEAN = str.maketrans("", "", " -")
    """)),
    ("format with plain fields", plugin("", """
        with open(path) as file:
            rows = [{"t": "{}-{:02d} {name:>5}".format(1, 2, name=line)} for line in file]
        self.publish("rows", rows)
    """)),
    ("nested functions and closures", plugin("", """
        count = 0

        def number(line):
            nonlocal count
            count += 1
            return {"n": count, "line": line}

        with open(path, encoding="utf-8") as file:
            self.publish("rows", map(number, file))
    """)),
    ("while loop over binary blocks", plugin("import struct\nimport zlib", """
        rows = []
        with open(path, "rb") as file:
            while block := file.read(16):
                if len(block) < 16:
                    break
                number, size = struct.unpack("<II", block[:8])
                rows.append({"n": number, "size": size, "crc": zlib.crc32(block)})
        self.publish("rows", rows)
    """)),
    ("umlauts and units", plugin("import csv", """
        with open(path, encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                yield_m2 = row["Fl\u00e4che (m\u00b2)"]
                name = f"{row['Stra\u00dfe']} \u20ac"  # Gr\u00fc\u00dfe
                self.publish("rows", [{"area": yield_m2, "name": name}])
    """)),
    ("numpy", plugin("import numpy as np", """
        data = np.genfromtxt(path, delimiter=",", names=True, dtype=None, encoding="utf-8")
        matrix = np.frombuffer(open(path, "rb").read()[:80], dtype="<f8").reshape(2, 5)
        self.publish("rows", [{"mean": float(np.nanmean(matrix)), "n": int(data.size)}])
    """)),
    ("openpyxl", plugin("import openpyxl", """
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        sheet = book.active
        rows = sheet.iter_rows(values_only=True)
        header = [str(cell or "").strip() for cell in next(rows)]
        self.publish("rows", [dict(zip(header, row)) for row in rows])
    """)),
    ("dateutil", plugin("from dateutil import parser\nfrom dateutil.relativedelta import "
                        "relativedelta", """
        with open(path) as file:
            rows = [{"t": parser.parse(line) + relativedelta(months=1)} for line in file]
        self.publish("rows", rows)
    """)),
    ("common builtin names as variables", plugin("", """
        rows = []
        for line in open(path):
            id, format, hash = line.split(",")
            max, min = 3, 1
            rows.append({"id": id, "format": format, "hash": hash, "span": max - min})
        self.publish("rows", rows)
    """)),
    ("two topics' worth of rows with try and finally", plugin("import contextlib", """
        file = open(path, "r", encoding="utf-8")
        try:
            with contextlib.suppress(StopIteration):
                next(file)
            self.publish("rows", [{"line": line} for line in file])
        finally:
            file.close()
    """)),
    ("stock prices by attribute", plugin(PD, """
        frame = pd.read_csv(path)
        frame["span"] = frame.high - frame.low
        self.publish("rows", [{"open": t.open, "close": t.close} for t in frame.itertuples()])
    """)),
    ("partial and reduce", plugin("import functools\nimport json", """
        load = functools.partial(json.loads, parse_float=str)
        with open(path) as file:
            merged = functools.reduce(lambda a, b: {**a, **b}, (load(line) for line in file), {})
        self.publish("rows", [merged])
    """)),
]  # fmt: skip
"""Name and bytes of plugin.py."""
