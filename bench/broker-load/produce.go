package main

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	// warmUp is how many records are sent before latencies count.
	warmUp = 2000
	// batchBytes is what a batch of `ingest` and `replay` has at most; brokers take no more by default.
	batchBytes = 1 << 20
	// inFlight is how many requests idempotence allows at once.
	inFlight = 5
)

// syncRaw sends one record after the other, each in a request of its own, each awaited.
func syncRaw(ctx context.Context, a args, s *section) error {
	t, err := newTopic(ctx, a)
	if err != nil {
		return err
	}
	producer, err := newRaw(ctx, a, t, 0)
	if err != nil {
		return err
	}
	if err := producer.many(warmUp, 1); err != nil {
		return err
	}
	latencies := make([]time.Duration, 0, a.records)
	if err := s.begin(); err != nil {
		return err
	}
	for range a.records {
		sent := time.Now()
		if err := producer.send(); err != nil {
			return err
		}
		answer, err := producer.receive()
		if err != nil {
			return err
		}
		latencies = append(latencies, time.Since(sent))
		if err := producer.check(answer); err != nil {
			return err
		}
	}
	if err := s.end(a, a.records, a.records*a.size, latencies); err != nil {
		return err
	}
	return done(ctx, t, a.records+warmUp)
}

// syncClient does the same through franz-go.
func syncClient(ctx context.Context, a args, s *section) error {
	t, err := newTopic(ctx, a)
	if err != nil {
		return err
	}
	client, err := kgo.NewClient(producing(a, t)...)
	if err != nil {
		return err
	}
	defer client.Close()
	value := make([]byte, a.size)
	latencies := make([]time.Duration, 0, a.records)
	for i := range warmUp + a.records {
		if i == warmUp {
			if err := s.begin(); err != nil {
				return err
			}
		}
		sent := time.Now()
		if err := client.ProduceSync(ctx, &kgo.Record{Value: value}).FirstErr(); err != nil {
			return err
		}
		if i >= warmUp {
			latencies = append(latencies, time.Since(sent))
		}
	}
	if err := s.end(a, a.records, a.records*a.size, latencies); err != nil {
		return err
	}
	return done(ctx, t, a.records+warmUp)
}

// producing is how franz-go is made here: idempotent with acks=all as it comes, nothing compressed, nothing held back.
func producing(a args, t *topic) []kgo.Opt {
	return []kgo.Opt{
		kgo.SeedBrokers(a.bootstrap), kgo.DefaultProduceTopic(t.name),
		kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.ProducerLinger(0),
	}
}

// ingest sends full batches, as many at once as idempotence allows.
func ingest(ctx context.Context, a args, s *section) error {
	t, err := newTopic(ctx, a)
	if err != nil {
		return err
	}
	producer, err := newRaw(ctx, a, t, batchBytes)
	if err != nil {
		return err
	}
	batches, before := max(1, a.bytes/len(producer.batch)), a.before/len(producer.batch)
	if err := producer.many(before, inFlight); err != nil {
		return err
	}
	if err := s.begin(); err != nil {
		return err
	}
	if err := producer.many(batches, inFlight); err != nil {
		return err
	}
	if err := s.end(a, batches, batches*len(producer.batch), nil); err != nil {
		return err
	}
	return done(ctx, t, (before+batches)*producer.records)
}

// done counts the topic and takes it away.
func done(ctx context.Context, t *topic, records int) error {
	if err := t.check(ctx, records); err != nil {
		return err
	}
	return t.drop(ctx)
}
