// kafka-go's part in the comparison: acks=all, a result per call. The client has no idempotent producer.
//
// bench produce|latency|consume --bootstrap H:P --topic T --records N --size S --partitions P --api default|best --compression none|lz4 --payloads FILE
//
// `default`: one goroutine hands 10,000 records at a time to a Writer as it comes. `best`: five goroutines, and every call
// is one full batch for one partition, so that nothing waits for a timer.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"bench/report"

	"github.com/segmentio/kafka-go"
)

const (
	// batchBytes is the Writer's own limit for a batch; larger records need a larger one.
	batchBytes = 1 << 20
	// recordOverhead is what the Writer counts for a record beside its value.
	recordOverhead = 23
	// defaultCall and bestCall are the most records of one call.
	defaultCall = 10_000
	bestCall    = 9_000
	// bestWorkers is how many calls `best` has under way.
	bestWorkers = 5
	// metadataPatience is how long a topic may take to be known.
	metadataPatience = 10 * time.Second
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), report.Patience)
	defer cancel()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "kafka-go:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	args, err := report.Parse()
	if err != nil {
		return err
	}
	if args.Mode == "consume" {
		return consume(ctx, args)
	}
	pool, err := args.Pool()
	if err != nil {
		return err
	}
	writer := &kafka.Writer{
		Addr:         kafka.TCP(args.Bootstrap),
		Topic:        args.Topic,
		RequiredAcks: kafka.RequireAll,
		BatchBytes:   int64(max(batchBytes, args.Size+recordOverhead)),
	}
	if args.Compression == "lz4" {
		writer.Compression = kafka.Lz4
	}
	// The Writer takes its connections and metadata from the same place as this client.
	if err := ready(ctx, &kafka.Client{Addr: writer.Addr}, args.Topic); err != nil {
		return err
	}
	settings := map[string]any{"acks": "all", "idempotent": false, "batch_bytes": writer.BatchBytes}
	if args.Mode == "latency" {
		return latency(ctx, writer, args, pool, settings)
	}
	return produce(ctx, writer, args, pool, settings)
}

// ready returns when the topic's metadata is loaded; a broker may need a moment to know of a new topic.
func ready(ctx context.Context, client *kafka.Client, topic string) error {
	ctx, cancel := context.WithTimeout(ctx, metadataPatience)
	defer cancel()
	for {
		err := load(ctx, client, topic)
		var code kafka.Error
		if !errors.As(err, &code) || !code.Temporary() {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("topic %s: %w", topic, err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func load(ctx context.Context, client *kafka.Client, topic string) error {
	metadata, err := client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{topic}})
	if err != nil {
		return err
	}
	for _, found := range metadata.Topics {
		if found.Name == topic {
			return found.Error
		}
	}
	return kafka.UnknownTopicOrPartition
}

// feed is how the records of a run reach the Writer.
type feed struct {
	writer  *kafka.Writer
	pool    [][]byte
	records int
	// partitions is how many partitions take turns, call by call; 0 leaves the choice to the Writer.
	partitions int
	call       int
	workers    int
	next       atomic.Int64
}

func produce(ctx context.Context, writer *kafka.Writer, args report.Args, pool [][]byte, settings map[string]any) error {
	f := &feed{writer: writer, pool: pool, records: args.Records, call: defaultCall, workers: 1}
	if args.Best() {
		debug.SetGCPercent(400)
		f.workers, f.partitions = bestWorkers, args.Partitions
		f.call = max(1, min(bestCall, batchBytes/(args.Size+recordOverhead)))
		writer.BatchSize, writer.BatchTimeout = f.call, 10*time.Millisecond
		writer.Balancer = kafka.BalancerFunc(func(m kafka.Message, _ ...int) int { return m.WriterData.(int) })
		settings["batch_size"], settings["batch_timeout_ms"], settings["gogc"] = f.call, 10, 400
		settings["balancer"] = "a partition per call"
	}
	settings["goroutines"], settings["records_per_call"], settings["result"] = f.workers, f.call, "per call"
	clock := report.Start()
	if err := f.all(ctx); err != nil {
		return err
	}
	if err := writer.Close(); err != nil {
		return err
	}
	return clock.Report(args, "kafka-go", version(), settings, nil)
}

// all runs the workers to their end and returns the first error.
func (f *feed) all(ctx context.Context) error {
	errs := make(chan error, f.workers)
	var workers sync.WaitGroup
	for range f.workers {
		workers.Go(func() { errs <- f.work(ctx) })
	}
	workers.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// work makes calls until no records are left.
func (f *feed) work(ctx context.Context) error {
	messages := make([]kafka.Message, min(f.call, f.records))
	for {
		call := int(f.next.Add(1)) - 1
		first := call * f.call
		if first >= f.records {
			return nil
		}
		var partition any
		if f.partitions > 0 {
			partition = call % f.partitions
		}
		filled := messages[:min(f.call, f.records-first)]
		for i := range filled {
			filled[i] = kafka.Message{Value: f.pool[(first+i)%len(f.pool)], WriterData: partition}
		}
		if err := f.writer.WriteMessages(ctx, filled...); err != nil {
			return fmt.Errorf("records from %d: %w", first, err)
		}
	}
}

func latency(ctx context.Context, writer *kafka.Writer, args report.Args, pool [][]byte, settings map[string]any) error {
	// As it comes, the Writer would hold a lone record for a second.
	writer.BatchSize = 1
	settings["batch_size"], settings["send"] = 1, "one record, awaited"
	latencies := make([]time.Duration, 0, args.Records)
	clock := report.Start()
	for i := range args.Records + report.WarmUp {
		if i == report.WarmUp {
			clock = report.Start()
		}
		sent := time.Now()
		if err := writer.WriteMessages(ctx, kafka.Message{Value: pool[i%len(pool)]}); err != nil {
			return err
		}
		if i >= report.WarmUp {
			latencies = append(latencies, time.Since(sent))
		}
	}
	return clock.Report(args, "kafka-go", version(), settings, latencies)
}

// consume reads the topic from its beginning with a Reader for each partition: without a group there is no other way.
func consume(ctx context.Context, args report.Args) error {
	config := kafka.ReaderConfig{Brokers: []string{args.Bootstrap}, Topic: args.Topic}
	settings := map[string]any{"readers": args.Partitions, "queue_capacity": 100, "max_bytes": 1_000_000}
	if args.Best() {
		config.QueueCapacity, config.MaxBytes = 10_000, 10<<20
		settings["queue_capacity"], settings["max_bytes"] = config.QueueCapacity, config.MaxBytes
	}
	ctx, done := context.WithCancel(ctx)
	defer done()
	var records, bytes atomic.Int64
	errs := make(chan error, args.Partitions)
	var readers sync.WaitGroup
	clock := report.Start()
	for partition := range args.Partitions {
		config.Partition = partition
		reader := kafka.NewReader(config)
		readers.Go(func() {
			for {
				message, err := reader.FetchMessage(ctx)
				if err != nil {
					errs <- err
					return
				}
				bytes.Add(int64(len(message.Value)))
				if records.Add(1) == int64(args.Records) {
					done()
				}
			}
		})
	}
	<-ctx.Done()
	seen := report.Seen{Records: int(records.Load()), Bytes: int(bytes.Load())}
	if err := seen.Check(args); err != nil {
		return errors.Join(err, <-errs)
	}
	return clock.Report(args, "kafka-go", version(), settings, nil)
}

func version() string { return report.Version("github.com/segmentio/kafka-go") }
