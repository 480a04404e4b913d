// Produces the records of a list in one idempotent batch with franz-go.
//
// capture BOOTSTRAP TOPIC CODEC RECORDS
package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	epoch    = 1_700_000_000_000
	patience = 60 * time.Second
)

var codecs = map[string]kgo.CompressionCodec{
	"none":   kgo.NoCompression(),
	"gzip":   kgo.GzipCompression(),
	"snappy": kgo.SnappyCompression(),
	"lz4":    kgo.Lz4Compression(),
	"zstd":   kgo.ZstdCompression(),
}

func main() {
	if err := run(os.Args[1], os.Args[2], os.Args[3], os.Args[4]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(bootstrap, topic, codec, path string) error {
	records, err := read(path)
	if err != nil {
		return err
	}
	client, err := kgo.NewClient(
		kgo.SeedBrokers(bootstrap),
		kgo.ClientID("capture"),
		kgo.DefaultProduceTopic(topic),
		kgo.ProducerBatchCompression(codecs[codec]),
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		// Nothing leaves before the flush.
		kgo.ProducerLinger(10*time.Second),
		kgo.ProduceRequestTimeout(30*time.Second),
	)
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var failed error
	for _, record := range records {
		client.Produce(ctx, record, func(record *kgo.Record, err error) {
			if err != nil {
				failed = err
			}
			fmt.Println(record.Offset)
		})
	}
	if err := client.Flush(ctx); err != nil {
		return err
	}
	return failed
}

func read(path string) ([]*kgo.Record, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var records []*kgo.Record
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		record, err := parse(strings.Split(strings.TrimSuffix(line, "\n"), "\t"))
		if err != nil {
			return nil, fmt.Errorf("%q: %w", line, err)
		}
		records = append(records, record)
	}
	return records, nil
}

func parse(columns []string) (*kgo.Record, error) {
	delta, err := strconv.ParseInt(columns[0], 10, 64)
	if err != nil {
		return nil, err
	}
	record := &kgo.Record{
		Timestamp: time.UnixMilli(epoch + delta),
		Key:       field(columns[1]),
		Value:     field(columns[2]),
	}
	if len(columns) > 3 {
		for header := range strings.SplitSeq(columns[3], " ") {
			end := strings.IndexAny(header, "-=*")
			value := field(header[end:])
			record.Headers = append(record.Headers, kgo.RecordHeader{Key: header[:end], Value: value})
		}
	}
	return record, nil
}

func field(text string) []byte {
	switch text[0] {
	case '-':
		return nil
	case '*':
		count, _ := strconv.Atoi(text[1:])
		bytes := make([]byte, count)
		for i := range bytes {
			bytes[i] = byte(i % 251)
		}
		return bytes
	default:
		return []byte(text[1:])
	}
}
