package scenario

import (
	"fmt"
	"slices"
	"strconv"
)

// GroupPartitions are shared by the members of a group.
const GroupPartitions = 4

// Member of a group, whichever client it is.
type Member interface {
	// Poll returns what has come; it waits for a moment only.
	Poll() []Record
	// Owned are the numbers of its partitions.
	Owned() []int32
	// Commit what Poll has returned.
	Commit()
	// Close leaves the group, unless it is static.
	Close()
}

// Settle polls until the members share all partitions evenly.
func Settle(found *[]Record, partitions int, members ...Member) [][]int32 {
	var owned [][]int32
	Until(fmt.Sprint("the assignment to ", len(members)), func() bool {
		owned = nil
		var all []int32
		even := true
		for _, member := range members {
			*found = append(*found, member.Poll()...)
			part := slices.Sorted(slices.Values(member.Owned()))
			owned, all = append(owned, part), append(all, part...)
			even = even && len(part) == partitions/len(members)
		}
		slices.Sort(all)
		return even && len(all) == partitions && len(slices.Compact(all)) == partitions
	})
	return owned
}

// Drain polls until count different records have come, and commits.
func Drain(found *[]Record, count int, members ...Member) {
	Until(fmt.Sprint(count, " records of the group"), func() bool {
		for _, member := range members {
			*found = append(*found, member.Poll()...)
		}
		return len(numbers(*found)) >= count
	})
	for _, member := range members {
		member.Commit()
	}
}

// numbers are those of Numbered, each once, in order.
func numbers(records []Record) []int {
	var all []int
	for _, record := range records {
		number, err := strconv.Atoi(string(record.Value))
		Need(err, "a record's number")
		all = append(all, number)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// Group lets two members share; one leaves, the other takes over; a third starts where they committed.
func Group(join func() Member, send func([]Record)) {
	var found, later []Record
	first := join()
	Settle(&found, GroupPartitions, first)
	second := join()
	Settle(&found, GroupPartitions, first, second)
	send(Numbered(0, 40, GroupPartitions))
	Drain(&found, 40, first, second)
	second.Close()
	Settle(&found, GroupPartitions, first)
	send(Numbered(40, 40, GroupPartitions))
	Drain(&found, 80, first)
	Equal(len(found), 80, "records, each once")
	first.Close()
	send(Numbered(80, 8, GroupPartitions))
	third := join()
	Drain(&later, 8, third)
	Equal(numbers(later), []int{80, 81, 82, 83, 84, 85, 86, 87}, "records after the committed offsets")
	third.Close()
}

// Static lets a member come back: it gets its partitions, and the other, whose assignments are counted, sees nothing.
func Static(join func(instance string) Member, send func([]Record), assignments func() int) {
	var found []Record
	first := join("one")
	Settle(&found, GroupPartitions, first)
	second := join("two")
	before := Settle(&found, GroupPartitions, first, second)
	send(Numbered(0, 40, GroupPartitions))
	Drain(&found, 40, first, second)
	seen := assignments()
	Check(seen > 0, "no assignment of the other member was counted")
	first.Close()
	send(Numbered(40, 40, GroupPartitions))
	back := join("one")
	Equal(Settle(&found, GroupPartitions, back, second), before, "partitions after the return")
	Drain(&found, 80, back, second)
	Equal(len(found), 80, "records, each once")
	Equal(assignments(), seen, "assignments of the other member")
	back.Close()
	second.Close()
}
