"""Links a cohort to a register with Splink, for scripts/bench-linkage.

    splink_link.py prepare REGISTER.csv COHORT.csv DIRECTORY
    splink_link.py train   DIRECTORY MODEL.json SCORED.csv MAX_PAIRS
    splink_link.py predict DIRECTORY MODEL.json SCORED.csv

`prepare` writes both as parquet. `train` estimates a model (u from so many sampled pairs), saves it and scores; `predict` scores with a
saved model. SCORED.csv is the best candidate of each record. Both print seconds and CPU seconds since the imports, and the peak
resident memory in MB.
"""

import csv
import re
import resource
import sys
import time
from datetime import date, datetime
from pathlib import Path

import duckdb
import splink.comparison_level_library as cll
import splink.comparison_library as cl
from splink import ColumnExpression, DuckDBAPI, Linker, SettingsCreator, block_on
from splink.blocking_rule_library import CustomRule

DATE_FORMATS = ("%Y-%m-%d", "%d/%m/%Y", "%d/%m/%y", "%d-%b-%Y", "%d %B %Y", "%d.%m.%Y", "%Y%m%d")


def iso(text):
    """A date as providers write it, as ISO text; the empty text for what is no date."""
    for form in DATE_FORMATS:
        try:
            day = datetime.strptime(text.strip(), form).date()
        except ValueError:
            continue
        return (day.replace(year=day.year - 100) if day > date.today() else day).isoformat()
    return ""


# The same cleaning for both sides; identifiers and postcodes come in canonical form. What a level or rule asks for is worked out here.
def name(column):
    return f"nullif(trim(regexp_replace(replace(upper(strip_accents({column})), '-', ' '), '[^A-Z ]', '', 'g')), '') AS {column}"


COLUMNS = f"""
    CAST(unique_id AS BIGINT) AS unique_id, CAST(person_id AS BIGINT) AS person_id,
    {name("forename")}, {name("surname")}, gender, postcode, pnc_id, prison_number,
    CAST(date_of_birth AS DATE) AS dob, CAST(string_split(sentence_starts, ',') AS DATE[]) AS sentence_starts
"""
DERIVED = """
    *, left(forename, 1) AS forename_1, left(forename, 2) AS forename_2, left(surname, 2) AS surname_2,
    year(dob) AS birth_year, month(dob) * 100 + day(dob) AS birth_day,
    left(postcode, -2) AS sector, left(postcode, -4) AS district, regexp_extract(postcode, '^[A-Z]+') AS area
"""


def prepare(register, cohort, directory):
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    parsed = directory / "cohort.csv"
    with open(cohort, newline="") as source, open(parsed, "w", newline="") as target:
        rows = csv.DictReader(source)
        writer = csv.DictWriter(target, rows.fieldnames)
        writer.writeheader()
        for row in rows:
            writer.writerow(row | {column: iso(row[column]) for column in ("date_of_birth", "sentence_starts")})
    for side, path in (("register", register), ("cohort", parsed)):
        rows = f"SELECT {COLUMNS} FROM read_csv('{path}', header = true, all_varchar = true, nullstr = '')"
        duckdb.sql(f"COPY (SELECT {DERIVED} FROM ({rows})) TO '{directory}/{side}.parquet' (FORMAT parquet)")
    parsed.unlink()


def exact(column, *, frequencies=False):
    level = cll.ExactMatchLevel(column)
    return level.configure(tf_adjustment_column=column) if frequencies else level


# Names apart and with levels for exchanged names and dates did best of the four designs that were tried on the register of a million;
# Splink's own ForenameSurnameComparison and NameComparison link fewer people, or more strangers.
def settings():
    apart = "list_min(list_transform(sentence_starts_r, lambda start: abs(date_diff('day', start, sentence_starts_l[1]))))"
    return SettingsCreator(
        link_type="link_only",
        comparisons=[
            cl.CustomComparison(
                output_column_name="forename",
                comparison_levels=[
                    cll.NullLevel("forename"),
                    exact("forename", frequencies=True),
                    cll.ColumnsReversedLevel("forename", "surname"),
                    cll.JaroWinklerLevel("forename", 0.92),
                    cll.JaroWinklerLevel("forename", 0.8),
                    exact("forename_1"),
                    cll.ElseLevel(),
                ],
            ),
            cl.CustomComparison(
                output_column_name="surname",
                comparison_levels=[
                    cll.NullLevel("surname"),
                    exact("surname", frequencies=True),
                    cll.ColumnsReversedLevel("surname", "forename"),
                    cll.JaroWinklerLevel("surname", 0.92),
                    cll.JaroWinklerLevel("surname", 0.8),
                    cll.ElseLevel(),
                ],
            ),
            cl.CustomComparison(
                output_column_name="dob",
                comparison_levels=[
                    cll.NullLevel("dob"),
                    exact("dob", frequencies=True),
                    cll.CustomLevel("birth_year_l = birth_year_r AND month(dob_l) = day(dob_r) AND day(dob_l) = month(dob_r)", "day and month swapped"),
                    cll.DamerauLevenshteinLevel(ColumnExpression("dob").cast_to_string(), 1),
                    cll.CustomLevel("birth_year_l = birth_year_r OR birth_day_l = birth_day_r", "same year or same day"),
                    cll.ElseLevel(),
                ],
            ),
            cl.ExactMatch("gender"),
            cl.CustomComparison(
                output_column_name="postcode",
                comparison_levels=[
                    cll.NullLevel("postcode"),
                    exact("postcode", frequencies=True),
                    exact("sector"),
                    exact("district"),
                    exact("area"),
                    cll.ElseLevel(),
                ],
            ),
            cl.ExactMatch("pnc_id"),
            cl.ExactMatch("prison_number"),
            cl.CustomComparison(
                output_column_name="sentence_starts",
                comparison_levels=[
                    cll.NullLevel("sentence_starts"),
                    cll.ArrayIntersectLevel("sentence_starts"),
                    cll.CustomLevel(f"{apart} <= 31", "within 31 days"),
                    cll.ElseLevel(),
                ],
            ),
        ],
        blocking_rules_to_generate_predictions=[
            block_on("pnc_id"),
            block_on("prison_number"),
            block_on("dob", "surname_2"),
            block_on("dob", "forename_2"),
            block_on("forename", "surname"),
            CustomRule("l.forename = r.surname AND l.surname = r.forename"),
            block_on("postcode", "surname_2"),
            block_on("postcode", "forename_2"),
            block_on("dob", "postcode"),
            block_on("surname", "forename_1", "birth_year"),
            block_on("surname", "forename_1", "birth_day"),
        ],
        retain_matching_columns=False,
        additional_columns_to_retain=["person_id"],
    )


def tables(directory, connection):
    api = DuckDBAPI(connection)

    def read(side):
        connection.execute(f"CREATE TABLE {side}_rows AS SELECT * FROM '{directory}/{side}.parquet'")
        return api.register(f"{side}_rows", dataset_display_name=side)

    return [read("cohort"), read("register")]


def train(inputs, model, max_pairs):
    linker = Linker(inputs, settings())
    rules = [block_on("pnc_id"), block_on("prison_number", "surname"), block_on("forename", "surname", "dob")]
    linker.training.estimate_probability_two_random_records_match(rules, recall=0.9)
    linker.training.estimate_u_using_random_sampling(max_pairs=float(max_pairs), seed=1)
    for rule in (block_on("pnc_id"), block_on("dob", "surname"), block_on("forename", "surname")):
        linker.training.estimate_parameters_using_expectation_maximisation(rule)
    linker.misc.save_model_to_json(model, overwrite=True)
    return linker


def score(linker, connection, scored):
    predicted = linker.inference.predict(threshold_match_weight=-10)
    connection.execute(
        f"""COPY (
            SELECT unique_id_l AS record_no, person_id_r AS person_id, match_weight, match_probability
            FROM {predicted.physical_name}
            QUALIFY row_number() OVER (PARTITION BY unique_id_l ORDER BY match_weight DESC, person_id_r) = 1
            ORDER BY record_no
        ) TO '{scored}' (HEADER)"""
    )


def usage():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return time.monotonic(), used.ru_utime + used.ru_stime


def main():
    command, *arguments = sys.argv[1:]
    if command == "prepare":
        return prepare(*arguments)
    began = usage()
    directory, model, scored, *max_pairs = arguments
    connection = duckdb.connect()
    inputs = tables(directory, connection)
    linker = train(inputs, model, *max_pairs) if command == "train" else Linker(inputs, model)
    score(linker, connection, scored)
    wall, cpu = (after - before for before, after in zip(began, usage()))
    print(f"{wall:.2f}|{cpu:.2f}|{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}")


if __name__ == "__main__":
    main()
