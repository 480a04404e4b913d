package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// fanoutWarmUp is how many records reach every consumer before latencies count.
const fanoutWarmUp = 10

// consumer reads a topic from its beginning, without a group.
func consumer(a args, t *topic) (*kgo.Client, error) {
	return kgo.NewClient(
		kgo.SeedBrokers(a.bootstrap), kgo.ConsumeTopics(t.name),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
	)
}

// each hands the next `count` records of a consumer to `see`.
func each(ctx context.Context, client *kgo.Client, count int, see func(*kgo.Record) error) error {
	for seen := 0; seen < count; {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return err
		}
		for _, record := range fetches.Records() {
			seen++
			if err := see(record); err != nil {
				return err
			}
		}
	}
	return nil
}

// together runs `work` once for every client and returns the first error.
func together(clients []*kgo.Client, work func(int, *kgo.Client) error) error {
	errs := make([]error, len(clients))
	var all sync.WaitGroup
	for i, client := range clients {
		all.Go(func() { errs[i] = work(i, client) })
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// readers makes the consumers; the function returned closes them.
func readers(a args, t *topic) ([]*kgo.Client, func(), error) {
	var clients []*kgo.Client
	leave := func() {
		for _, client := range clients {
			client.Close()
		}
	}
	for range a.consumers {
		client, err := consumer(a, t)
		if err != nil {
			leave()
			return nil, nil, err
		}
		clients = append(clients, client)
	}
	return clients, leave, nil
}

// fanout sends large records at a steady rate to several consumers and takes the time from send to poll.
func fanout(ctx context.Context, a args, s *section) error {
	t, err := newTopic(ctx, a)
	if err != nil {
		return err
	}
	clients, leave, err := readers(a, t)
	if err != nil {
		return err
	}
	defer leave()
	producer, err := kgo.NewClient(producing(a, t)...)
	if err != nil {
		return err
	}
	defer producer.Close()
	line := &paced{ctx: ctx, producer: producer, size: a.size, zero: time.Now()}
	latencies := make([][]time.Duration, len(clients))
	both := func(records int) error {
		sending := make(chan error, 1)
		go func() { sending <- line.send(records, a.rate) }()
		failed := together(clients, func(i int, client *kgo.Client) error {
			return each(ctx, client, records, line.arrived(&latencies[i]))
		})
		if err := <-sending; err != nil {
			return err
		}
		return failed
	}
	if err := both(fanoutWarmUp); err != nil {
		return err
	}
	for i := range latencies {
		latencies[i] = nil
	}
	if err := s.begin(); err != nil {
		return err
	}
	if err := both(a.records); err != nil {
		return err
	}
	var all []time.Duration
	for _, some := range latencies {
		all = append(all, some...)
	}
	if err := s.end(a, a.records, a.records*a.size, all); err != nil {
		return err
	}
	return done(ctx, t, a.records+fanoutWarmUp)
}

// paced sends records that say when they were sent, in nanoseconds since `zero`, and which they are.
type paced struct {
	ctx      context.Context
	producer *kgo.Client
	size     int
	zero     time.Time
	next     uint64
	failed   atomic.Pointer[error]
}

func (p *paced) send(records int, rate float64) error {
	started, gap := time.Now(), time.Duration(float64(time.Second)/rate)
	for i := range records {
		// By the plan and not by the last record, or a late one would slow down all others.
		time.Sleep(time.Until(started.Add(time.Duration(i) * gap)))
		value := make([]byte, p.size)
		binary.BigEndian.PutUint64(value[8:], p.next)
		p.next++
		binary.BigEndian.PutUint64(value, uint64(time.Since(p.zero)))
		p.producer.Produce(p.ctx, &kgo.Record{Value: value}, func(_ *kgo.Record, err error) {
			if err != nil {
				p.failed.CompareAndSwap(nil, &err)
			}
		})
	}
	if err := p.producer.Flush(p.ctx); err != nil {
		return err
	}
	if err := p.failed.Load(); err != nil {
		return *err
	}
	return nil
}

// arrived notes how long a record took, and fails when it is not the next one.
func (p *paced) arrived(latencies *[]time.Duration) func(*kgo.Record) error {
	return func(record *kgo.Record) error {
		taken := time.Since(p.zero) - time.Duration(binary.BigEndian.Uint64(record.Value))
		*latencies = append(*latencies, taken)
		if number := binary.BigEndian.Uint64(record.Value[8:]); number != uint64(record.Offset) {
			return fmt.Errorf("record %d at offset %d", number, record.Offset)
		}
		return nil
	}
}

// replay lets several consumers read a full topic at once, each all of it.
func replay(ctx context.Context, a args, s *section) error {
	t, err := newTopic(ctx, a)
	if err != nil {
		return err
	}
	producer, err := newRaw(ctx, a, t, batchBytes)
	if err != nil {
		return err
	}
	batches := max(1, a.bytes/len(producer.batch))
	if err := producer.many(batches, inFlight); err != nil {
		return err
	}
	records := batches * producer.records
	if err := s.begin(); err != nil {
		return err
	}
	clients, leave, err := readers(a, t)
	if err != nil {
		return err
	}
	defer leave()
	read := make([]int, len(clients))
	err = together(clients, func(i int, client *kgo.Client) error {
		due := int64(0)
		return each(ctx, client, records, func(record *kgo.Record) error {
			if record.Offset != due || len(record.Value) != a.size {
				return fmt.Errorf("%d bytes at offset %d, where %d was due", len(record.Value), record.Offset, due)
			}
			due++
			read[i] += len(record.Value)
			return nil
		})
	})
	if err != nil {
		return err
	}
	total := 0
	for _, bytes := range read {
		total += bytes
	}
	if err := s.end(a, records*len(clients), total, nil); err != nil {
		return err
	}
	return done(ctx, t, records)
}
