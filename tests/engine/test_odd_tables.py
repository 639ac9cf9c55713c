"""Tables as programs and people really leave them: which rows are records, what names columns."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from engine.profile import profile_file
from tests.engine.making import Odd, read_whole

at = datetime.fromisoformat
TABLES: dict[str, Odd] = {
    # name: content, columns, rows (the first ones), records set aside
    "row_names.csv": (
        '"mpg","cyl"\n"Mazda RX4",21,6\n"Datsun 710",22.8,4\n"Valiant",18.1,6\n',
        ["column_1", "mpg", "cyl"],
        [["Mazda RX4", 21.0, 6], ["Datsun 710", 22.8, 4]],
        0,
    ),
    "trailing_delimiter.csv": (
        "a,b,c\n1,2,3,\n4,5,6,\n7,8,9,\n",
        ["a", "b", "c", "column_4"],
        [[1, 2, 3, None], [4, 5, 6, None]],
        0,
    ),
    "last_cells_left_out.csv": (
        "day,low,high,note,by\n1,2,3\n4,5,6\n7,8,9\n10,11,12,x\n13,14,15,y,z\n",
        ["day", "low", "high", "note", "by"],
        [[1, 2, 3, None, None], [4, 5, 6, None, None], [7, 8, 9, None, None],
         [10, 11, 12, "x", None]],
        0,
    ),
    "one_row_cut_off.csv": (
        "a,b,c\n1,2,3\n4,5\n7,8,9\n1,2,3\n4,5,6\n7,8,9\n",
        ["a", "b", "c"],
        [[1, 2, 3], [7, 8, 9]],
        1,
    ),
    "value_like_its_header.csv": (
        "Country,Group,ID\n"
        + "".join(f"c{n},g{n % 3},{'ID' if n == 7 else f'X{n}'}\n" for n in range(60)),
        ["Country", "Group", "ID"],
        [["c0", "g0", "X0"]],
        0,
    ),
    "long_whole_number.csv": (
        "x\n0.5\n999999999999998592\n1234567890123456789\n",
        ["x"],
        [[0.5], [999999999999998592.0]],
        1,
    ),
    "prose_above.dat": (
        "/* quarterly, adjusted\nsource: Deutsche Bundesbank\n*/\ninvest income cons\n"
        + "".join(f"{n} {n + 1} {n + 2}\n" for n in range(180, 190)),
        ["invest", "income", "cons"],
        [[180, 181, 182]],
        0,
    ),
    "blank_lines_between.dat": (
        "Year  Jan  Feb\n"
        + "".join(f"{1749 + n}  {n}.5  1.5\n{chr(10) * (n % 2)}" for n in range(30)),
        ["Year", "Jan", "Feb"],
        [[1749, 0.5, 1.5], [1750, 1.5, 1.5]],
        0,
    ),
    "name_like_a_total.csv": (
        "company,country,amount\nShell,UK,10\nBP,UK,12\nEni,IT,9\nTotalEnergies,FR,14\nTotal,,45\n",
        ["company", "country", "amount"],
        [["Shell", "UK", 10], ["BP", "UK", 12], ["Eni", "IT", 9], ["TotalEnergies", "FR", 14]],
        0,
    ),
    "marked_header.csv": (
        "#name,city\nalice,paris\nbob,rome\ncarl,oslo\ndora,bern\n",
        ["#name", "city"],
        [["alice", "paris"], ["bob", "rome"]],
        0,
    ),
    "sometimes_a_last_cell.csv": (
        "name,city,team\nBob,Rome,red,\nEve,Paris,blue,late\nJim,Oslo,red,\nAnn,Bern,blue,\n",
        ["name", "city", "team", "column_4"],
        [["Bob", "Rome", "red", None], ["Eve", "Paris", "blue", "late"]],
        0,
    ),
    "filled_up_above.csv": (
        'Solar report,,,,\nRequested:,15 Main St,,,\nAt:,"39.7, -105",,,\nElev (m):,1819,,,\n'
        "Month,Day,Hour,Beam (W),Temp\n1,1,0,0,-17\n1,1,1,12.5,-16\n1,1,2,331,-15\n"
        "1,1,3,400,-14\n1,1,4,410,-12\n1,1,5,414,-11\n",
        ["Month", "Day", "Hour", "Beam (W)", "Temp"],
        [[1, 1, 0, 0.0, -17], [1, 1, 1, 12.5, -16]],
        0,
    ),
    "groups_above_names.csv": (
        ",Model,,,,Direct,,,\n,DOY,HR,ETR,Zenith,Beam,Horizontal,Global,Diffuse\n"
        + "".join(f",1,{n},1414.9,{n}.5,0,0,0,0\n" for n in range(6)),
        ["column_1", "Model DOY", "Model HR", "Model ETR", "Model Zenith", "Direct Beam",
         "Direct Horizontal", "Direct Global", "Direct Diffuse"],
        [[None, 1, 0, 1414.9, 0.5, 0, 0, 0, 0]],
        0,
    ),
    "names_kinds_and_roles.tab": (
        "length\twidth\tiris\nc\tc\td\n\t\tclass\n5.1\t3.5\tsetosa\n4.9\t3.0\tsetosa\n"
        "6.0\t2.9\tvirginica\n",
        ["length c", "width c", "iris d class"],
        [[5.1, 3.5, "setosa"], [4.9, 3.0, "setosa"]],
        0,
    ),
    "names_in_a_comment.tab": (
        "# zones\n#codes\tcoordinates\tTZ\tcomments\n# sorted\nAD\t+4230+00131\tEurope/Andorra\n"
        "AQ\t-6617+11031\tAntarctica/Casey\tCasey\nAL\t+4120+01950\tEurope/Tirane\n"
        "AS\t-1416-17042\tPacific/Pago_Pago\tall\nBI\t-0323+02922\tAfrica/Bujumbura\nAT\t+4813+01620\tEurope/Vienna\tall\n"
        "AR\t-3436-05827\tAmerica/Buenos_Aires\tmost\nAM\t+4011+04430\tAsia/Yerevan\n"
        "# the end\n",
        ["codes", "coordinates", "TZ", "comments"],
        [["AD", "+4230+00131", "Europe/Andorra", None],
         ["AQ", "-6617+11031", "Antarctica/Casey", "Casey"]],
        0,
    ),
    "short_records_first.tab": (
        "# zones\nAD\t+4230\tAndorra\nAE\t+2518\tDubai\nAQ\t-6617\tCasey\tEast\n"
        "AQ\t-6835\tDavis\tEast\nAR\t-3436\tBuenos_Aires\tmost\nAM\t+4011\tYerevan\n",
        ["column_1", "column_2", "column_3", "column_4"],
        [["AQ", -6617, "Casey", "East"], ["AQ", -6835, "Davis", "East"]],
        3,
    ),
    "codes_without_names.txt": (
        "# number: two letters: three letters: name\n004:AF:AFG:Afghanistan\n"
        "248:AX:ALA:Åland Islands\n008:AL:ALB:Albania\n012:DZ:DZA:Algeria\n016:AS:ASM:Samoa\n"
        "020:AD:AND:Andorra\n024:AO:AGO:Angola\n660:AI:AIA:Anguilla\n010:AQ:ATA:Antarctica\n",
        ["number", "two letters", "three letters", "name"],
        [["004", "AF", "AFG", "Afghanistan"], ["248", "AX", "ALA", "Åland Islands"]],
        0,
    ),
    "in_order_from_the_first.tab": (
        "AD\tAndorra\nAE\tEmirates\nAF\tAfghanistan\nAG\tAntigua\nAI\tAnguilla\nAL\tAlbania\n",
        ["column_1", "column_2"],
        [["AD", "Andorra"], ["AE", "Emirates"]],
        0,
    ),
    "languages.txt": (
        "# ISO 639\n# code:Language\naa:Afar\nab:Abkhazian\nae:Avestan\naf:Afrikaans\nak:Akan\n"
        "am:Amharic\nan:Aragonese\nar:Arabic\nas:Assamese\n",
        ["code", "Language"],
        [["aa", "Afar"], ["ab", "Abkhazian"]],
        0,
    ),
    "accounts.txt": (
        "root:x:0:0:root:/root:/bin/bash\nbin:x:1:1:bin:/bin:/sbin/nologin\n"
        + "".join(f"u{n}:x:{n}:{n}:U {n}:/home/u{n}:/bin/sh\n" for n in range(2, 22)),
        [f"column_{n}" for n in range(1, 8)],
        [["root", "x", 0, 0, "root", "/root", "/bin/bash"]],
        0,
    ),
    "underlined_names.txt": (
        "  Sales by month\n\nmonth     amount\n--------- ------\nJanuary     1200\n"
        "February     900\nMarch       1000\n",
        ["month", "amount"],
        [["January", 1200], ["February", 900], ["March", 1000]],
        0,
    ),
    "first_record_too_long.csv": (
        "1,Acme, Ltd,2.5\n2,Bolt,3.5\n3,Cask,4.5\n4,Dorn,5.5\n",
        ["column_1", "column_2", "column_3"],
        [[2, "Bolt", 3.5]],
        1,
    ),
    "times_and_blanks.txt": (
        "# peaks and troughs\n1923:06 1924:07\n1926:11 1927:11\n1929:09 1933:03\n1937:06 1938:06\n",
        ["column_1", "column_2"],
        [["1923:06", "1924:07"], ["1926:11", "1927:11"]],
        0,
    ),
    "suffixes.dat": (
        "// a list\n// of suffixes, grouped\n\n// ac\nac\ncom.ac\n\n// ad\nad\n\nae\nco.ae\n",
        ["column_1"],
        [["ac"], ["com.ac"], ["ad"]],
        0,
    ),
    "count_above.txt": (
        '10,2\n"id","z"\n1,2.24\n2,3.10\n3,4.55\n4,-5.15\n5,1.5\n6,2.5\n',
        ["id", "z"],
        [[1, 2.24], [2, 3.10]],
        0,
    ),
    "row_numbers_and_brackets.tsv": (
        " ID Status Start(days) Stop(days) T\n0 M 1 0 100 100\n1 M 2 100 105 5\n2 H 1 0 30 30\n"
        "3 H 2 30 50 20\n",
        ["column_1", "ID", "Status", "Start(days)", "Stop(days)", "T"],
        [[0, "M", 1, 0, 100, 100], [1, "M", 2, 100, 105, 5]],
        0,
    ),
    "first_record_is_short.csv": (
        "1,,,,\n1,2,,,\n1,2,3,,\n1,2,3,4,\n1,2,3,4,5\n1,2,3,4,5\n",
        ["column_1", "column_2", "column_3", "column_4", "column_5"],
        [[1, None, None, None, None], [1, 2, None, None, None]],
        0,
    ),
    "broken_off_often.txt": (
        "a,b,c\n1,2,x\n1,2,x\n1,2,x\n4,5\n1,2,x\n1\n1\n1,2,y\n",
        ["a", "b", "c"],
        [[1, 2, "x"]],
        3,
    ),
    "three_wide_lines.txt": (
        "John Smith          WA        418-Y11-4111\nMary Hartford       CA        319-Z19-4341\n"
        "Evan Nolan          IL        219-532-c301\n",
        ["column_1", "column_2", "column_3", "column_4"],
        [["John", "Smith", "WA", "418-Y11-4111"]],
        0,
    ),
    "comment_between.dat": (
        "# separated by blanks\nz.nh p.gamma name val\n  0.0872 1.2676 input 0.0\n"
        "0.0863 1.2677 chi2const 494.39\n  # comment\n0.0839 1.2599 chi2mod 497.5\n"
        "0.0867 1.2704 cash -579.3\n0.0913 1.2873 chi2gehrels 416.9\n0.0943 1.2983 cstat 572.7\n",
        ["z.nh", "p.gamma", "name", "val"],
        [[0.0872, 1.2676, "input", 0.0], [0.0863, 1.2677, "chi2const", 494.39]],
        1,
    ),
    "names_between_rules.dat": (
        "# separated by blanks\n---------------\nz.nh p.gamma name val\n---------------\n"
        + "".join(f"0.08{n} 1.2{n} cash {n}.5\n" for n in range(10, 20)),
        ["z.nh", "p.gamma", "name", "val"],
        [[0.081, 1.21, "cash", 10.5]],
        1,
    ),
    "names_of_one_word_or_two.dat": (
        "Cr110   2108 38 52.5 14.79 --    Cl* Collinder 110\n"
        "Cr110   2129 38 41.1 15.00 12.17 Cl* Collinder 110\n"
        "NGC2099   67 52 16.6 12.38  9.87 NGC 2099   67\n"
        "NGC2682  141 51 22.8 11.59  9.40 Cl* NGC 2682 FAG 141\n"
        "NGC2682  223 51 43.9 11.68  9.50 Cl* NGC 2682 FAG 223\n"
        "NGC2682  286 52 18.6 11.47  9.30 Cl* NGC 2682 FAG 286\n",
        ["column_1", "column_2", "column_3", "column_4", "column_5", "column_6", "column_7",
         "column_8"],
        [["Cr110", 2108, 38, 52.5, 14.79, None, "Cl*", "Collinder 110"]],
        0,
    ),
    "comma_in_another_column.csv": (
        'what,kwh,sum\nenergy,"5.253","17.233,37"\nlight,"17.880","861,60"\n',
        ["what", "kwh", "sum"],
        [["energy", "5.253", 17233.37], ["light", "17.880", 861.6]],
        0,
    ),
    "two_tables.csv": (
        "long wide,tall,deep,kind,\n5.1,3.5,1.4,0.2 a,\n4.9,3.0,1.4,0.2 a,\n4.7,3.2,1.3,0.2 b,\n\n"
        "long,wide,tall,deep,kind,extra\n1 6.7,3.3,5.7,2.5,c\n2 6.7,3.0,5.2,2.3,c\n",
        ["long wide", "tall", "deep", "kind", "column_5"],
        [["5.1", 3.5, 1.4, "0.2 a", None]],
        1,
    ),
    "hours.csv": (
        "time,power\n20160101:0010,1.5\n20160101:0110,2.5\n20161231:2310,0.5\n",
        ["time", "power"],
        [[at("2016-01-01T00:10"), 1.5], [at("2016-01-01T01:10"), 2.5]],
        0,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TABLES)
def test_every_row_of_an_odd_table_is_read_or_set_aside(name: str, tmp_path: Path) -> None:
    read_whole(tmp_path, name, TABLES[name])


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        (
            "settings.json",
            '{\n  // of an editor\n  "tab": 4, // blanks\n  "wrap": 80\n}\n',
            "line 2",
        ),
        ("list.xml", '<?xml version="1.0"?>\n<r><i n="Enewetak & Ujelang"/></r>\n', "line 2"),
        ("other.xml", '<?xml version="1.0" encoding="bogus"?>\n<r><i>1</i></r>\n', "bogus"),
        ("feed.xml", '<?xml version="1.0"?>\n<rss>\n</rss>\n', "no values"),
    ],
)
def test_what_only_looks_like_a_format_is_said_to_be_broken(
    name: str, content: str, says: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_text(content)

    profile = profile_file(str(tmp_path / name).encode())

    assert (profile.format, profile.reading) == (name.rpartition(".")[2], None)
    assert says in profile.problems[0]


def test_many_comments_above_a_document_take_no_time(tmp_path: Path) -> None:
    content = "<!-- licence line -->\n" * 60 + "<r><p><n>1</n></p><p><n>2</n></p></r>"
    (tmp_path / "a.xml").write_text(content)

    assert profile_file(str(tmp_path / "a.xml").encode()).format == "xml"


def test_a_record_larger_than_the_sample_is_recognised_by_its_beginning(tmp_path: Path) -> None:
    points = ",".join(f"[{n}.5,{n}.25]" for n in range(60_000))
    content = f'{{"type":"Collection","features":[{{"name":"aq","points":[{points}]}}]}}'

    read_whole(tmp_path, "big.geojson", (content, ["name", "points"], [], 0))
