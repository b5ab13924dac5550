"""`sinkctl ls --csv` and `search --csv`, read by DuckDB: the rows of `--json`, value by value."""
import json
import smtplib

from sink import Sink

SUBJECTS = [
    'one, two; "three"', "=?utf-8?q?Gr=C3=BC=C3=9Fe=0D=0Anext_=22line=22?=", '=HYPERLINK("http://example.org")', "",
    "=?utf-8?q?=09tab_and_=1B[31m?=", "plain",
]
RECIPIENTS = [["b@example.com"], ['"a;b"@example.com', "c@example.com"], ['"x,\\"y"@example.com', "=d@example.com"]]
# As specified in docs/search.md.
SPLIT = r"[regexp_replace(x, '\\(.)', '\1', 'g') for x in regexp_extract_all(rcpt_to, '(?:[^;\\]|\\.)+')]"
COLUMNS = "id,received_at,mail_from,rcpt_to,size,session,subject,tls.version,file_names,content_hash"


def send(sink):
    with smtplib.SMTP("127.0.0.1", sink.port, timeout=30) as client:
        client.ehlo()
        for n, subject in enumerate(SUBJECTS):
            client.docmd("MAIL", "FROM:<a@example.org>")
            for path in RECIPIENTS[n % len(RECIPIENTS)]:
                assert client.docmd("RCPT", f"TO:<{path}>")[0] == 250, path
            code, _ = client.data(f"Subject: {subject}\r\n\r\nhello\r\n".encode())
            assert code == 250


def rows_of(sink, *args):
    """Returns the rows of DuckDB, all columns as text, and its split of rcpt_to."""
    import duckdb

    path = f"{sink.data}.csv"
    with open(path, "wb") as file:
        file.write(sink.ctl(*args, "--csv", "--columns", COLUMNS))
    found = duckdb.execute(f"select *, {SPLIT} as split from read_csv(?, all_varchar=true)", [path])
    names = [column[0] for column in found.description]
    return [dict(zip(names, row)) for row in found.fetchall()]


def differences(row, message):
    """Returns the columns in which a row differs from its JSON object; DuckDB reads empty cells as null."""
    message = message | {"tls.version": None, "split": message["rcpt_to"], "file_names": None}
    expected = {name: message[name] for name in [*COLUMNS.split(","), "split"] if name != "rcpt_to"}
    expected = {name: value if name == "split" else str(value or "") or None for name, value in expected.items()}
    return {name: (row[name], value) for name, value in expected.items() if row[name] != value}


def check(sink):
    for args in [["ls"], ["search"]]:
        messages = [json.loads(line) for line in sink.ctl(*args, "--json").splitlines()]
        rows = rows_of(sink, *args)
        if len(rows) != len(SUBJECTS):
            return f"{args}: {len(rows)} rows"
        for row, message in zip(rows, messages):
            if wrong := differences(row, message):
                return f"{args}: {wrong}"
    paths = [row["rcpt_to"] for row in rows_of(sink, "ls", "--per-recipient")]
    sent = sum(RECIPIENTS, []) * 2
    return None if paths == sent else f"recipients: {paths}"


def duckdb_reads_tables(programs):
    """DuckDB reads ls --csv and search --csv"""
    # Without an index, so that two listings see the same state.
    sink = Sink(programs, "--index", "off")
    try:
        send(sink)
        return len(SUBJECTS), check(sink)
    finally:
        sink.process.kill()
        sink.process.wait()
        sink.remove()
