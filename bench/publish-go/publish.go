// Package publish is what the gateways in Go have in common: a handler of gin that reads JSON, hands it on, and answers 202.
package publish

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/gin-gonic/gin"
)

// grace is how long requests that have begun may take to end.
const grace = 5 * time.Second

// Args are the command line that every gateway of the comparison takes.
type Args struct {
	Listen    string
	Bootstrap string
	Topic     string
	Way       string
}

// Parse reads the command line; way is what --way is without one.
func Parse(way string) Args {
	var args Args
	flag.StringVar(&args.Listen, "listen", "127.0.0.1:0", "where to listen; port 0 takes any that is free")
	flag.StringVar(&args.Bootstrap, "bootstrap-server", "127.0.0.1:9092", "where Kafka is")
	flag.StringVar(&args.Topic, "topic", "bench", "where records go")
	flag.StringVar(&args.Way, "way", way, "when a request is answered")
	flag.Parse()
	return args
}

// Send hands one record on. An error is one that is known before the answer.
type Send func(ctx context.Context, key, value []byte) error

// Serve answers posts until SIGTERM or SIGINT, and says first where it listens.
//
// The body is parsed and written again, as a handler does that wants to know what it passes on; the key is the address of
// the client.
func Serve(listen string, send Send) error {
	gin.SetMode(gin.ReleaseMode)
	router := gin.New()
	router.Use(gin.Recovery())
	router.POST("/*path", func(c *gin.Context) {
		var payload map[string]any
		if err := c.ShouldBindJSON(&payload); err != nil {
			c.JSON(http.StatusBadRequest, gin.H{"error": "invalid JSON"})
			return
		}
		value, err := json.Marshal(payload)
		if err == nil {
			err = send(c.Request.Context(), []byte(c.ClientIP()), value)
		}
		if err != nil {
			c.Header("Retry-After", "1")
			c.JSON(http.StatusServiceUnavailable, gin.H{"error": err.Error()})
			return
		}
		c.JSON(http.StatusAccepted, gin.H{"status": "accepted"})
	})
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	fmt.Println("listening on", listener.Addr())
	server := &http.Server{Handler: router}
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGTERM, syscall.SIGINT)
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	select {
	case err := <-done:
		return err
	case <-ended:
	}
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}
