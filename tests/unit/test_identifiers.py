"""Ids are UUIDs of version 7 in the order of time, finer than a millisecond (RFC 9562 sections 5.7 and 6.2)."""

import time

from authserver.database.identifiers import new_id


def test_an_id_is_a_uuid_of_version_7_that_nobody_else_has():
    made = [new_id() for _ in range(1000)]
    assert len(set(made)) == 1000
    assert {(made_id.version, made_id.variant) for made_id in made} == {(7, "specified in RFC 4122")}


def test_an_id_tells_when_it_was_made_to_a_part_of_a_millisecond():
    for _ in range(100):
        before, made, after = time.time_ns(), new_id().int, time.time_ns()
        # In steps of a 4096th of a nanosecond. Whole numbers, because a float of this size is exact to 256 ns only.
        told = (made >> 80) * 1_000_000 * 2**12 + (made >> 64 & 0xFFF) * 1_000_000
        assert before * 2**12 - 1_000_000 < told <= after * 2**12
