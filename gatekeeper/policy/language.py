"""Builtins, attributes and limits: what plugin source may say in the language itself."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


SIZE_LIMIT_BYTES = 512 * 1024
LINE_LIMIT = 10_000
NESTING_LIMIT = 60
"""Brackets and blocks inside one another; a chain of methods or of `elif` is not nesting."""
DEPTH_LIMIT = 400
"""Levels of the tree, chains included."""

BUILTINS = _words("""
    abs all any ascii bin bool bytearray bytes callable chr classmethod complex dict divmod
    enumerate filter float format frozenset hash hex id int isinstance issubclass iter len list
    map max memoryview min next object oct ord pow print property range repr reversed round set
    slice sorted staticmethod str sum tuple zip NotImplemented Ellipsis ArithmeticError
    AssertionError AttributeError BufferError EOFError Exception ExceptionGroup FileNotFoundError
    FloatingPointError IndexError IOError IsADirectoryError KeyError LookupError
    NotImplementedError OSError OverflowError PermissionError RuntimeError StopIteration
    TimeoutError TypeError UnicodeDecodeError UnicodeEncodeError UnicodeError ValueError Warning
    UserWarning RuntimeWarning ZeroDivisionError DeprecationWarning NameError
""")
"""Builtins that may be used as values."""

CALL_ONLY_BUILTINS = frozenset({"open", "getattr", "hasattr", "super", "type"})
"""Builtins that may only be called, each in one way."""

DENIED_BUILTINS = _words("""
    eval exec compile globals locals vars dir setattr delattr input breakpoint help exit quit
    aiter anext BaseException BaseExceptionGroup SystemExit KeyboardInterrupt GeneratorExit
    copyright credits license RecursionError MemoryError SystemError
""")
"""Refused wherever the name stands, also when it is only bound."""

DUNDER_METHODS = _words("""
    __init__ __post_init__ __iter__ __next__ __enter__ __exit__ __len__ __repr__ __str__ __eq__
    __hash__ __lt__ __le__ __gt__ __ge__ __getitem__ __contains__ __call__ __bool__ __add__
    __sub__ __slots__ __match_args__
""")
"""Dunder names that a class of the plugin may define."""

HOST_PRIVATES = frozenset({"_outlet"})
"""Private names of BasePlugin, which not even `self` may use."""

TUPLE_ATTRIBUTES = frozenset({"_asdict", "_replace", "_fields", "_make"})
"""Underscored names that are public: those of named tuples (`df.itertuples()`)."""

DENIED_ATTRIBUTES = _words("""
    gi_frame gi_code gi_yieldfrom cr_frame cr_code cr_await cr_origin ag_frame ag_code ag_await
    tb_frame tb_next tb_lasti tb_lineno f_back f_builtins f_code f_globals f_locals f_trace
    f_lasti f_lineno co_code co_consts co_names func_globals func_code mro with_traceback ctypes
    manager handlers addHandler removeHandler loggerClass setLoggerClass eval query sql format_map
    deserialize serialize remote show_graph register_dataframe_accessor register_extension_type
    add_note style plot hist boxplot dump dumps save savez savetxt savefig tofile fileno detach
    truncate unlink
    rmdir mkdir touch symlink_to hardlink_to chmod lchmod setflags setstate os sys subprocess
    builtins importlib socket shutil posix pickle marshal threading signal multiprocessing
    tempfile runpy pty
""")
"""Refused on any object."""

DENIED_PREFIXES = ("write", "sink_", "save_", "read_pickle", "read_sql", "to_")
"""Attributes that begin so write or leave the plugin; `CONVERSIONS` are the exceptions."""

CONVERSIONS = _words("""
    to_dict to_dicts to_list to_numpy to_pandas to_arrow to_pydict to_pylist to_frame to_records
    to_series to_period to_timestamp to_pydatetime to_pytimedelta to_flat_index to_dummies
    to_physical to_struct to_lowercase to_uppercase to_titlecase to_date to_datetime to_time
    to_decimal to_integer to_batches to_reader to_table to_numeric to_timedelta to_python
    to_julian_date to_datetime64 to_timedelta64 to_tuples to_offset to_struct_array
    to_string_array to_chunked_array to_bytes to_integral_value to_integral_exact to_integral
    to_eng_string to_pybytes
""")
"""Attributes beginning with `to_` that only convert in memory."""

KNOWN_WRITERS = _words("""
    to_csv to_parquet to_sql to_pickle to_json to_excel to_feather to_hdf to_html to_xml to_latex
    to_markdown to_clipboard to_gbq to_stata to_orc to_string to_iceberg to_xarray to_delta
""")
"""Writers that stay refused even where the plugin has a method of the same name."""

DENIED_KEYWORDS = frozenset({"storage_options", "allow_pickle", "opener", "closefd", "filesystem"})
"""Keyword arguments refused in any call, and as text that could become one."""

DISPATCHERS = frozenset({"agg", "aggregate", "apply", "transform", "applymap"})
"""Methods that look a text up as a method name."""

DISPATCH_WORDS = _words("""
    sum mean min max first last count nunique size median std var prod sem quantile any all mode
    idxmin idxmax cumsum cumprod cummin cummax rank ffill bfill shift diff pct_change skew kurt
    abs strip lower upper unique nth head tail
""")
"""Texts that may name a method to a dispatcher."""

DISPATCH_OPTIONS = _words("""
    axis raw result_type args engine engine_kwargs convert_dtype by_row numeric_only min_count
    na_action include_groups meta
""")
"""Keywords of dispatchers that hold no method."""

OPENERS = {
    "open": 1,
    "gzip.open": 1,
    "gzip.GzipFile": 1,
    "bz2.open": 1,
    "bz2.BZ2File": 1,
    "lzma.open": 1,
    "lzma.LZMAFile": 1,
    "zipfile.ZipFile": 1,
    "tarfile.open": 1,
    "codecs.open": 1,
}
"""Calls that open a file, with the position of their mode."""

READ_MODES = _words("""
    r rt tr rb br r: r:* r:gz r:bz2 r:xz r| r|* r|gz r|bz2 r|xz
""")

PATTERN_CLASSES = _words("""
    int str float bool bytes bytearray list tuple dict set frozenset
""")
"""Foreign classes that `case Name(...)` may name."""

DECORATORS = _words("""
    staticmethod classmethod property dataclasses.dataclass functools.cache functools.lru_cache
    functools.cached_property functools.total_ordering contextlib.contextmanager enum.unique
    typing.final typing.overload typing.runtime_checkable abc.abstractmethod
""")

IMPORT_TIME_CALLS = _words("""
    re.compile casparian_flow.sdk.PluginMetadata frozenset set dict tuple list object range
    str.maketrans bytes.fromhex decimal.Decimal datetime.timedelta datetime.date datetime.time
    datetime.datetime datetime.timezone zoneinfo.ZoneInfo struct.Struct logging.getLogger
    collections.namedtuple collections.OrderedDict typing.NewType typing.TypeVar typing.ParamSpec
    operator.itemgetter types.MappingProxyType pathlib.PurePath pathlib.PurePosixPath
    struct.calcsize enum.auto dataclasses.field collections.Counter pandas.CategoricalDtype
    pandas.DatetimeTZDtype pandas.Timestamp pandas.Timedelta pandas.StringDtype pandas.ArrowDtype
    pandas.Int64Dtype pandas.Int32Dtype pandas.Float64Dtype pandas.BooleanDtype pandas.NamedAgg
    numpy.dtype polars.Datetime polars.Duration polars.Decimal polars.List polars.Struct
    polars.Schema polars.Field polars.Enum polars.Categorical polars.Array pyarrow.schema
    pyarrow.field pyarrow.bool_ pyarrow.int8 pyarrow.int16 pyarrow.int32 pyarrow.int64
    pyarrow.uint8 pyarrow.uint16 pyarrow.uint32 pyarrow.uint64 pyarrow.float32 pyarrow.float64
    pyarrow.string pyarrow.large_string pyarrow.utf8 pyarrow.binary pyarrow.date32 pyarrow.date64
    pyarrow.timestamp pyarrow.duration pyarrow.decimal128 pyarrow.decimal256 pyarrow.list_
    pyarrow.large_list pyarrow.struct pyarrow.map_ pyarrow.dictionary pyarrow.time32
    pyarrow.time64 pyarrow.null pyarrow.csv.ReadOptions pyarrow.csv.ParseOptions
    pyarrow.csv.ConvertOptions
""")
"""Calls allowed outside functions, where code runs on import."""

URL_TAKERS = _words("""
    startswith endswith removeprefix removesuffix replace split partition rpartition strip lstrip
    find findall findtext iterfind iter index count match search fullmatch sub compile get pop
    urlparse urlsplit quote unquote QName append add setdefault contains starts_with join
    quarantine uuid5 uuid3 isin eq ne equals print debug info warning error
""")
"""Calls that may take a text beginning with `scheme://`: they read nothing from it."""

ESCAPE_WORDS = _words("""
    __class__ __base__ __bases__ __mro__ __subclasses__ __globals__ __builtins__ __import__
    __code__ __closure__ __func__ __self__ __dict__ __getattribute__ __getattr__ __reduce__
    __reduce_ex__ __loader__ __spec__ __wrapped__ __init_subclass__ __traceback__
""")
"""Texts that serve only to reach the interpreter's inside."""

NODES = _words("""
    Module Expr Assign AugAssign AnnAssign For While If With Raise Try TryStar Assert Import
    ImportFrom Nonlocal Pass Break Continue Return Delete FunctionDef ClassDef Match match_case
    MatchValue MatchSingleton MatchSequence MatchMapping MatchClass MatchStar MatchAs MatchOr
    BoolOp NamedExpr BinOp UnaryOp Lambda IfExp Dict Set ListComp SetComp DictComp GeneratorExp
    Yield YieldFrom Compare Call FormattedValue JoinedStr Constant Attribute Subscript Starred
    Name List Tuple Slice comprehension ExceptHandler arguments arg keyword alias withitem
""")
"""Kinds of syntax a plugin may use; what a later Python adds is refused until it is listed."""
