// What every Go client is asked to do. One JSON line for each feature: {"feature", "ok", "detail"}.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	featureTime = 12 * time.Second
	heardTime   = 5 * time.Second
	uri         = "feature://text"
	bigBytes    = 1_000_000
)

type object = map[string]any

// A result as far as the checks look at it.
type result struct {
	text       string
	structured any
	isError    bool
}

// What a client library has to do; each adapter wraps one.
type adapter interface {
	version() string
	tools(ctx context.Context) ([]string, error)
	call(ctx context.Context, name string, arguments object) (result, error)
	// The same with a progress token, or with the wish for every log message.
	callForProgress(ctx context.Context, name string) (result, error)
	callForLogs(ctx context.Context, name string) (result, error)
	resources(ctx context.Context) ([]string, error)
	read(ctx context.Context, uri string) (string, error)
	subscribe(ctx context.Context, uri string) error
	prompts(ctx context.Context) ([]string, error)
	prompt(ctx context.Context, name string, arguments map[string]string) (string, error)
	complete(ctx context.Context, prompt, argument, value string) ([]string, error)
	// Features that the library has no way to.
	lacks() []string
	close()
}

// What servers told a client without being asked.
type heard struct {
	mutex       sync.Mutex
	progress    []float64
	logs        []string
	updates     []string
	listChanges int
}

func (h *heard) note(change func()) {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	change()
}

func (h *heard) is(reached func() bool) bool {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	return reached()
}

func tell(feature string, ok bool, detail string) {
	if len(detail) > 400 {
		detail = strings.ToValidUTF8(detail[:400], "")
	}
	line, _ := json.Marshal(object{"feature": feature, "ok": ok, "detail": detail})
	fmt.Println(string(line))
}

func same(actual, expected any) error {
	if reflect.DeepEqual(actual, expected) {
		return nil
	}
	return fmt.Errorf("%.200q instead of %.200q", fmt.Sprint(actual), fmt.Sprint(expected))
}

func until(ctx context.Context, what string, reached func() (bool, error)) error {
	deadline := time.Now().Add(heardTime)
	for {
		ok, err := reached()
		if err != nil || ok {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("waited %v for %s", heardTime, what)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// The text with which a call fails, however the library shows it.
func failureOf(got result, err error) (string, error) {
	if err != nil {
		return err.Error(), nil
	}
	if got.isError {
		return got.text, nil
	}
	return "", fmt.Errorf("answered %.200q", got.text)
}

type checks struct {
	adapter adapter
	heard   *heard
}

func (c *checks) answers(ctx context.Context, tool string, arguments object, expected string) error {
	got, err := c.adapter.call(ctx, tool, arguments)
	if err != nil {
		return err
	}
	return same(got.text, expected)
}

func (c *checks) fails(ctx context.Context, tool, expected string) (string, error) {
	message, err := failureOf(c.adapter.call(ctx, tool, object{}))
	if err == nil && !strings.Contains(message, expected) {
		err = errors.New(message)
	}
	return message, err
}

func (c *checks) parallel(ctx context.Context) error {
	failures := make(chan error, 20)
	for at := range cap(failures) {
		words := fmt.Sprint("p", at)
		go func() { failures <- c.answers(ctx, "echo", object{"text": words}, words) }()
	}
	var all error
	for range cap(failures) {
		all = errors.Join(all, <-failures)
	}
	return all
}

func (c *checks) cancel(ctx context.Context) error {
	key := fmt.Sprint(os.Getpid(), "-", time.Now().UnixNano())
	isNow := func(word string) func() (bool, error) {
		return func() (bool, error) {
			got, err := c.adapter.call(ctx, "waited", object{"key": key})
			return got.text == word, err
		}
	}
	calling, cancel := context.WithCancel(ctx)
	defer cancel()
	go c.adapter.call(calling, "wait", object{"key": key})
	if err := until(ctx, "the call to begin", isNow("begun")); err != nil {
		return err
	}
	cancel()
	return until(ctx, "the server to hear of it", isNow("cancelled"))
}

// Does it until it is heard of: a notification of no request may come before the client's stream is open.
func (c *checks) repeat(ctx context.Context, tool string, reached func() bool) error {
	return until(ctx, "the notification of "+tool, func() (bool, error) {
		if c.heard.is(reached) {
			return true, nil
		}
		_, err := c.adapter.call(ctx, tool, object{})
		return c.heard.is(reached), err
	})
}

// A check answers a detail for the table, or why it failed.
type check struct {
	feature string
	run     func(ctx context.Context) (string, error)
}

func plain(run func(ctx context.Context) error) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) { return "", run(ctx) }
}

// Last the one that ends the server.
func (c *checks) all() []check {
	return slices.Concat(c.calls(), c.lists(), c.notifications(), c.questions(), []check{{"crash", c.crash}})
}

func (c *checks) calls() []check {
	unicode := "ünï 漢字 😀 \u2028 \"q\" </script>"
	return []check{
		{"call", plain(func(ctx context.Context) error {
			return c.answers(ctx, "echo", object{"text": "hello"}, "hello")
		})},
		{"unicode", plain(func(ctx context.Context) error {
			return c.answers(ctx, "echo", object{"text": unicode}, unicode)
		})},
		{"structured", plain(func(ctx context.Context) error {
			got, err := c.adapter.call(ctx, "sum", object{"a": 1, "b": 2})
			if err != nil {
				return err
			}
			return same(got.structured, object{"sum": 3.0})
		})},
		{"big_result", plain(func(ctx context.Context) error {
			return c.answers(ctx, "big", object{}, strings.Repeat("é", bigBytes/2))
		})},
		{"parallel", plain(c.parallel)},
		{"tool_error", func(ctx context.Context) (string, error) { return c.fails(ctx, "refuse", "refused: bäd") }},
		{"protocol_error", func(ctx context.Context) (string, error) { return c.fails(ctx, "break", "broken: bäd") }},
		{"cancel", plain(c.cancel)},
	}
}

func (c *checks) lists() []check {
	return []check{
		{"tools", plain(func(ctx context.Context) error {
			names, err := c.adapter.tools(ctx)
			if err != nil {
				return err
			}
			return same(slices.Contains(names, "echo") && slices.Contains(names, "die"), true)
		})},
		{"resources", plain(func(ctx context.Context) error {
			uris, err := c.adapter.resources(ctx)
			if err != nil {
				return err
			}
			text, err := c.adapter.read(ctx, uri)
			return errors.Join(err, same(slices.Contains(uris, uri), true), same(text, "text: ünï"))
		})},
		{"prompts", plain(func(ctx context.Context) error {
			names, err := c.adapter.prompts(ctx)
			if err != nil {
				return err
			}
			text, err := c.adapter.prompt(ctx, "greet", map[string]string{"name": "Zoë"})
			return errors.Join(err, same(slices.Contains(names, "greet"), true), same(text, "Hello Zoë"))
		})},
		{"completion", plain(func(ctx context.Context) error {
			values, err := c.adapter.complete(ctx, "greet", "name", "pa")
			return errors.Join(err, same(values, []string{"paris", "parma"}))
		})},
	}
}

func (c *checks) notifications() []check {
	return []check{
		{"progress", plain(func(ctx context.Context) error {
			if _, err := c.adapter.callForProgress(ctx, "count"); err != nil {
				return err
			}
			return until(ctx, "three steps", func() (bool, error) {
				return c.heard.is(func() bool { return slices.Equal(c.heard.progress, []float64{1, 2, 3}) }), nil
			})
		})},
		{"logging", plain(func(ctx context.Context) error {
			return until(ctx, "the log message", func() (bool, error) {
				logged := func() bool { return slices.Contains(c.heard.logs, "logged: ünï") }
				if c.heard.is(logged) {
					return true, nil
				}
				_, err := c.adapter.callForLogs(ctx, "log")
				return c.heard.is(logged), err
			})
		})},
		{"subscribe", plain(func(ctx context.Context) error {
			if err := c.adapter.subscribe(ctx, uri); err != nil {
				return err
			}
			return c.repeat(ctx, "touch", func() bool { return slices.Contains(c.heard.updates, uri) })
		})},
		{"list_changed", plain(func(ctx context.Context) error {
			return c.repeat(ctx, "grow", func() bool { return c.heard.listChanges > 0 })
		})},
	}
}

func (c *checks) questions() []check {
	return []check{
		{"elicitation", plain(func(ctx context.Context) error {
			return c.answers(ctx, "ask_form", object{}, "accept Zoë")
		})},
		{"sampling", plain(func(ctx context.Context) error { return c.answers(ctx, "ask_model", object{}, "four") })},
		{"roots", plain(func(ctx context.Context) error {
			return c.answers(ctx, "ask_roots", object{}, "file:///features")
		})},
	}
}

// The message of the gateway reaches the user, and the next call of the session works.
func (c *checks) crash(ctx context.Context) (string, error) {
	message, err := c.fails(ctx, "die", "exit")
	if err != nil {
		return "", fmt.Errorf("no reason in: %w", err)
	}
	return message, c.answers(ctx, "echo", object{"text": "again"}, "again")
}

func attempt(ctx context.Context, one check) {
	bounded, cancel := context.WithTimeout(ctx, featureTime)
	defer cancel()
	detail, err := one.run(bounded)
	if err != nil {
		detail = err.Error()
	}
	tell(one.feature, err == nil, detail)
}

func main() {
	endpoint, url, token, library, era := os.Args[1], os.Args[2], os.Args[3], os.Args[4], os.Args[5]
	open := map[string]func(context.Context, string, string, string, bool, *heard) (adapter, error){
		"go-sdk": openGoSdk, "mcp-go": openMcpGo,
	}[library]
	ctx, cancel := context.WithTimeout(context.Background(), 80*time.Second)
	defer cancel()
	told := &heard{}
	client, err := open(ctx, endpoint, url, token, era == "legacy", told)
	if err != nil {
		tell("initialize", false, err.Error())
		return
	}
	tell("initialize", true, client.version())
	skipped := append(client.lacks(), strings.Fields(os.Getenv("SKIPPED"))...)
	checked := &checks{client, told}
	for _, one := range checked.all() {
		if !slices.Contains(skipped, one.feature) {
			attempt(ctx, one)
		}
	}
	client.close()
}
