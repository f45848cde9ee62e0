"""Links fake_1000 as an open world with Splink: the task of tests/core/linkage_fake_1000.rs.

    splink_fake_1000.py tests/data/linkage/fake_1000.csv

Three designs of the comparisons (the two that Splink's documentation has for this data set, without city and e-mail, which the task leaves
out, and names and date of birth as in splink_link.py), each trained as that documentation does, on five kinds of blocks. Printed:
best F1, recall before the first false link, precision and recall at a probability of 0.99, by the best candidate of each record; then
the same where, after Splink, nobody is linked twice in a request (by falling weight).
"""

import logging
import sys

import duckdb
import splink.comparison_library as cl
from splink import DuckDBAPI, Linker, SettingsCreator, block_on
from splink.blocking_rule_library import CustomRule

import splink_link

# The columns of splink_link.py. A request is all second records, all third ones and so on; the register is request 0.
ROWS = f"""
    SELECT {splink_link.COLUMNS}, request
    FROM (SELECT unique_id, cluster AS person_id, first_name AS forename, surname, dob AS date_of_birth, NULL AS gender,
            NULL::VARCHAR AS postcode, NULL AS pnc_id, NULL AS prison_number, NULL::VARCHAR AS sentence_starts,
            row_number() OVER (PARTITION BY cluster ORDER BY unique_id) - 1 AS request
        FROM read_csv(?))
"""
SIDES = {"cohort": "request > 0", "register": "request = 0 AND person_id % 10 != 7"}

NAMES_APART = [cl.NameComparison("forename"), cl.NameComparison("surname")]
NAMES_TOGETHER = [cl.ForenameSurnameComparison("forename", "surname")]
DATE = [cl.DateOfBirthComparison("dob", input_is_string=False)]
DESIGNS = {
    "linking only": (NAMES_APART + DATE, [block_on("dob"), block_on("forename")]),
    "with labels": (NAMES_TOGETHER + DATE, [block_on("dob"), block_on("forename", "surname")]),
    "splink_link.py": (splink_link.settings().comparisons[:3], [block_on("dob"), block_on("forename", "surname")]),
}
LARGE = splink_link.settings().blocking_rules_to_generate_predictions
EITHER_NAME = [block_on("forename"), block_on("surname")]
EXCHANGED = [CustomRule("l.forename = r.surname"), CustomRule("l.surname = r.forename")]
BLOCKS = {
    "either name (documented)": EITHER_NAME,
    "either name or date (documented)": [*EITHER_NAME, block_on("dob")],
    "either name, exchanged too, or date": [*EITHER_NAME, *EXCHANGED, block_on("dob")],
    "for a large register": LARGE[2:6] + LARGE[9:],  # those of splink_link.py on names and date of birth
    "everybody": [CustomRule("1 = 1")],
}
NEAR = "levenshtein(CAST(r.dob AS VARCHAR), CAST(l.dob AS VARCHAR)) <= 1"
DETERMINISTIC = [
    f"l.forename = r.forename AND {NEAR}",
    f"l.surname = r.surname AND {NEAR}",
    "l.forename = r.forename AND levenshtein(r.surname, l.surname) <= 2",
]


def score(connection, comparisons, trained_on, blocks):
    """Pairs as (record, request, person, probability, right?), by falling weight."""
    api = DuckDBAPI(connection)
    settings = SettingsCreator(
        link_type="link_only",
        comparisons=comparisons,
        blocking_rules_to_generate_predictions=blocks,
        retain_matching_columns=False,
        additional_columns_to_retain=["person_id", "request"],
    )
    linker = Linker([api.register(f"{side}_rows", dataset_display_name=side) for side in SIDES], settings)
    linker.training.estimate_probability_two_random_records_match(DETERMINISTIC, recall=0.7)
    linker.training.estimate_u_using_random_sampling(max_pairs=1e6, seed=1)
    for rule in trained_on:
        linker.training.estimate_parameters_using_expectation_maximisation(rule)
    predicted = linker.inference.predict(threshold_match_weight=-30).physical_name
    return connection.execute(
        f"""SELECT unique_id_l, request_l, person_id_r, match_probability, person_id_l = person_id_r FROM {predicted}
            ORDER BY match_weight DESC, unique_id_l, person_id_r"""
    ).fetchall()


def best_candidates(pairs, *, once):
    """The best pair of each record; `once`: of those whose person no better pair of the request has taken."""
    done, taken = set(), set()
    for record, request, person, probability, right in pairs:
        if record not in done and not (once and (request, person) in taken):
            done.add(record)
            taken.add((request, person))
            yield probability, right


def quality(ranked, present):
    right = wrong = at_0 = linked = linked_right = 0
    best_f1 = 0.0
    for probability, hit in ranked:
        right, wrong = right + hit, wrong + (not hit)
        best_f1 = max(best_f1, 2 * right / (right + wrong + present))
        at_0 = right if wrong == 0 else at_0
        linked, linked_right = linked + (probability >= 0.99), linked_right + (probability >= 0.99 and hit)
    return f"{best_f1:.4f} {at_0 / present:.4f} {linked_right / max(linked, 1):.4f} {linked_right / present:.4f}"


def main(path):
    logging.disable(logging.WARNING)
    connection = duckdb.connect()
    for side, where in SIDES.items():
        connection.execute(f"CREATE TABLE {side}_rows AS SELECT {splink_link.DERIVED} FROM ({ROWS}) WHERE {where}", [path])
    ((present,),) = connection.execute("SELECT count(*) FROM cohort_rows SEMI JOIN register_rows USING (person_id)").fetchall()
    for design, (comparisons, trained_on) in DESIGNS.items():
        for kind, blocks in BLOCKS.items():
            pairs = score(connection, comparisons, trained_on, blocks)
            figures = "; once ".join(quality(best_candidates(pairs, once=once), present) for once in (False, True))
            print(f"{design} | {kind} | {sum(pair[-1] for pair in pairs)} of {present} | {figures}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
