"""Names of third-party libraries that a plugin may use, module by module."""

_PANDAS = """
read_csv read_table read_fwf read_json read_excel ExcelFile read_xml read_html read_parquet
read_feather read_orc read_stata read_sas read_spss json_normalize
DataFrame Series Index MultiIndex DatetimeIndex TimedeltaIndex PeriodIndex RangeIndex
CategoricalIndex IntervalIndex
Categorical CategoricalDtype DatetimeTZDtype PeriodDtype IntervalDtype StringDtype BooleanDtype
Int8Dtype Int16Dtype Int32Dtype Int64Dtype UInt8Dtype UInt16Dtype UInt32Dtype UInt64Dtype
Float32Dtype Float64Dtype ArrowDtype
to_datetime to_numeric to_timedelta concat merge merge_asof merge_ordered cut qcut factorize
get_dummies pivot pivot_table crosstab melt wide_to_long lreshape date_range period_range
timedelta_range bdate_range interval_range infer_freq array unique isna isnull notna notnull
NA NaT Timestamp Timedelta Period Interval DateOffset Grouper NamedAgg IndexSlice
"""
_NUMPY = """
array asarray asanyarray ascontiguousarray arange linspace zeros ones full empty zeros_like
ones_like full_like empty_like eye identity concatenate stack vstack hstack dstack column_stack
split array_split reshape ravel transpose expand_dims squeeze repeat tile unique sort argsort
searchsorted where select choose clip nonzero flatnonzero isin in1d diff cumsum cumprod sum mean
median std var min max amin amax nanmin nanmax nansum nanmean nanmedian nanstd ptp percentile
quantile nanpercentile nanquantile average bincount histogram digitize interp round around floor
ceil trunc rint abs absolute sign sqrt square exp log log2 log10 log1p expm1 power mod sin cos tan
arcsin arccos arctan arctan2 degrees radians deg2rad rad2deg hypot isnan isfinite isinf nan inf pi
e newaxis logical_and logical_or logical_not logical_xor any all minimum maximum equal add
subtract multiply divide dot outer ndarray dtype generic number integer floating signedinteger
unsignedinteger int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64 complex64
complex128 bool_ str_ bytes_ object_ datetime64 timedelta64 datetime_as_string busday_count
frombuffer fromiter fromstring loadtxt genfromtxt argmax argmin count_nonzero flip roll allclose
isclose array_equal nan_to_num vectorize packbits unpackbits iinfo finfo broadcast_to meshgrid
errstate unravel_index delete insert append
"""
_POLARS = """
read_csv read_csv_batched scan_csv read_json read_ndjson scan_ndjson read_excel read_parquet
scan_parquet read_ipc scan_ipc read_ods read_avro read_ipc_stream read_lines
DataFrame LazyFrame Series Expr Schema Field
col lit when len count all any sum mean min max first last concat concat_list concat_str coalesce
struct format date datetime time duration date_range datetime_range int_range arange element
exclude fold reduce from_dicts from_dict from_records from_arrow from_pandas from_numpy
from_epoch zeros ones repeat cum_sum sum_horizontal min_horizontal max_horizontal any_horizontal
all_horizontal mean_horizontal concat_arr nth head tail n_unique median std var quantile implode
collect_all align_frames union
Int8 Int16 Int32 Int64 Int128 UInt8 UInt16 UInt32 UInt64 Float32 Float64 Boolean String Utf8 Binary
Date Datetime Time Duration Decimal Categorical Enum List Array Struct Null Object Unknown
"""
_ARROW = """
table Table RecordBatch RecordBatchReader record_batch array Array chunked_array ChunkedArray
schema Schema field Field scalar Scalar DictionaryArray StructArray ListArray StringArray
concat_tables concat_arrays concat_batches Buffer BufferReader py_buffer null nulls repeat
infer_type unify_schemas
bool_ int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64 string utf8
large_string large_utf8 binary large_binary string_view binary_view date32 date64 time32 time64
timestamp duration month_day_nano_interval decimal128 decimal256 list_ large_list struct map_
dictionary DataType StructType ListType TimestampType Decimal128Type
ArrowInvalid ArrowTypeError ArrowNotImplementedError ArrowException ArrowKeyError NA
"""
_COMPUTE = """
abs add add_checked all and_ and_kleene any approximate_median ascii_lower ascii_upper
ascii_trim_whitespace assume_timezone binary_join binary_join_element_wise binary_length case_when
cast ceil ceil_temporal choose coalesce count count_distinct count_substring cumulative_sum day
day_of_week day_of_year days_between dictionary_encode divide drop_null ends_with equal exp
extract_regex fill_null fill_null_backward fill_null_forward filter find_substring first floor
floor_temporal greater greater_equal hour if_else index index_in invert is_finite is_in is_inf
is_nan is_null is_valid iso_calendar last less less_equal list_flatten list_value_length ln log10
map_lookup match_like match_substring match_substring_regex max max_element_wise mean microsecond
millisecond min min_element_wise min_max minute mode month multiply negate not_equal or_ or_kleene
power product quantile quarter replace_substring replace_substring_regex round round_temporal
scalar second seconds_between select_k_unstable sort_indices split_pattern split_pattern_regex sqrt
starts_with stddev strftime string_is_ascii strptime struct_field subtract sum take trunc unique
utf8_is_decimal utf8_is_digit utf8_is_numeric utf8_length utf8_lower utf8_ltrim utf8_lower
utf8_replace_slice utf8_rtrim utf8_slice_codeunits utf8_split_whitespace utf8_trim
utf8_trim_whitespace utf8_upper value_counts variance week weeks_between year years_between field
utf8_ltrim_whitespace utf8_rtrim_whitespace utf8_title utf8_capitalize utf8_lpad utf8_rpad
"""
_ARROW_TYPES = """
is_string is_large_string is_integer is_floating is_boolean is_timestamp is_date is_decimal
is_dictionary is_list is_struct is_null is_binary is_temporal is_time is_duration is_nested
is_large_list is_signed_integer is_unsigned_integer is_map
"""

_SOURCES = {
    "charset_normalizer": "from_bytes detect",
    "chardet": "detect",
    "dateutil": "",
    "dateutil.parser": "parse isoparse ParserError",
    "dateutil.relativedelta": "relativedelta",
    "dateutil.tz": "gettz UTC tzutc tzoffset",
    "numpy": _NUMPY,
    "openpyxl": "load_workbook",
    "openpyxl.utils": "get_column_letter column_index_from_string",
    "openpyxl.utils.datetime": "from_excel",
    "pandas": _PANDAS,
    "pandas.errors": "ParserError EmptyDataError OutOfBoundsDatetime DtypeWarning ParserWarning "
    "MergeError IntCastingNaNError",
    "polars": _POLARS,
    "polars.exceptions": "ComputeError ColumnNotFoundError InvalidOperationError NoDataError "
    "PolarsError SchemaError ShapeError DuplicateError SchemaFieldNotFoundError",
    "polars.selectors": "all alpha alphanumeric binary boolean by_dtype by_index by_name "
    "categorical contains date datetime decimal digit duration ends_with exclude first float "
    "integer last matches numeric signed_integer starts_with string temporal time unsigned_integer",
    "pyarrow": _ARROW,
    "pyarrow.compute": _COMPUTE,
    "pyarrow.csv": "read_csv open_csv ReadOptions ParseOptions ConvertOptions ISO8601 InvalidRow "
    "CSVStreamingReader",
    "pyarrow.feather": "read_table read_feather",
    "pyarrow.ipc": "open_file open_stream RecordBatchFileReader RecordBatchStreamReader",
    "pyarrow.json": "read_json open_json ReadOptions ParseOptions",
    "pyarrow.orc": "ORCFile read_table",
    "pyarrow.parquet": "read_table ParquetFile read_schema read_metadata",
    "pyarrow.types": _ARROW_TYPES,
    "xlrd": "open_workbook xldate_as_datetime xldate_as_tuple XLRDError",
}

NAMES: dict[str, frozenset[str]] = {
    module: frozenset(names.split()) for module, names in _SOURCES.items()
}
"""Module to the names that may be used of it; a package that only holds modules has none."""
