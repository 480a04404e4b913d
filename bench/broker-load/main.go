// Load for a broker, whichever it is: what `cargo xtask bench broker` compares brokers with.
//
//	load sync|sync-client|ingest|fanout|replay --bootstrap H:P [--records N] [--size S] [--bytes B] [--before B] [--consumers C] [--rate R] [--plain]
//
// It prints `ready` when everything up to the measured section is done, waits for a line on standard input (or its end),
// and prints one line of JSON when the section is over. Nothing is sent to the broker between that line and the end of
// standard input, so that whoever watches the broker can see what the section alone has cost.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"syscall"
	"time"
)

// patience is how long a run may take: a broker that does not answer must not hold up the others.
const patience = 170 * time.Second

// args is what a case is asked to do.
type args struct {
	name      string
	bootstrap string
	records   int
	size      int
	bytes     int
	before    int
	consumers int
	rate      float64
	plain     bool
}

// result is the line that is printed; latencies are left out where a case has none.
type result struct {
	Case     string  `json:"case"`
	Requests int     `json:"requests"`
	Bytes    int     `json:"bytes"`
	Secs     float64 `json:"secs"`
	CPU      float64 `json:"client_cpu_s"`
	P50      float64 `json:"p50_us,omitempty"`
	P99      float64 `json:"p99_us,omitempty"`
	Max      float64 `json:"max_us,omitempty"`
}

var cases = map[string]func(context.Context, args, *section) error{
	"sync":        syncRaw,
	"sync-client": syncClient,
	"ingest":      ingest,
	"fanout":      fanout,
	"replay":      replay,
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	// A read that no context reaches ends with the program.
	time.AfterFunc(patience+5*time.Second, func() { os.Exit(1) })
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	if len(os.Args) < 2 || cases[os.Args[1]] == nil {
		return fmt.Errorf("which case: sync, sync-client, ingest, fanout or replay?")
	}
	a := args{name: os.Args[1]}
	flags := flag.NewFlagSet(os.Args[0], flag.ContinueOnError)
	flags.StringVar(&a.bootstrap, "bootstrap", "127.0.0.1:9092", "host:port of the broker")
	flags.IntVar(&a.records, "records", 1000, "records that count")
	flags.IntVar(&a.size, "size", 100, "bytes of a value")
	flags.IntVar(&a.bytes, "bytes", 1<<30, "bytes of all batches together")
	flags.IntVar(&a.before, "before", 0, "bytes of batches that `ingest` sends before those that count")
	flags.IntVar(&a.consumers, "consumers", 5, "how many read")
	flags.Float64Var(&a.rate, "rate", 30, "records a second")
	flags.BoolVar(&a.plain, "plain", false, "no producer id where no client library is in between")
	if err := flags.Parse(os.Args[2:]); err != nil {
		return err
	}
	if a.records < 1 || a.size < 16 || a.bytes < 1 || a.before < 0 || a.consumers < 1 || a.rate <= 0 {
		return fmt.Errorf("every number is at least 1, the size at least 16")
	}
	return cases[a.name](ctx, a, &section{in: bufio.NewReader(os.Stdin)})
}

// section is the part of a run that counts.
type section struct {
	in      *bufio.Reader
	started time.Time
	cpu     time.Duration
}

// begin says that everything is prepared, and returns when the section may start.
func (s *section) begin() error {
	fmt.Println("ready")
	if _, err := s.in.ReadString('\n'); err != nil && err != io.EOF {
		return err
	}
	s.started, s.cpu = time.Now(), cpuTime()
	return nil
}

// end closes the section, prints what it was, and returns when it has been seen.
func (s *section) end(a args, requests, bytes int, latencies []time.Duration) error {
	secs, cpu := time.Since(s.started), cpuTime()-s.cpu
	line := result{Case: a.name, Requests: requests, Bytes: bytes, Secs: secs.Seconds(), CPU: cpu.Seconds()}
	if len(latencies) > 0 {
		slices.Sort(latencies)
		line.P50, line.P99, line.Max = at(latencies, 50), at(latencies, 99), at(latencies, 100)
	}
	if err := json.NewEncoder(os.Stdout).Encode(line); err != nil {
		return err
	}
	if _, err := s.in.ReadString('\n'); err != nil && err != io.EOF {
		return err
	}
	return nil
}

// at returns a percentile of what is sorted, in microseconds.
func at(sorted []time.Duration, percent int) float64 {
	value := sorted[min(len(sorted)*percent/100, len(sorted)-1)]
	return math.Round(float64(value)/100) / 10
}

// cpuTime is user and system time together: Linux splits them by ticks, but their sum is exact.
func cpuTime() time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		// It fails for no argument but a wrong one.
		panic(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
