"""What members of a group do together, whichever client they are.

A member has `poll()`, which returns the records that came as (partition, key, value, headers), `owned()`, the numbers of
its partitions, `commit()`, and `close()`.
"""

from scenario import Deadline, check, equal

PARTITIONS = 4


def numbered(start, count, partitions):
    return [(n % partitions, None, b"%d" % n, []) for n in range(start, start + count)]


def settle(members, found, partitions=PARTITIONS):
    """Polls until the members share all partitions evenly."""
    deadline, share = Deadline("the assignment"), partitions // len(members)
    while True:
        for member in members:
            found += member.poll()
        owned = [sorted(member.owned()) for member in members]
        if sorted(sum(owned, [])) == list(range(partitions)) and all(len(part) == share for part in owned):
            return owned
        deadline.check(f"with {owned}")


def drain(members, found, count):
    """Polls until `count` different records have come, and commits."""
    deadline = Deadline(f"{count} records of the group")
    while len({record[2] for record in found}) < count:
        for member in members:
            found += member.poll()
        deadline.check(f"after {len(found)}")
    for member in members:
        member.commit()


def group(join, send):
    """Two members share, one leaves, the other takes over; a third starts where they committed."""
    found, first = [], join()
    settle([first], found)
    second = join()
    settle([first, second], found)
    send(numbered(0, 40, PARTITIONS))
    drain([first, second], found, 40)
    second.close()
    settle([first], found)
    send(numbered(40, 40, PARTITIONS))
    drain([first], found, 80)
    equal(len(found), 80, "records, each once")
    first.close()
    send(numbered(80, 8, PARTITIONS))
    third, later, deadline = join(), [], Deadline("the records after the committed offsets")
    while len(later) < 8:
        later += third.poll()
        deadline.check(f"after {len(later)}")
    equal(sorted(int(record[2]) for record in later), list(range(80, 88)), "records after the committed offsets")
    third.close()


def static(join, send, assignments):
    """A static member that comes back gets its partitions back; `assignments()` counts those of the other one."""
    found, first = [], join("one")
    settle([first], found)
    second = join("two")
    before = settle([first, second], found)
    send(numbered(0, 40, PARTITIONS))
    drain([first, second], found, 40)
    seen = assignments()
    check(seen > 0, "no assignment of the other member was counted")
    first.close()
    send(numbered(40, 40, PARTITIONS))
    back = join("one")
    equal(settle([back, second], found), before, "partitions after the return")
    drain([back, second], found, 80)
    equal(len(found), 80, "records, each once")
    equal(assignments(), seen, "assignments of the other member")
    back.close()
    second.close()
