// Package scenario is what the Go programs share: the records every client must carry, what members of a group do
// together, and how scenarios run and report.
//
// A program is called with BOOTSTRAP and the names of scenarios, and prints one line of JSON for each: `ok` is true,
// false, or null when the client has no such feature; `detail` says what was seen or why not.
package scenario

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime/debug"
	"strings"
	"time"
)

// Partitions of a topic that a scenario makes.
const Partitions = 3

// Patience ends a wait; it is less than what the caller grants.
const Patience = 25 * time.Second

// Codecs in the order of their numbers.
var Codecs = []string{"none", "gzip", "snappy", "lz4", "zstd"}

// Header of a record; a nil value is null.
type Header struct {
	Name  string
	Value []byte
}

// Record as it is sent and as it must come back; nil is null.
type Record struct {
	Partition  int32
	Key, Value []byte
	Headers    []Header
}

// Scenario returns what is worth telling; it ends with a panic of Check, Equal or Need when something is wrong.
type Scenario func(bootstrap string) string

// wrong is a panic that Main turns into an answer.
type wrong struct{ why string }

// Check ends the scenario unless holds.
func Check(holds bool, format string, args ...any) {
	if !holds {
		panic(wrong{fmt.Sprintf(format, args...)})
	}
}

// Need ends the scenario on an error.
func Need(err error, what string) {
	Check(err == nil, "%s: %v", what, err)
}

// Equal ends the scenario unless both print alike.
func Equal(found, expected any, what string) {
	f, e := fmt.Sprintf("%v", found), fmt.Sprintf("%v", expected)
	Check(f == e, "%s: %.300s instead of %.300s", what, f, e)
}

// Unique is a name nobody has used.
func Unique(what string) string {
	return fmt.Sprintf("interop-%s-%08x", what, rand.Uint32())
}

// Until waits until come, or ends the scenario.
func Until(what string, come func() bool) {
	deadline := time.Now().Add(Patience)
	for !come() {
		Check(time.Now().Before(deadline), "waited too long for %s", what)
		time.Sleep(10 * time.Millisecond)
	}
}

// Samples are null and empty, text and bytes, small and large.
func Samples() []Record {
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	records := []Record{
		{Key: []byte("key"), Value: []byte("value")},
		{Value: []byte("no key")},
		{Key: []byte("tombstone")},
		{Key: []byte{}, Value: []byte{}},
		{Value: []byte{}, Headers: []Header{{"one", []byte("1")}}},
		{Key: []byte{0xff, 0, 0xfe}, Value: every},
		{Key: []byte("headers"), Value: []byte("v"), Headers: []Header{
			{"a", []byte("1")}, {"a", []byte("2")}, {"null", nil}, {"empty", []byte{}}, {"bytes", every},
		}},
		{Key: []byte("schlüssel"), Value: []byte("wert ✓"), Headers: []Header{{"name ü", []byte("ü")}}},
		{Key: []byte("large"), Value: bytes.Repeat([]byte("0123456789abcdef"), 6400)},
	}
	for i := range 90 {
		value := fmt.Appendf(nil, "a value that repeats itself %d", i)
		records = append(records, Record{Key: fmt.Appendf(nil, "n%d", i), Value: value})
	}
	for i := range records {
		records[i].Partition = int32(i % Partitions)
	}
	return records
}

// Numbered records have their number as value.
func Numbered(start, count, partitions int) []Record {
	var records []Record
	for n := start; n < start+count; n++ {
		records = append(records, Record{Partition: int32(n % partitions), Value: fmt.Appendf(nil, "%d", n)})
	}
	return records
}

// SameRecords compares by partition, which is where order is promised.
func SameRecords(found, expected []Record, what string) {
	got, wanted := byPartition(found), byPartition(expected)
	for partition := range int32(Partitions) {
		Equal(len(got[partition]), len(wanted[partition]), fmt.Sprintf("%s: records in partition %d", what, partition))
		for i, record := range got[partition] {
			Equal(shown(record), shown(wanted[partition][i]), fmt.Sprintf("%s: record %d of partition %d", what, i, partition))
		}
	}
}

func byPartition(records []Record) map[int32][]Record {
	parts := map[int32][]Record{}
	for _, record := range records {
		parts[record.Partition] = append(parts[record.Partition], record)
	}
	return parts
}

// shown differs for records that differ, null and empty included.
func shown(record Record) string {
	var text strings.Builder
	field := func(data []byte) {
		if data == nil {
			text.WriteString("null ")
		} else {
			fmt.Fprintf(&text, "%q ", data)
		}
	}
	field(record.Key)
	field(record.Value)
	for _, header := range record.Headers {
		fmt.Fprintf(&text, "%q=", header.Name)
		field(header.Value)
	}
	return text.String()
}

type answer struct {
	Scenario string `json:"scenario"`
	OK       *bool  `json:"ok"`
	Detail   string `json:"detail"`
}

// Main runs what the command line names; lacks says of the others why there are none.
func Main(scenarios map[string]Scenario, lacks map[string]string) {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "BOOTSTRAP SCENARIO…")
		os.Exit(2)
	}
	for _, name := range os.Args[2:] {
		line, _ := json.Marshal(run(scenarios, lacks, os.Args[1], name))
		fmt.Println(string(line))
	}
}

func run(scenarios map[string]Scenario, lacks map[string]string, bootstrap, name string) (result answer) {
	scenario, has := scenarios[name]
	if !has {
		why := lacks[name]
		if why == "" {
			why = "not a scenario of this program"
		}
		return answer{name, nil, why}
	}
	ok := true
	defer func() {
		if caught := recover(); caught != nil {
			ok = false
			if fault, expected := caught.(wrong); expected {
				result = answer{name, &ok, fault.why}
			} else {
				debug.PrintStack()
				result = answer{name, &ok, fmt.Sprint("panic: ", caught)}
			}
		}
	}()
	return answer{name, &ok, scenario(bootstrap)}
}
