"""Names of the standard library that a plugin may use, module by module."""

_SOURCES = {
    "__future__": "annotations",
    "abc": "ABC abstractmethod",
    "array": "array",
    "base64": "b64decode urlsafe_b64decode standard_b64decode b32decode b16decode b85decode "
    "a85decode b64encode urlsafe_b64encode b32encode b16encode",
    "binascii": "hexlify unhexlify crc32 a2b_hex b2a_hex a2b_base64 Error",
    "bisect": "bisect bisect_left bisect_right insort insort_left insort_right",
    "bz2": "open BZ2File decompress BZ2Decompressor",
    "calendar": "monthrange month_name month_abbr day_name day_abbr timegm isleap monthcalendar "
    "Calendar",
    "casparian_flow": "",
    "casparian_flow.reading": "",
    "casparian_flow.reading.blocks": "Block Fault Place Record from_records",
    "casparian_flow.reading.columns": "counted typed",
    "casparian_flow.reading.delimited": "read",
    "casparian_flow.reading.fixed_width": "read",
    "casparian_flow.reading.grids": "read",
    "casparian_flow.reading.html_tables": "read",
    "casparian_flow.reading.json_columns": "read",
    "casparian_flow.reading.json_text": "by_line document",
    "casparian_flow.reading.kinds": "convert",
    "casparian_flow.reading.lines": "lines",
    "casparian_flow.reading.loglines": "read",
    "casparian_flow.reading.mail": "read",
    "casparian_flow.reading.moments": "parse",
    "casparian_flow.reading.naming": "distinct header_names",
    "casparian_flow.reading.ofx": "read",
    "casparian_flow.reading.pairs": "logfmt fix settings",
    "casparian_flow.reading.sources": "sources unread",
    "casparian_flow.reading.stanzas": "paragraphs blocks cards",
    "casparian_flow.reading.tables": "parquet arrow orc sqlite workbook binary other_sheets"
    " other_tables",
    "casparian_flow.reading.w3c_logs": "read",
    "casparian_flow.reading.xml_text": "read",
    "casparian_flow.sdk": "BasePlugin PluginMetadata RESERVED_COLUMNS",
    "codecs": "open decode BOM_UTF8 BOM_UTF16_LE BOM_UTF16_BE BOM_UTF16 BOM_UTF32 BOM_UTF32_LE "
    "BOM_UTF32_BE getincrementaldecoder iterdecode",
    "collections": "Counter OrderedDict defaultdict deque namedtuple ChainMap",
    "collections.abc": "Callable Collection Container Generator Hashable ItemsView Iterable "
    "Iterator KeysView Mapping MutableMapping MutableSequence MutableSet Reversible Sequence Set "
    "Sized ValuesView",
    "configparser": "ConfigParser RawConfigParser Error ParsingError NoSectionError NoOptionError "
    "DuplicateSectionError DuplicateOptionError MissingSectionHeaderError ExtendedInterpolation "
    "BasicInterpolation",
    "contextlib": "closing suppress nullcontext contextmanager ExitStack",
    "copy": "copy deepcopy",
    "csv": "DictReader reader Sniffer Dialect excel excel_tab unix_dialect field_size_limit Error "
    "QUOTE_ALL QUOTE_MINIMAL QUOTE_NONE QUOTE_NONNUMERIC QUOTE_STRINGS QUOTE_NOTNULL",
    "dataclasses": "dataclass field fields asdict astuple replace is_dataclass FrozenInstanceError "
    "KW_ONLY InitVar",
    "datetime": "datetime date time timedelta timezone tzinfo UTC MINYEAR MAXYEAR",
    "decimal": "Decimal Context InvalidOperation DecimalException localcontext getcontext Inexact "
    "DivisionByZero Overflow ROUND_HALF_UP ROUND_HALF_EVEN ROUND_HALF_DOWN ROUND_DOWN ROUND_UP "
    "ROUND_FLOOR ROUND_CEILING ROUND_05UP",
    "difflib": "SequenceMatcher get_close_matches",
    "email": "message_from_bytes message_from_string message_from_file message_from_binary_file",
    "email.header": "decode_header make_header Header",
    "email.message": "Message EmailMessage",
    "email.parser": "BytesParser Parser BytesHeaderParser HeaderParser BytesFeedParser FeedParser",
    "email.policy": "default compat32 strict SMTP EmailPolicy",
    "email.utils": "parsedate_to_datetime parseaddr getaddresses parsedate parsedate_tz mktime_tz "
    "collapse_rfc2231_value",
    "enum": "Enum IntEnum StrEnum Flag IntFlag auto unique",
    "fractions": "Fraction",
    "functools": "cache lru_cache cached_property partial reduce total_ordering cmp_to_key",
    "gzip": "open GzipFile decompress BadGzipFile",
    "hashlib": "sha256 sha1 md5 sha512 sha384 sha224 blake2b blake2s sha3_256 sha3_512",
    "heapq": "heappush heappop heapify heapreplace heappushpop merge nlargest nsmallest",
    "html": "unescape escape",
    "html.parser": "HTMLParser",
    "io": "StringIO BytesIO TextIOWrapper BufferedReader TextIOBase RawIOBase BufferedIOBase "
    "IOBase UnsupportedOperation SEEK_SET SEEK_CUR SEEK_END",
    "ipaddress": "ip_address ip_network ip_interface IPv4Address IPv6Address IPv4Network "
    "IPv6Network AddressValueError NetmaskValueError",
    "itertools": "accumulate chain combinations combinations_with_replacement compress count cycle "
    "dropwhile filterfalse groupby islice pairwise permutations product repeat starmap takewhile "
    "tee zip_longest batched",
    "json": "load loads dumps JSONDecodeError JSONDecoder",
    "logging": "getLogger DEBUG INFO WARNING ERROR CRITICAL Logger LoggerAdapter",
    "lzma": "open LZMAFile decompress LZMADecompressor LZMAError",
    "math": "acos acosh asin asinh atan atan2 atanh ceil comb copysign cos cosh degrees dist e exp "
    "expm1 fabs factorial floor fmod frexp fsum gcd hypot inf isclose isfinite isinf isnan isqrt "
    "lcm ldexp log log10 log1p log2 modf nan nextafter perm pi pow prod radians remainder sin sinh "
    "sqrt tan tanh tau trunc ulp",
    "numbers": "Number Real Integral Rational Complex",
    "operator": "itemgetter add sub mul truediv floordiv mod neg pos and_ or_ xor not_ eq ne lt le "
    "gt ge contains getitem concat countOf indexOf index",
    "pathlib": "PurePath PurePosixPath PureWindowsPath",
    "quopri": "decodestring",
    "re": "compile match search fullmatch findall finditer split sub subn escape error Pattern "
    "Match IGNORECASE MULTILINE DOTALL VERBOSE ASCII UNICODE I M S X A U NOFLAG RegexFlag",
    "shlex": "split",
    "statistics": "mean fmean median median_low median_high mode multimode stdev pstdev variance "
    "pvariance quantiles geometric_mean harmonic_mean StatisticsError",
    "string": "ascii_letters ascii_lowercase ascii_uppercase digits hexdigits octdigits "
    "punctuation whitespace printable capwords",
    "struct": "Struct unpack unpack_from iter_unpack calcsize pack error",
    "tarfile": "open TarError ReadError TarInfo is_tarfile",
    "textwrap": "dedent indent fill wrap shorten",
    "time": "strptime strftime mktime gmtime localtime struct_time",
    "tomllib": "load loads TOMLDecodeError",
    "types": "MappingProxyType",
    "typing": "Annotated Any AnyStr BinaryIO Callable ClassVar Counter DefaultDict Deque Dict "
    "Final Generator Generic Hashable IO Iterable Iterator List Literal Mapping MutableMapping "
    "MutableSequence NamedTuple NewType NoReturn NotRequired Optional OrderedDict ParamSpec "
    "Pattern Match Protocol Required Self Sequence Set FrozenSet Sized Text TextIO Tuple Type "
    "TypeAlias TypedDict TypeGuard TypeVar Union Never assert_never cast final overload "
    "runtime_checkable TYPE_CHECKING LiteralString Collection SupportsInt SupportsFloat",
    "unicodedata": "normalize category name lookup numeric decimal digit combining east_asian_width"
    " bidirectional",
    "urllib": "",
    "urllib.parse": "urlparse urlsplit parse_qs parse_qsl unquote unquote_plus quote quote_plus "
    "urlunparse urlunsplit urljoin urlencode urldefrag",
    "uuid": "UUID uuid5 uuid3 NAMESPACE_URL NAMESPACE_DNS NAMESPACE_OID",
    "xml": "",
    "xml.etree": "",
    "xml.etree.ElementTree": "iterparse parse fromstring fromstringlist XML XMLPullParser Element "
    "ElementTree ParseError QName tostring XMLParser TreeBuilder",
    "zipfile": "ZipFile BadZipFile is_zipfile ZipInfo LargeZipFile",
    "zlib": "decompress decompressobj crc32 adler32 error MAX_WBITS",
    "zoneinfo": "ZoneInfo ZoneInfoNotFoundError",
}

NAMES: dict[str, frozenset[str]] = {
    module: frozenset(names.split()) for module, names in _SOURCES.items()
}
"""Module to the names that may be used of it; a package that only holds modules has none."""
