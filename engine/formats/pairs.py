"""Recognise lines of pairs: FIX messages, logfmt, settings in sections."""

from __future__ import annotations

import re

from casparian_flow.reading.pairs import logfmt_pairs
from engine.formats.interface import Argument, Profile, Reading, Sample
from engine.formats.tabulating import profile_of

_LEAST_SHARE = 0.8
_SETTINGS_ENDINGS = (".ini", ".cfg", ".conf", ".properties", ".toml", ".env")
_JUDGED_LINES = 500
FIX_NAMES = {
    "1": "account", "6": "avg_px", "8": "begin_string", "9": "body_length", "10": "check_sum",
    "11": "cl_ord_id", "14": "cum_qty", "15": "currency", "17": "exec_id", "20": "exec_trans_type",
    "21": "handl_inst", "22": "security_id_source", "31": "last_px", "32": "last_qty",
    "34": "msg_seq_num", "35": "msg_type", "37": "order_id", "38": "order_qty", "39": "ord_status",
    "40": "ord_type", "41": "orig_cl_ord_id", "43": "poss_dup_flag", "44": "price",
    "45": "ref_seq_num", "48": "security_id", "49": "sender_comp_id", "50": "sender_sub_id",
    "52": "sending_time", "54": "side", "55": "symbol", "56": "target_comp_id",
    "57": "target_sub_id", "58": "text", "59": "time_in_force", "60": "transact_time",
    "75": "trade_date", "98": "encrypt_method", "100": "ex_destination", "103": "ord_rej_reason",
    "108": "heart_bt_int", "112": "test_req_id", "150": "exec_type", "151": "leaves_qty",
    "167": "security_type", "207": "security_exchange", "262": "md_req_id", "268": "no_md_entries",
    "269": "md_entry_type", "270": "md_entry_px", "271": "md_entry_size",
}  # fmt: skip
"""Tags of FIX that every dialect shares, by the standard's field names."""
_SECTION = re.compile(r"\s*\[\[?[^\[\]]+\]?\]\s*(?:[;#].*)?")
_SETTING = re.compile(r"[\w.$@/\\*? -]+?[=:].*")


def recognise(sample: Sample) -> Profile | None:
    """The profile of lines of pairs; None if most lines are none."""
    lines = sample.lines[:_JUDGED_LINES]
    if not lines:
        return None
    return _fix(sample, lines) or _logfmt(sample, lines)


def _fix(sample: Sample, lines: list[str]) -> Profile | None:
    found = [re.search(r"(?<!\d)8=FIXT?\.[\d.]+(.|\^A)9=\d+", line) for line in lines]
    hits = [one for one in found if one is not None]
    if len(hits) < _LEAST_SHARE * len(lines):
        return None
    separators = {one[1] for one in hits}
    if len(separators) != 1:
        return None
    separator = separators.pop()
    tags = set(re.findall(rf"(?:^|{re.escape(separator)})(\d+)=", "\n".join(lines), re.MULTILINE))
    names = {tag: name for tag, name in FIX_NAMES.items() if tag in tags | {"8"}}
    encoding = {"utf-8-sig": "utf-8"}.get(sample.encoding, sample.encoding)
    reading = Reading(
        "pairs", "fix", {"separator": separator, "names": names, "encoding": encoding}, is_open=True
    )
    shape = f"{separator!r}{'|prefix' if any(one.start() for one in hits) else ''}"
    return profile_of("fix", reading, sample, shape=shape)


def _logfmt(sample: Sample, lines: list[str]) -> Profile | None:
    pairs = [logfmt_pairs(line) for line in lines]
    good = [one for one in pairs if one is not None and len(one) > 1]
    if len(good) < _LEAST_SHARE * len(lines) or not _share_keys(good):
        return None
    reading = Reading("pairs", "logfmt", {"encoding": _encoding(sample)}, is_open=True)
    return profile_of("logfmt", reading, sample)


def _share_keys(rows: list[dict[str, str | None]]) -> bool:
    """Whether some key stands on most lines, so that they are records of one kind."""
    keys: dict[str, int] = {}
    for row in rows:
        for key in row:
            keys[key] = keys.get(key, 0) + 1
    return max(keys.values()) >= 0.8 * len(rows)


def recognise_sections(sample: Sample) -> Profile | None:
    """The profile of a file that is surely settings: by its name, or by its sections."""
    is_named = sample.name.lower().endswith(_SETTINGS_ENDINGS)
    starts = [line for line in sample.lines[:200] if not line.lstrip().startswith(("#", ";"))]
    is_sectioned = bool(starts) and _SECTION.fullmatch(starts[0]) is not None
    return recognise_settings(sample) if is_named or is_sectioned else None


def recognise_settings(sample: Sample) -> Profile | None:
    """The profile of an INI or properties file; None if it is not settings, line by line."""
    judged = [
        line for line in sample.lines[:2_000] if not line.lstrip().startswith(("#", ";", "!"))
    ]
    is_sectioned = any(_SECTION.fullmatch(line) for line in judged)
    lines = [  # in some, as git's, each setting of a section is indented
        line for line in judged
        if not line[:1].isspace() or (is_sectioned and _SETTING.fullmatch(line.strip()))
    ]  # fmt: skip
    if not lines:
        return None
    sections = sum(_SECTION.fullmatch(line) is not None for line in lines)
    settings = sum(_SETTING.fullmatch(line.strip()) is not None for line in lines)
    is_named = sample.name.lower().endswith(_SETTINGS_ENDINGS)
    if sections + settings < (0.75 if is_named else 0.97) * len(lines) or not settings:
        return None
    if not sections and not is_named and ("=" not in sample.text or len(lines) < 3):
        return None
    form = "ini" if sections else "properties"
    arguments: dict[str, Argument] = {"encoding": _encoding(sample)}
    if form == "properties" and sample.name.lower().endswith(".properties"):
        arguments["continued"] = True
    reading = Reading("pairs", "settings", arguments)
    return profile_of(form, reading, sample, shape="settings")


def _encoding(sample: Sample) -> str:
    return {"utf-8-sig": "utf-8"}.get(sample.encoding, sample.encoding)
