// The OTLP receiver of the OpenTelemetry collector on a free port of 127.0.0.1, for test/e2e/traces-collector.test.ts.
// Prints where it listens, then each span that it has taken, a line of JSON each.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/receiver/otlpreceiver"
	"go.opentelemetry.io/collector/receiver/receivertest"
)

type span struct {
	TraceID      string         `json:"traceId"`
	SpanID       string         `json:"spanId"`
	ParentSpanID string         `json:"parentSpanId"`
	Name         string         `json:"name"`
	Kind         string         `json:"kind"`
	Status       string         `json:"status"`
	DurationNs   int64          `json:"durationNs"`
	Attributes   map[string]any `json:"attributes"`
	Resource     map[string]any `json:"resource"`
	Scope        string         `json:"scope"`
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	endpoint, err := freeEndpoint()
	if err != nil {
		return err
	}
	factory := otlpreceiver.NewFactory()
	config := factory.CreateDefaultConfig()
	settings := map[string]any{"protocols": map[string]any{"http": map[string]any{"endpoint": endpoint}}}
	if err := confmap.NewFromStringMap(settings).Unmarshal(config); err != nil {
		return err
	}
	traces, err := consumer.NewTraces(printed())
	if err != nil {
		return err
	}
	ctx := context.Background()
	receiver, err := factory.CreateTraces(ctx, receivertest.NewNopSettings(factory.Type()), config, traces)
	if err != nil {
		return err
	}
	if err := receiver.Start(ctx, componenttest.NewNopHost()); err != nil {
		return err
	}
	fmt.Printf("http://%s\n", endpoint)
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGTERM, os.Interrupt)
	<-ended
	return receiver.Shutdown(ctx)
}

// The receiver does not say which port it took, so it is given one that was free a moment ago.
func freeEndpoint() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer listener.Close()
	return listener.Addr().String(), nil
}

func printed() consumer.ConsumeTracesFunc {
	var mutex sync.Mutex
	out := json.NewEncoder(os.Stdout)
	return func(_ context.Context, traces ptrace.Traces) error {
		mutex.Lock()
		defer mutex.Unlock()
		for _, ofResource := range traces.ResourceSpans().All() {
			for _, ofScope := range ofResource.ScopeSpans().All() {
				for _, one := range ofScope.Spans().All() {
					if err := out.Encode(shown(one, ofResource.Resource().Attributes(), ofScope.Scope().Name())); err != nil {
						return err
					}
				}
			}
		}
		return nil
	}
}

func shown(one ptrace.Span, resource pcommon.Map, scope string) span {
	return span{
		TraceID:      one.TraceID().String(),
		SpanID:       one.SpanID().String(),
		ParentSpanID: one.ParentSpanID().String(),
		Name:         one.Name(),
		Kind:         one.Kind().String(),
		Status:       one.Status().Code().String(),
		DurationNs:   int64(one.EndTimestamp()) - int64(one.StartTimestamp()),
		Attributes:   one.Attributes().AsRaw(),
		Resource:     resource.AsRaw(),
		Scope:        scope,
	}
}
