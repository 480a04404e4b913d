// Package report is what the Go programs of the comparison share: command line, payload pool, clock, result line.
package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Patience is how long a run may take: a client that waits forever must not hold up the others.
const Patience = 170 * time.Second

// WarmUp is the number of records sent before latencies count.
const WarmUp = 200

// Args is the command line that every program of the comparison understands.
type Args struct {
	Mode        string
	Bootstrap   string
	Topic       string
	Records     int
	Size        int
	Partitions  int
	API         string
	Compression string
	// Sizes is a file with the size of every value of `paced`, one a line.
	Sizes string
	// Rate is how many records `paced` sends in a second.
	Rate float64
	// Seconds is how long `follow` waits for what is not there yet.
	Seconds  float64
	payloads string
}

// Parse reads the command line.
func Parse() (Args, error) {
	if len(os.Args) < 2 {
		return Args{}, fmt.Errorf("produce, latency, consume, paced or follow?")
	}
	a := Args{Mode: os.Args[1]}
	flags := flag.NewFlagSet(os.Args[0], flag.ContinueOnError)
	flags.StringVar(&a.Bootstrap, "bootstrap", "127.0.0.1:9092", "host:port of a broker")
	flags.StringVar(&a.Topic, "topic", "bench", "what to produce to or to read")
	flags.IntVar(&a.Records, "records", 1000, "how many records count")
	flags.IntVar(&a.Size, "size", 100, "bytes of a value")
	flags.IntVar(&a.Partitions, "partitions", 1, "partitions of the topic")
	flags.StringVar(&a.API, "api", "default", "default or best")
	flags.StringVar(&a.Compression, "compression", "none", "none or lz4")
	flags.StringVar(&a.payloads, "payloads", "", "file with a value per line")
	flags.StringVar(&a.Sizes, "sizes", "", "file with a size per line")
	flags.Float64Var(&a.Rate, "rate", 30, "records in a second")
	flags.Float64Var(&a.Seconds, "seconds", 60, "how long to wait for records")
	if err := flags.Parse(os.Args[2:]); err != nil {
		return Args{}, err
	}
	return a, a.check()
}

// A word that is misread would measure something else than its row says.
func (a Args) check() error {
	for _, choice := range []struct {
		given   string
		allowed []string
	}{
		{a.Mode, []string{"produce", "latency", "consume", "paced", "follow"}},
		{a.API, []string{"default", "best"}},
		{a.Compression, []string{"none", "lz4"}},
	} {
		if !slices.Contains(choice.allowed, choice.given) {
			return fmt.Errorf("%q is none of %q", choice.given, choice.allowed)
		}
	}
	if a.Records < 1 || a.Partitions < 1 || a.Size < 1 || a.Rate <= 0 || a.Seconds <= 0 {
		return fmt.Errorf("records, partitions and size are at least 1, rate and seconds above 0")
	}
	return nil
}

// Best tells whether the client is to be tuned.
func (a Args) Best() bool { return a.API == "best" }

// Pool returns the values of the payload file, or one of the size asked for.
func (a Args) Pool() ([][]byte, error) {
	if a.payloads == "" {
		return [][]byte{bytes.Repeat([]byte("x"), a.Size)}, nil
	}
	file, err := os.ReadFile(a.payloads)
	if err != nil {
		return nil, err
	}
	pool := bytes.Split(bytes.TrimSuffix(file, []byte("\n")), []byte("\n"))
	for i, value := range pool {
		if len(value) != a.Size {
			return nil, fmt.Errorf("%s:%d: %d bytes instead of %d", a.payloads, i+1, len(value), a.Size)
		}
	}
	return pool, nil
}

// Version returns the version of a module this program is built with.
func Version(module string) string {
	if build, ok := debug.ReadBuildInfo(); ok {
		for _, dependency := range build.Deps {
			if dependency.Path == module {
				return dependency.Version
			}
		}
	}
	return "unknown"
}

// Seen is what a consumer has read.
type Seen struct {
	Records int
	Bytes   int
}

// Check returns an error if that is anything else than what was asked for.
func (s Seen) Check(a Args) error {
	if s.Records != a.Records || s.Bytes != a.Records*a.Size {
		return fmt.Errorf("%d records and %d bytes instead of %d and %d", s.Records, s.Bytes, a.Records, a.Records*a.Size)
	}
	return nil
}

// Clock knows when, and at how much CPU, the timed part began.
type Clock struct {
	started time.Time
	cpu     time.Duration
}

// Start begins the timed part.
func Start() Clock {
	return Clock{started: time.Now(), cpu: cpuTime()}
}

// Report ends the timed part of a run with values of one size, and prints the result line.
func (c Clock) Report(a Args, client, version string, settings map[string]any, latencies []time.Duration) error {
	more := map[string]any{}
	if len(latencies) > 0 {
		slices.Sort(latencies)
		last := len(latencies) - 1
		more["p50_us"] = latencies[min(len(latencies)*50/100, last)].Microseconds()
		more["p99_us"] = latencies[min(len(latencies)*99/100, last)].Microseconds()
		more["max_us"] = latencies[last].Microseconds()
	}
	return c.ReportOf(a, client, version, settings, Seen{a.Records, a.Records * a.Size}, more)
}

// ReportOf ends the timed part and prints the result line, with more fields.
func (c Clock) ReportOf(a Args, client, version string, settings map[string]any, done Seen, more map[string]any) error {
	secs := time.Since(c.started).Seconds()
	cpu := (cpuTime() - c.cpu).Seconds()
	peak, err := peakKiB()
	if err != nil {
		return err
	}
	records, volume := float64(done.Records), float64(done.Bytes)
	line := map[string]any{
		"client": client, "version": version, "mode": a.Mode, "api": a.API, "compression": a.Compression,
		"records": done.Records, "bytes": done.Bytes, "secs": rounded(secs, 4),
		"rec_per_s": rounded(records/secs, 1), "mb_per_s": rounded(volume/1e6/secs, 3),
		"cpu_s": rounded(cpu, 4), "cpu_us_per_rec": rounded(cpu*1e6/max(records, 1), 4),
		"rss_mib": rounded(peak/1024, 1), "settings": settings,
	}
	maps.Copy(line, more)
	return json.NewEncoder(os.Stdout).Encode(line)
}

func rounded(value float64, digits int) float64 {
	scale := math.Pow10(digits)
	return math.Round(value*scale) / scale
}

// User and system together: Linux splits them by ticks, but their sum is exact.
func cpuTime() time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		// It fails for no argument but a wrong one.
		panic(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// The most memory this program had at once. What getrusage says may be the peak of whoever started it.
func peakKiB() (float64, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if peak, found := strings.CutPrefix(line, "VmHWM:"); found {
			return strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(peak), "kB")), 64)
		}
	}
	return 0, errors.New("the kernel does not say how much memory was used")
}
