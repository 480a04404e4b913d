package report

import (
	"encoding/binary"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// stampBytes is what a value of `paced` begins with: when it was sent, in nanoseconds since 1970, and which one it is.
const stampBytes = 16

// Plan returns the size of every value of `paced`.
func (a Args) Plan() ([]int, error) {
	text, err := os.ReadFile(a.Sizes)
	if err != nil {
		return nil, err
	}
	var sizes []int
	for line := range strings.Lines(string(text)) {
		size, err := strconv.Atoi(strings.TrimSpace(line))
		if err != nil || size < stampBytes {
			return nil, fmt.Errorf("%s: %q is no size", a.Sizes, line)
		}
		sizes = append(sizes, size)
	}
	return sizes, nil
}

// Due returns how long after the first record this one is to be sent.
func (a Args) Due(number int) time.Duration {
	return time.Duration(float64(number) / a.Rate * float64(time.Second))
}

// Stamped returns a value that says which one it is and that it is sent now.
func Stamped(number, size int) []byte {
	value := make([]byte, size)
	binary.BigEndian.PutUint64(value[8:], uint64(number))
	binary.BigEndian.PutUint64(value, uint64(time.Now().UnixNano()))
	return value
}

// Arrivals is what a consumer has seen of the values of `paced`, and how old each was.
type Arrivals struct {
	// Left is how many are still missing.
	Left       int
	sizes      []int
	ages       []float64
	duplicated int
	bytes      int
	clock      Clock
}

// Expect returns what has seen none of the values yet.
func Expect(sizes []int) *Arrivals {
	ages := make([]float64, len(sizes))
	for i := range ages {
		ages[i] = -1
	}
	return &Arrivals{Left: len(sizes), sizes: sizes, ages: ages}
}

// See takes a value; the clock starts with the first.
func (r *Arrivals) See(value []byte) error {
	now := time.Now()
	if r.clock.started.IsZero() {
		r.clock = Start()
	}
	if len(value) < stampBytes {
		return fmt.Errorf("a value of %d bytes was never sent", len(value))
	}
	sent, number := int64(binary.BigEndian.Uint64(value)), binary.BigEndian.Uint64(value[8:])
	age := now.UnixNano() - sent
	if number >= uint64(len(r.sizes)) || len(value) != r.sizes[number] || age < 0 {
		return fmt.Errorf("record %d of %d bytes, %d ns old, was never sent", number, len(value), age)
	}
	if r.ages[number] >= 0 {
		r.duplicated++
		return nil
	}
	r.ages[number] = rounded(float64(age)/1e3, 1)
	r.bytes += len(value)
	r.Left--
	return nil
}

// Report prints the result line.
func (r *Arrivals) Report(a Args, client, version string, settings map[string]any) error {
	if r.clock.started.IsZero() {
		r.clock = Start()
	}
	more := map[string]any{"lost": r.Left, "duplicated": r.duplicated, "ages_us": r.ages}
	return r.clock.ReportOf(a, client, version, settings, Seen{len(r.sizes) - r.Left, r.bytes}, more)
}
