"""The text of a label table: a change rewrites one field, and nothing else."""

import csv
import io

import pytest

from pipeline.errors import DataLayoutError
from pipeline.tuner.label_table import LabelTable

FOREIGN = """\ufeffgroup,"path",label,note,split
g1,"a, b.jpg","red","said ""no""
  twice",train
g2,c.jpg,red,,val

g3,gone.jpg,blue,"",training
g2,c.jpg,blue,again,test""".replace("\n", "\r\n")
"""With a byte order mark, another order of columns, columns of its own, quotes, a field of two lines, and no last line end."""


def parse(text):
    return LabelTable.parse(text.encode(), "labels.csv")


def test_unchanged_table_keeps_its_bytes():
    """In any style of CSV."""
    for text in (FOREIGN, FOREIGN.replace("\r\n", "\n"), "path,label,split\r'a',b,train\r", "path,label,split\n\n"):
        assert parse(text).to_bytes() == text.encode()
        assert parse(text).with_label("no such path", "red").to_bytes() == text.encode()


def test_label_is_one_field():
    """A label in quotes stays in quotes; all rows of the image have the new one."""
    assert parse(FOREIGN).with_label("a, b.jpg", "green").to_bytes().decode() == FOREIGN.replace('"red"', '"green"')
    assert parse(FOREIGN).with_label("c.jpg", 'a "b", c').to_bytes().decode() == FOREIGN.replace(
        "c.jpg,red", 'c.jpg,"a ""b"", c"'
    ).replace("c.jpg,blue", 'c.jpg,"a ""b"", c"')


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"], ids=repr)
def test_rows_are_added_in_the_style_of_the_header(line_end):
    """With its line ends, in its columns; other columns are empty."""
    before = line_end.join(["split,note,label,path", "train,x,red,a.jpg"])
    table = parse(before).with_rows([("b,1.jpg", "blue", "test"), ("c.jpg", None, "train")])

    assert table.to_bytes().decode() == line_end.join([before, 'test,,blue,"b,1.jpg"', "train,,,c.jpg", ""])
    assert parse(table.to_bytes().decode()).entries == table.entries


@pytest.mark.parametrize("old", ["red", '"red"', '"re"d', 're"d', "", '""', '"re\nd"', '"a""b"'])
def test_changed_row_is_read_as_csv_reads_it(old):
    """For any text in the field before, and in the fields beside it."""
    text = f'path,before,label,split\n"x""y",{old},{old},"train"\n'
    before = list(csv.reader(io.StringIO(text, newline="")))
    after = list(csv.reader(io.StringIO(parse(text).with_label('x"y', "new").to_bytes().decode(), newline="")))

    assert after == [before[0], [*before[1][:2], "new", "train"]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"needs the columns path, label, split. Received: \[\]"),
        (b"path;label;split\n", r"Received: \['path;label;split'\]"),
        (b"path,label,split\na,b\n", "row 2 does not have the 3 columns"),
        (b'path,label,split\na,b,"train\n', "a quote is never closed"),
        (b"path,label,split\n\xff,b,train\n", "not a UTF-8 CSV file"),
    ],
)
def test_text_that_is_no_label_table_is_refused(content, message):
    """The message says why."""
    with pytest.raises(DataLayoutError, match=message):
        LabelTable.parse(content, "labels.csv")
