package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	// produceVersion is the first flexible version of Produce; every broker here serves it.
	produceVersion = 9
	// headerBytes is what a batch has before its records.
	headerBytes = 61
	// Where the fields lie that change from batch to batch.
	crcAt, attributesAt, sequenceAt = 17, 21, 53
	// noSequence is what a batch of a producer without an id has.
	noSequence = -1
	// uncounted is what the batch's own length leaves out: base offset and the length itself.
	uncounted = 12
	// trailing is the empty tags of partition, topic and request, behind the batch.
	trailing = 3
	// largestAnswer is more than any answer to Produce for one partition.
	largestAnswer = 64 << 10
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// raw is a producer without a client library, idempotent unless asked not to be: what is measured with it is the broker.
//
// One Produce request is made in advance, and sent again and again with the next sequence number.
type raw struct {
	conn        net.Conn
	in          *bufio.Reader
	frame       []byte
	batch       []byte
	records     int
	plain       bool
	sequence    int32
	correlation int32
	answered    int32
	answer      []byte
}

// newRaw connects, gets a producer id, and prepares a batch of as many values as fit into `limit` bytes, at least one.
func newRaw(ctx context.Context, a args, t *topic, limit int) (*raw, error) {
	id := &kmsg.InitProducerIDResponse{ProducerID: -1, ProducerEpoch: -1}
	if !a.plain {
		var err error
		if id, err = producerID(ctx, t); err != nil {
			return nil, fmt.Errorf("producer id: %w", err)
		}
	}
	dialer := net.Dialer{}
	conn, err := dialer.DialContext(ctx, "tcp", a.bootstrap)
	if err != nil {
		return nil, err
	}
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return nil, err
		}
	}
	batch, records := encode(a.size, limit, id.ProducerID, id.ProducerEpoch)
	frame := request(t.name, batch)
	tail := frame[len(frame)-trailing-len(batch) : len(frame)-trailing]
	if !bytes.Equal(tail, batch) {
		return nil, errors.New("the batch is not where it should be in the request")
	}
	sequence := int32(0)
	if a.plain {
		sequence = noSequence
	}
	return &raw{
		sequence: sequence,
		conn:     conn, in: bufio.NewReader(conn), frame: frame, batch: tail, records: records, plain: a.plain,
		answer: make([]byte, largestAnswer),
	}, nil
}

func producerID(ctx context.Context, t *topic) (*kmsg.InitProducerIDResponse, error) {
	wanted := kmsg.NewPtrInitProducerIDRequest()
	wanted.ProducerID, wanted.ProducerEpoch = -1, -1
	id, err := wanted.RequestWith(ctx, t.admin)
	if err != nil {
		return nil, err
	}
	return id, kerr.ErrorForCode(id.ErrorCode)
}

// encode returns a batch and how many records it has.
func encode(size, limit int, producer int64, epoch int16) ([]byte, int) {
	value := make([]byte, size)
	random := rand.NewChaCha8([32]byte{'k', 'l', 'a', 'm', 'm'})
	_, _ = random.Read(value)
	var records []byte
	count := 0
	for {
		record := kmsg.Record{OffsetDelta: int32(count), Value: value}
		// Its length field is one byte while it is 0: the rest is the length.
		record.Length = int32(len(record.AppendTo(nil)) - 1)
		encoded := record.AppendTo(nil)
		if count > 0 && headerBytes+len(records)+len(encoded) > limit {
			break
		}
		records = append(records, encoded...)
		count++
		if limit == 0 {
			break
		}
	}
	now := time.Now().UnixMilli()
	batch := kmsg.RecordBatch{
		Length: int32(headerBytes - uncounted + len(records)), PartitionLeaderEpoch: -1, Magic: 2,
		LastOffsetDelta: int32(count - 1), FirstTimestamp: now, MaxTimestamp: now,
		ProducerID: producer, ProducerEpoch: epoch, NumRecords: int32(count), Records: records,
	}
	return batch.AppendTo(nil), count
}

// request returns the frame of a Produce request for partition 0.
func request(topic string, batch []byte) []byte {
	partition := kmsg.NewProduceRequestTopicPartition()
	partition.Records = batch
	wanted := kmsg.NewProduceRequestTopic()
	wanted.Topic, wanted.Partitions = topic, append(wanted.Partitions, partition)
	request := kmsg.NewPtrProduceRequest()
	request.Acks, request.TimeoutMillis = -1, requestMillis
	request.Topics = append(request.Topics, wanted)
	request.SetVersion(produceVersion)
	return kmsg.NewRequestFormatter(kmsg.FormatterClientID("load")).AppendRequest(nil, request, 0)
}

// send writes the next batch.
func (r *raw) send() error {
	binary.BigEndian.PutUint32(r.batch[sequenceAt:], uint32(r.sequence))
	binary.BigEndian.PutUint32(r.batch[crcAt:], crc32.Checksum(r.batch[attributesAt:], castagnoli))
	binary.BigEndian.PutUint32(r.frame[8:], uint32(r.correlation))
	if !r.plain {
		r.sequence += int32(r.records)
	}
	r.correlation++
	_, err := r.conn.Write(r.frame)
	return err
}

// receive reads the next answer; it is only looked into by check.
func (r *raw) receive() ([]byte, error) {
	head, err := r.in.Peek(4)
	if err != nil {
		return nil, err
	}
	length := binary.BigEndian.Uint32(head)
	if length < 5 || length > largestAnswer {
		return nil, fmt.Errorf("an answer of %d bytes", length)
	}
	if _, err := r.in.Discard(4); err != nil {
		return nil, err
	}
	_, err = io.ReadFull(r.in, r.answer[:length])
	return r.answer[:length], err
}

// check fails unless the answer is the next one and accepts the batch.
func (r *raw) check(answer []byte) error {
	if id := int32(binary.BigEndian.Uint32(answer)); id != r.answered {
		return fmt.Errorf("answer %d where %d was due", id, r.answered)
	}
	r.answered++
	response := kmsg.NewPtrProduceResponse()
	response.SetVersion(produceVersion)
	// Behind the correlation id the header has tags, of which Kafka knows none.
	if err := response.ReadFrom(answer[5:]); err != nil {
		return err
	}
	if len(response.Topics) != 1 || len(response.Topics[0].Partitions) != 1 {
		return errors.New("an answer for one partition was expected")
	}
	return kerr.ErrorForCode(response.Topics[0].Partitions[0].ErrorCode)
}

// many sends `batches` of them, `window` without waiting.
func (r *raw) many(batches, window int) error {
	for i := range batches + window {
		if i < batches {
			if err := r.send(); err != nil {
				return err
			}
		}
		if i >= window {
			answer, err := r.receive()
			if err != nil {
				return err
			}
			if err := r.check(answer); err != nil {
				return err
			}
		}
	}
	return nil
}
